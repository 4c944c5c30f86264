import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from sfm.evaluation.self_check import check_map
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from tests.mapping.maps import make_map

NAMES = tuple(f"{i:02d}.jpg" for i in range(8))
METRES_PER_DEGREE = 111_195.0


@pytest.fixture
def good():
    """A map of eight images along a curve, one unit of the map being ten metres."""
    return make_map(NAMES, points=60)


def known(sparse_map, factor=1.0):
    """Cameras before mapping, whose focal lengths EXIF gave, `factor` times those of the map."""
    prior = {}
    for i, camera in sparse_map.cameras.items():
        params = (camera.params[0] * factor, camera.params[1] * factor, *camera.params[2:])
        prior[i] = replace(camera, params=params, focal_is_known=True)
    return prior


def gps_of(sparse_map, noise_m=0.0, names=NAMES):
    rng = np.random.default_rng(0)
    positions = {}
    for name in names:
        east, _, north = 10 * sparse_map.poses[name].center + rng.normal(0, max(noise_m, 1e-9), 3)
        positions[name] = (north / METRES_PER_DEGREE, east / METRES_PER_DEGREE, np.nan)
    return positions


def observations(sparse_map):
    """Verified matches of a pair: where the map's own points are seen."""
    images = {image.name: image for image in sparse_map.images.values()}

    def verified(name1, name2):
        sides = []
        for name in (name1, name2):
            image = images[name]
            index = {int(p): i for i, p in enumerate(image.point_ids) if p >= 0}
            sides.append(image.xy[[index[int(p)] for p in sparse_map.point_ids]])
        return tuple(sides)

    return verified


def check(sparse_map, prior=None, gps=None, verified=None, pairs=None, rejected=()):
    return check_map(
        sparse_map,
        prior or known(sparse_map, 1.001),
        gps or {},
        combinations(NAMES, 2) if pairs is None else pairs,
        verified or observations(sparse_map),
        threshold_px=2.0,
        rejected=rejected,
    )


def moved(sparse_map, names, offset):
    """The map with the centres of some images moved."""
    images = {}
    for i, image in sparse_map.images.items():
        if image.name in names:
            pose = image.cam_from_world
            center = pose.center + offset
            image = replace(image, cam_from_world=Pose(pose.rotation, -pose.rotation @ center))
        images[i] = image
    return replace(sparse_map, images=images)


def test_nothing_speaks_against_a_good_map(good):
    found = check(good, gps=gps_of(good, noise_m=2.0))
    assert found.problems == ()
    assert list(found.focal_ratios.values()) == [pytest.approx(1 / 1.001)]
    assert found.gps.rms_m < 4
    assert (found.pairs, found.contradicting_pairs) == (28, 0)


@pytest.mark.parametrize(("factor", "wrong"), [(1.05, False), (0.95, False), (1.6, True), (0.6, True)])
def test_a_focal_length_far_from_exif(good, factor, wrong):
    found = check(good, prior=known(good, factor))
    assert list(found.focal_ratios.values()) == [pytest.approx(1 / factor)]
    assert bool(found.problems) == wrong
    if wrong:
        assert found.problems == (
            f"camera 3 has a focal length of 505 px where EXIF says {505 * factor:.0f}",
        )


def test_a_focal_length_that_was_held_proves_nothing(good):
    assert check(good, prior=known(good)).focal_ratios == {}


def test_where_the_map_stands_exif_is_in_doubt(good):
    found = check(good, prior=known(good, 1.6)).doubting("another").doubting_exif()
    assert found.problems == ("another",)
    assert found.remarks == (
        "EXIF does not fit the photographs: camera 3 has a focal length of 505 px where EXIF says 808",
    )
    assert found.doubting_exif() == found


def test_a_guessed_focal_length_proves_nothing(good):
    prior = {i: replace(camera, focal_is_known=False) for i, camera in known(good, 2.0).items()}
    found = check(good, prior=prior)
    assert found.focal_ratios == {}
    assert found.problems == ()


@pytest.mark.parametrize(("focal_px", "wrong"), [(91.0, True), (360.0, False)])
def test_a_lens_that_sees_more_than_straight_lines_allow(good, focal_px, wrong):
    (i, camera), *_ = good.cameras.items()
    wide = Camera("SIMPLE_RADIAL", camera.width, camera.height, (focal_px, *camera.principal_point, 0.0))
    found = check(replace(good, cameras={i: wide}), prior={i: replace(wide, params=(1e3, *wide.params[1:]))})
    told = [problem for problem in found.problems if "degrees across" in problem]
    assert bool(told) == wrong


def test_positions_far_from_gps(good):
    shuffled = gps_of(good)
    values = [shuffled[name] for name in NAMES]
    wrong = dict(zip(NAMES, values[::2] + values[1::2], strict=True))
    found = check(good, gps=wrong)
    assert len(found.problems) == 1
    assert "m off its GPS positions, which spread over" in found.problems[0]


def test_gps_noise_of_a_phone_is_no_problem(good):
    assert check(good, gps=gps_of(good, noise_m=5.0)).problems == ()


def test_three_positions_prove_nothing(good):
    found = check(good, gps=gps_of(good, names=NAMES[:3]))
    assert found.gps is None
    assert found.problems == ()


def test_pairs_that_contradict_the_map(good):
    """Two images elsewhere than where their matches put them: 13 of 28 pairs contradict."""
    wrong = moved(good, NAMES[3:5], np.array([0.0, 1.5, 0.0]))
    found = check(wrong, verified=observations(good))
    assert 12 <= found.contradicting_pairs <= 13
    share, pairs = f"{found.contradicting_share:.0%}", f"{found.contradicting_pairs} of 28 pairs"
    assert found.problems == (f"{share} of the verified matches, in {pairs}, contradict it",)
    assert found.contradicting_share == pytest.approx(found.contradicting_pairs / 28)


def test_some_wrong_matches_do_not_make_a_pair_contradict(good):
    right = observations(good)

    def verified(name1, name2):
        xy1, xy2 = right(name1, name2)
        xy2 = xy2.copy()
        xy2[: len(xy2) * 2 // 5] += [0, 60]
        return xy1, xy2

    assert check(good, verified=verified).contradicting_pairs == 0


def test_a_contradicting_pair_is_said_but_no_problem(good):
    right = observations(good)

    def verified(name1, name2):
        xy1, xy2 = right(name1, name2)
        return (xy1, xy2 + np.array([0, 60])) if (name1, name2) == NAMES[:2] else (xy1, xy2)

    found = check(good, verified=verified)
    assert found.contradicting_pairs == 1
    assert found.problems == ()


def test_many_contradicting_pairs_of_few_matches_are_no_problem(good):
    """What repeated structure does in good maps."""
    right = observations(good)

    def verified(name1, name2):
        xy1, xy2 = right(name1, name2)
        return (xy1[:4], xy2[:4] + np.array([0, 60])) if name1 == NAMES[0] else (xy1, xy2)

    found = check(good, verified=verified)
    assert found.contradicting_pairs == 7
    assert found.contradicting_share < 0.1
    assert found.problems == ()


def test_an_image_elsewhere_than_its_pairs_put_it(good):
    """They have so few of all matches that the map is right but for it."""
    right, wrong = observations(good), moved(good, NAMES[3:4], np.array([0.0, 1.5, 0.0]))

    def verified(name1, name2):
        xy1, xy2 = right(name1, name2)
        return (xy1[:8], xy2[:8]) if NAMES[3] in (name1, name2) else (xy1, xy2)

    found = check(wrong, verified=verified)
    assert found.misplaced == (NAMES[3],)
    assert found.contradicting_share < 0.05
    assert found.problems == ()
    assert check(good, verified=verified).misplaced == ()


def test_images_that_agree_with_each_other_only(good):
    wrong = moved(good, NAMES[3:5], np.array([0.0, 1.5, 0.0]))
    assert check(wrong, verified=observations(good)).misplaced == NAMES[3:5]


@pytest.mark.parametrize(("wrong_of_twenty", "misplaced"), [(1, ()), (2, NAMES[:1])])
def test_a_map_bent_at_an_image_agrees_with_a_part_of_its_pairs(good, wrong_of_twenty, misplaced):
    right = observations(good)

    def verified(name1, name2):
        xy1, xy2 = right(name1, name2)
        if name1 == NAMES[0]:
            xy2 = xy2.copy()
            xy2[: len(xy2) * wrong_of_twenty // 20] += [0, 60]
        return xy1, xy2

    found = check(good, verified=verified)
    assert found.contradicting_pairs == 0
    assert found.misplaced == misplaced


def test_wrong_pairs_do_not_misplace_an_image_that_a_right_one_holds(good):
    """However many they are: windows that repeat."""
    right = observations(good)

    def verified(name1, name2):
        xy1, xy2 = right(name1, name2)
        if name1 != NAMES[0] or name2 == NAMES[1]:
            return xy1, xy2
        return xy1, xy2 + np.array([0, 60])

    found = check(good, verified=verified)
    assert found.contradicting_pairs == 6
    assert found.misplaced == ()


def test_pairs_with_images_outside_the_map_do_not_count(good):
    found = check(good, pairs=[(NAMES[0], NAMES[1]), (NAMES[0], "lost.jpg")])
    assert found.pairs == 1


def folded(sparse_map):
    """The map with its second half laid upon the first, as if both saw the same side of a thing."""
    images = {image.name: image for image in sparse_map.images.values()}
    upon = dict(zip(NAMES[4:], NAMES[:4], strict=True))
    laid = {
        i: replace(image, cam_from_world=images[upon.get(image.name, image.name)].cam_from_world)
        for i, image in sparse_map.images.items()
    }
    return replace(sparse_map, images=laid), list(zip(NAMES[4:], NAMES[:4], strict=True))


@pytest.mark.parametrize(("unmatched", "told"), [(0, False), (1, False), (2, True), (4, True)])
def test_images_side_by_side_without_a_match_fold_the_map(good, unmatched, told):
    sparse_map, pairs = folded(good)
    found = check(
        sparse_map, verified=observations(sparse_map), pairs=pairs[unmatched:], rejected=pairs[:unmatched]
    )
    assert found.unmatched == tuple(pairs[:unmatched])
    assert found.is_folded == told
    assert any("side by side" in problem for problem in found.problems) == told


def test_images_that_look_elsewhere_need_no_match(good):
    """Turned around at the same place: nothing that one sees is before the other."""
    (i, image), *_ = good.images.items()
    about = np.diag([-1.0, 1.0, -1.0])
    turned = Pose(about @ image.cam_from_world.rotation, about @ image.cam_from_world.translation)
    sparse_map = replace(good, images={**good.images, i: replace(image, cam_from_world=turned)})
    rejected = [(image.name, name) for name in NAMES if name != image.name]
    assert check(sparse_map, pairs=[], rejected=rejected).unmatched == ()


def test_distortion_is_taken_into_account():
    strong = make_map(NAMES, points=60, models=("SIMPLE_RADIAL",))
    found = check(strong)
    assert found.contradicting_pairs == 0


def test_findings_are_json(good):
    data = json.loads(json.dumps(check(good, gps=gps_of(good)).as_json()))
    assert set(data) == {
        "focal_ratios",
        "gps",
        "pairs",
        "contradicting_pairs",
        "contradicting_share",
        "misplaced",
        "problems",
        "remarks",
        "unmatched",
    }
    assert data["gps"]["positions"] == 8
    assert json.loads(json.dumps(check(good).as_json()))["gps"] is None
