"""How a set is read, mapped, checked and explained, on maps that are known."""

import json
import re
import sqlite3
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from sfm.errors import WorkError
from sfm.evaluation.poses import evaluate_poses
from sfm.evaluation.trajectory import Trajectory
from sfm.geometry.camera import Camera
from sfm.images.exif import Exif
from sfm.images.photo_set import Photo
from sfm.mapping import mapper
from sfm.mapping.colmap_io import read_map
from sfm.mapping.database import ImageEntry, MapDatabase
from sfm.mapping.incremental import run_mapper
from sfm.mapping.options import MappingOptions
from sfm.pipelines import map_attempts, mapping
from sfm.pipelines.mapping import build_map
from sfm.pipelines.matching import PairSet
from sfm.workspace import Workspace, digest_of
from tests.images.files import save
from tests.mapping.synthetic import CAMERA, along_a_street, along_a_wall, verify_pair, write_database

from .progress import Heard

WALL = [f"w{i}.jpg" for i in range(7)]
STREET = [f"s{i:02d}.jpg" for i in range(10)]
METRES_PER_DEGREE = 111_195.0


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "out")


def photos_of(workspace, names, gps=None):
    photos = []
    for name in names:
        exif = Exif()
        if gps:
            exif = replace(exif, latitude_deg=gps[name][0], longitude_deg=gps[name][1])
        photos.append(Photo(name, workspace.root.parent / name, 640, 480, exif))
    return photos


def run(workspace, *maps, names=None, cameras=None, gps=None, pairs=None, hindrances=(), **options):
    cameras = cameras or {1: CAMERA}
    if pairs is None:
        pairs = write_database(workspace.database, *maps, cameras=cameras)
    names = names or [image.name for m in maps for image in m.images.values()]
    heard = Heard()
    made = build_map(
        photos_of(workspace, names, gps),
        cameras,
        PairSet(tuple(pairs), 0, digest_of([vars(pair) for pair in pairs])),
        workspace,
        4.0,
        640,
        MappingOptions(**options),
        heard,
        hindrances=hindrances,
    )
    return made, heard


def record(workspace):
    return json.loads((workspace.sparse / "mapping.json").read_text())


def test_a_wall_is_mapped_as_a_collection(workspace):
    made, heard = run(workspace, along_a_wall(WALL))
    assert len(made.models[0].images) == 7
    assert made.chosen == "as a collection, intrinsics refined"
    assert made.check["problems"] == []
    assert made.left_out == {}
    assert not made.reused
    assert heard.stages["Map"] == (7, 7, "images")
    assert len(record(workspace)["attempts"]) == 1
    assert not record(workspace)["reading"]["is_walk"]
    assert len(read_map(workspace.sparse / "0").images) == 7


def test_a_street_is_mapped_as_a_walk_with_the_focal_length_of_exif(workspace):
    made, heard = run(workspace, along_a_street(STREET))
    assert made.chosen == "as a walk, intrinsics held"
    assert len(made.models[0].images) == 10
    assert made.models[0].cameras[1].params == CAMERA.params
    assert record(workspace)["reading"]["is_walk"]
    assert any("Mapping as a walk, intrinsics held." in line for line in heard.said)


def test_a_guessed_focal_length_is_refined_on_a_walk_too(workspace):
    guessed = {1: replace(CAMERA, focal_is_known=False)}
    made, _ = run(workspace, along_a_street(STREET), cameras=guessed)
    assert made.chosen == "as a walk, intrinsics refined"


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({"capture": "walk"}, "as a walk, intrinsics held"),
        ({"capture": "walk", "refine_intrinsics": "always"}, "as a walk, intrinsics refined"),
        ({"refine_intrinsics": "never"}, "as a collection, intrinsics held"),
    ],
)
def test_what_is_told_to_do_is_done(workspace, options, chosen):
    made, _ = run(workspace, along_a_wall(WALL), **options)
    assert made.chosen == chosen


def test_given_intrinsics_are_never_refined(workspace):
    wrong = {1: replace(CAMERA, params=(510.0, *CAMERA.params[1:]), fixed=True)}
    made, _ = run(workspace, along_a_wall(WALL), cameras=wrong, refine_intrinsics="always")
    assert made.chosen == "as a collection, intrinsics given"
    assert made.models[0].cameras[1].params == wrong[1].params


def test_a_second_run_maps_nothing(workspace, monkeypatch):
    truth = along_a_wall(WALL)
    first, _ = run(workspace, truth)
    monkeypatch.setattr(mapper, "run_mapper", None)
    second, heard = run(workspace, truth)
    assert second.reused
    assert heard.said == ["Reused: the map."]
    assert second.digest == first.digest
    assert second.check == json.loads(json.dumps(first.check))
    np.testing.assert_allclose(second.models[0].xyz, first.models[0].xyz)


def test_a_changed_option_is_named(workspace):
    truth = along_a_wall(WALL)
    run(workspace, truth)
    made, heard = run(workspace, truth, seed=3)
    assert not made.reused
    assert "The map is made anew: seed 0 -> 3." in heard.said
    made, heard = run(workspace, along_a_wall(WALL[:6]), names=WALL[:6], seed=3)
    assert "The map is made anew: other pairs." in heard.said


@pytest.mark.parametrize("damage", ["cut", "model", "record"])
def test_a_damaged_map_is_made_again(workspace, damage):
    truth = along_a_wall(WALL)
    run(workspace, truth)
    if damage == "cut":
        path = workspace.sparse / "0" / "points3D.bin"
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "model":
        for path in (workspace.sparse / "0").iterdir():
            path.unlink()
    else:
        (workspace.sparse / "mapping.json").write_text("{")
    made, _ = run(workspace, truth)
    assert not made.reused
    assert len(read_map(workspace.sparse / "0").images) == 7


def test_every_image_that_is_left_out_has_a_reason(workspace):
    large, small = along_a_wall(WALL, seed=1), along_a_wall(["x0.jpg", "x1.jpg", "x2.jpg"], seed=2)
    pair = along_a_wall(["y0.jpg", "y1.jpg"], seed=3)
    lonely = along_a_wall(["z.jpg"], seed=4)
    made, _ = run(workspace, small, pair, lonely, large)
    assert [len(model.images) for model in made.models] == [7, 3]
    assert made.left_out == {
        "x0.jpg": "in model 1, not connected well enough with the largest",
        "x1.jpg": "in model 1, not connected well enough with the largest",
        "x2.jpg": "in model 1, not connected well enough with the largest",
        "y0.jpg": "verified only with images that are not in the map",
        "y1.jpg": "verified only with images that are not in the map",
        "z.jpg": "no verified pair with another image",
    }


def test_too_few_points_in_common(workspace):
    truth = along_a_wall(WALL, points=1500)
    images = dict(truth.images)
    lost = images[7]
    shared = np.intersect1d(lost.point_ids, images[6].point_ids)[:22]
    # Enough for a verified pair, too few for a pose; the others are points that nobody else sees.
    strange = np.where(np.isin(lost.point_ids, shared), lost.point_ids, -np.arange(len(lost.point_ids)) - 1)
    images[7] = replace(lost, point_ids=strange)
    made, _ = run(workspace, replace(truth, images=images), mapper_share=1.0)
    assert made.left_out == {lost.name: "too few points in common with the map"}
    # A map that has been refined lets it in by as many, and in the right place.
    made, _ = run(workspace, replace(truth, images=images))
    assert made.left_out == {}
    found = evaluate_poses(made.models[0].poses, Trajectory(truth.poses))
    assert (found.registered, found.total) == (7, 7)
    assert found.ate_rmse < 0.05


def test_no_pair_beyond_chance(workspace):
    images = [along_a_wall([name], seed=i) for i, name in enumerate(WALL[:3])]
    pairs = [verify_pair(a.images[1], b.images[1], minimum=10**6).pair for a, b in combinations(images, 2)]
    with pytest.raises(WorkError, match="none of 3 pairs of images shows the same thing twice beyond chance"):
        run(workspace, *images, pairs=pairs)
    assert not workspace.sparse.exists()


@pytest.mark.parametrize(
    ("hindrances", "advice"),
    [
        ([], "Take photographs with more overlap."),
        (["--min-inliers 5000"], "Try without --min-inliers 5000, or take photographs with more overlap."),
        (["--pair-list a.txt", "--max-size 99"], "Try without --pair-list a.txt and --max-size 99, or take "),
    ],
)
def test_what_may_be_why_there_is_no_map_is_named(workspace, hindrances, advice):
    with pytest.raises(WorkError, match=f"beyond chance. {advice}"):
        run(workspace, along_a_wall(WALL[:2]), pairs=[], hindrances=hindrances)


def test_a_camera_that_only_turned(workspace):
    """No parallax: nothing to start from."""
    truth = along_a_wall(WALL[:4])
    still = {}
    for i, image in truth.images.items():
        still[i] = replace(truth.images[1], name=image.name)
    pairs = []
    with MapDatabase(workspace.database) as database:
        database.prepare(
            [ImageEntry(image.name, 1, "d") for image in still.values()],
            {1: CAMERA},
            {image.name: image.xy.astype(np.float32) for image in still.values()},
        )
        for a, b in combinations(still.values(), 2):
            result = verify_pair(a, replace(b, cam_from_world=truth.images[2].cam_from_world))
            pairs.append(result.pair)
            database.write_pairs([result])
    with pytest.raises(WorkError, match="enough parallax to start from"):
        run(workspace, truth, pairs=pairs)
    assert not workspace.mapping.exists(), "scratch files of a map that there will not be"


def test_where_no_three_images_share_points_two_make_a_map(workspace):
    made, heard = run(workspace, along_a_wall(WALL[:2]), names=WALL[:3])
    assert sorted(made.models[0].poses) == WALL[:2]
    assert made.chosen == "as a collection, intrinsics refined, of two images"
    assert made.left_out == {WALL[2]: "no verified pair with another image"}
    assert "No three images share enough points: mapping two." in heard.said


def gps_of(truth, mirrored=False):
    centers = {name: 10 * pose.center for name, pose in truth.poses.items()}
    names = sorted(centers)
    order = [*names[::2], *names[1::2]] if mirrored else names
    return {
        name: (centers[o][2] / METRES_PER_DEGREE, centers[o][0] / METRES_PER_DEGREE)
        for name, o in zip(names, order, strict=True)
    }


def test_gps_takes_part_in_the_check(workspace):
    truth = along_a_wall(WALL)
    made, _ = run(workspace, truth, gps=gps_of(truth))
    assert made.check["gps"]["positions"] == 7
    assert made.check["gps"]["rms_m"] < 1
    assert made.check["problems"] == []


def test_a_doubtful_map_is_tried_another_way_and_said(workspace):
    """GPS that no way of mapping agrees with: every way is tried, and the problem stays on record."""
    truth = along_a_wall([f"w{i:02d}.jpg" for i in range(12)])
    made, heard = run(workspace, truth, gps=gps_of(truth, mirrored=True))
    attempts = record(workspace)["attempts"]
    assert [attempt["chosen"] for attempt in attempts] == [
        "as a collection, intrinsics refined",
        "as a collection, intrinsics held",
        "as a walk, intrinsics held",
        "as a walk, intrinsics refined",
    ]
    assert all(attempt["problems"] for attempt in attempts)
    assert "off its GPS positions" in made.check["problems"][0]
    assert any(line.startswith("Self-check: the path is") for line in heard.said)


def test_of_equal_maps_the_first_stands_whatever_their_points(workspace, monkeypatch):
    """Other settings make more points of the same images, not a better map."""
    really, thinned = map_attempts.from_reconstruction, []

    def fewer_points_at_first(model):
        whole = really(model)
        if thinned:
            return whole
        thinned.append(whole)
        kept = slice(0, len(whole.xyz) // 2)
        return replace(
            whole,
            **{k: getattr(whole, k)[kept] for k in ("point_ids", "xyz", "rgb", "error_px", "track_length")},
        )

    monkeypatch.setattr(map_attempts, "from_reconstruction", fewer_points_at_first)
    monkeypatch.setattr(map_attempts.Outcome, "is_good", lambda *_: False)
    made, _ = run(workspace, along_a_wall(WALL, points=600))
    attempts = record(workspace)["attempts"]
    assert len(attempts) > 1
    assert attempts[0]["points"] < attempts[1]["points"]
    assert made.chosen == attempts[0]["chosen"]


@pytest.mark.parametrize("lens_model", [True, False])
def test_a_lens_of_two_coefficients_is_mapped_with_both(workspace, lens_model):
    """Completed from a database that knows of one."""
    lens = Camera("RADIAL", 640, 480, (500.0, 319.5, 239.5, -0.5, 0.5))
    names = [f"w{i:02d}.jpg" for i in range(10)]
    truth = along_a_wall(names, points=2500, camera=lens)
    made, _ = run(workspace, truth, cameras={1: replace(CAMERA, focal_is_known=False)}, lens_model=lens_model)
    assert (made.models[0].cameras[1].model == "RADIAL") == lens_model
    found = evaluate_poses(made.models[0].poses, Trajectory(truth.poses))
    assert (found.registered, found.ate_rmse < 0.005) == (10, lens_model)


def with_focal(focal_px):
    return {1: replace(CAMERA, params=(focal_px, *CAMERA.params[1:]))}


@pytest.mark.parametrize("focal_px", [300.0, 380.0, 900.0])
def test_a_right_map_stands_against_wrong_exif(workspace, focal_px):
    """Refining finds the true 500 px; that a map by the focal length of EXIF agrees with it proves nothing."""
    made, _ = run(workspace, along_a_wall(WALL, points=600), cameras=with_focal(focal_px))
    attempts = record(workspace)["attempts"]
    assert "has a focal length of" in attempts[0]["problems"][0]
    assert made.chosen == attempts[0]["chosen"] == "as a collection, intrinsics refined"
    assert made.models[0].cameras[1].focal_px == pytest.approx(500, rel=0.01)
    assert made.check["problems"] == []
    (remark,) = made.check["remarks"]
    told = re.fullmatch(
        r"EXIF does not fit the photographs: camera 1 has a focal length of (\d+) px where EXIF says (\d+)",
        remark,
    )
    assert told is not None, remark
    assert int(told[1]) == pytest.approx(500, rel=0.01)
    assert int(told[2]) == focal_px


@pytest.mark.parametrize("focal_px", [300.0, 1000.0])
def test_wrong_exif_does_not_stand_on_a_walk_either(workspace, focal_px):
    """There it is held from the start, and nothing but its errors speaks against it."""
    made, _ = run(workspace, along_a_street(STREET), cameras=with_focal(focal_px))
    assert made.chosen == "as a walk, intrinsics refined"
    assert made.models[0].cameras[1].focal_px == pytest.approx(500, rel=0.03)
    assert len(made.models[0].images) == 10
    assert len(made.check["remarks"]) == 1


def test_where_errors_hardly_differ_the_focal_length_of_exif_is_believed(workspace, monkeypatch):
    """A focal length that photographs hardly tell comes out wrong by itself."""
    really = map_attempts.Attempts._try

    def found_wrong(attempts, strategy, *rest):
        outcome = really(attempts, strategy, *rest)
        if "refined" not in strategy.words:
            return outcome
        camera = replace(CAMERA, params=(580.0, *CAMERA.params[1:]))
        largest = replace(outcome.largest, cameras={1: camera})
        return replace(outcome, largest=largest, check=attempts.check(largest))

    monkeypatch.setattr(map_attempts.Attempts, "_try", found_wrong)
    made, _ = run(workspace, along_a_wall(WALL, points=600))
    assert made.chosen == "as a collection, intrinsics held"
    assert made.models[0].cameras[1].focal_px == 500
    assert made.check["remarks"] == []


def test_of_doubtful_maps_the_one_with_least_against_it_stands(workspace, monkeypatch):
    """A wrong focal length and pairs that do not fit are worse than the pairs alone, however many images fit it."""
    really, checks = mapping.check_map, []

    def doubtful(*given, **named):
        checks.append(("focal length", "pairs") if not checks else ("pairs",))
        misplaced = () if len(checks) == 1 else (WALL[0],)
        return replace(really(*given, **named), problems=checks[-1], misplaced=misplaced)

    monkeypatch.setattr(mapping, "check_map", doubtful)
    made, _ = run(workspace, along_a_wall(WALL, points=600))
    attempts = record(workspace)["attempts"]
    assert made.chosen.startswith(attempts[1]["chosen"])
    assert made.check["problems"] == ["pairs"]


def with_a_false_pair(workspace, matches=80):
    """A wall whose first and last image also have matches that belong to other points, as windows do."""
    wall = along_a_wall(WALL)
    pairs = write_database(workspace.database, wall)
    first, last = wall.images[1], wall.images[len(WALL)]
    honest = verify_pair(first, last)
    index = np.random.default_rng(0).integers(0, [len(first.xy), len(last.xy)], (matches, 2), np.int32)
    false = replace(
        honest,
        pair=replace(honest.pair, matches=matches, inliers=matches, accepted=True),
        matches=index,
        geometry=replace(honest.geometry, inliers=np.arange(matches)),
    )
    with MapDatabase(workspace.database) as database:
        database.write_pairs([false])
    names = (first.name, last.name)
    return [false.pair if (pair.name1, pair.name2) == names else pair for pair in pairs]


def test_a_second_map_is_made_without_pairs_that_contradict_the_first(workspace, monkeypatch):
    pairs = with_a_false_pair(workspace)
    seen = []
    really = mapper.run_mapper

    def counts_pairs(database, *arguments):
        with sqlite3.connect(database) as rows:
            seen.append(rows.execute("SELECT COUNT(*) FROM two_view_geometries").fetchone()[0])
        return really(database, *arguments)

    monkeypatch.setattr(mapper, "run_mapper", counts_pairs)
    made, heard = run(workspace, pairs=pairs, names=WALL)
    accepted = sum(pair.accepted for pair in pairs)
    assert seen == [accepted, accepted - 1]
    assert len(made.models[0].images) == len(WALL)
    assert made.chosen == "as a collection, intrinsics refined, without contradicting pairs"
    assert "Mapping again without 1 pair contradicting the map." in heard.said
    # The check is still against all pairs.
    assert made.check["contradicting_pairs"] == 1
    assert made.check["pairs"] == accepted
    assert not workspace.mapping.exists()


def fails_on_call(monkeypatch, *failing):
    """Let the mapper fail when it is called for the n-th time; return the seeds it was called with."""
    really, seeds = mapper.run_mapper, []

    def run_mapper(*arguments):
        seeds.append(arguments[3])
        return [] if len(seeds) in failing else really(*arguments)

    monkeypatch.setattr(mapper, "run_mapper", run_mapper)
    return seeds


def test_the_first_map_stays_where_there_is_no_other(workspace, monkeypatch):
    pairs = with_a_false_pair(workspace)
    seeds = fails_on_call(monkeypatch, 2, 3)
    made, heard = run(workspace, pairs=pairs, names=WALL)
    assert seeds == [0, 0, 1]
    assert "Mapping all pairs again from another start." in heard.said
    assert len(made.models[0].images) == len(WALL)
    assert made.chosen == "as a collection, intrinsics refined"


@pytest.mark.parametrize(
    ("shares", "chosen"),
    [
        ((0.07, 0.03), "as a collection, intrinsics refined, from another start"),
        ((0.04, 0.05), "as a collection, intrinsics refined"),
    ],
)
def test_of_two_starts_the_one_that_less_contradicts_stands(workspace, monkeypatch, shares, chosen):
    pairs = with_a_false_pair(workspace)
    fails_on_call(monkeypatch, 2)
    really, left = mapping.check_map, list(shares)
    monkeypatch.setattr(
        mapping, "check_map", lambda *a, **k: replace(really(*a, **k), contradicting_share=left.pop(0))
    )
    made, _ = run(workspace, pairs=pairs, names=WALL)
    assert not left
    assert made.chosen == chosen
    assert made.check["contradicting_share"] == min(shares)


@pytest.mark.parametrize(
    ("misplaced", "chosen"),
    [
        (([WALL[0]], []), "without contradicting pairs"),
        (([WALL[0]], [WALL[0]], []), "from another start"),
        (([WALL[0]], [WALL[0]], [WALL[0]]), "without contradicting pairs"),
    ],
)
def test_a_misplaced_image_is_mapped_again(workspace, monkeypatch, misplaced, chosen):
    """Whatever the share of matches that contradict, and from another start if that does not place it."""
    pairs = with_a_false_pair(workspace)
    really, left = mapping.check_map, list(misplaced)
    shares = iter((0.01, 0.01, 0.02))
    monkeypatch.setattr(
        mapping,
        "check_map",
        lambda *a, **k: replace(
            really(*a, **k), contradicting_share=next(shares), misplaced=tuple(left.pop(0))
        ),
    )
    made, _ = run(workspace, pairs=pairs, names=WALL)
    assert not left
    assert made.chosen == f"as a collection, intrinsics refined, {chosen}"
    assert made.check["misplaced"] == misplaced[-1]


@pytest.mark.parametrize(("few", "maps"), [(0.0, 2), (1 / len(WALL), 1)])
def test_few_misplaced_images_are_not_worth_another_map(workspace, monkeypatch, few, maps):
    really = mapping.check_map
    monkeypatch.setattr(map_attempts, "_FEW", few)
    monkeypatch.setattr(mapping, "check_map", lambda *a, **k: replace(really(*a, **k), misplaced=WALL[:1]))
    made, _ = run(workspace, along_a_wall(WALL, points=1500))
    assert made.check["misplaced"] == [WALL[0]]
    assert len(record(workspace)["attempts"]) == maps


def test_where_no_pair_contradicts_a_misplaced_image_is_mapped_from_another_start(workspace, monkeypatch):
    really, left = mapping.check_map, [("a.jpg",), ()]
    monkeypatch.setattr(mapping, "check_map", lambda *a, **k: replace(really(*a, **k), misplaced=left.pop(0)))
    seeds = fails_on_call(monkeypatch)
    made, _ = run(workspace, along_a_wall(WALL, points=1500))
    assert seeds == [0, 1]
    assert made.chosen == "as a collection, intrinsics refined, from another start"


def test_matches_are_thinned_once_for_all_ways_to_map(workspace, monkeypatch):
    really, thinned = mapper.thin_out, []
    monkeypatch.setattr(mapper, "thin_out", lambda *given: thinned.append(given) or really(*given))
    monkeypatch.setattr(map_attempts.Outcome, "is_good", lambda *_: False)
    run(workspace, along_a_wall(WALL, points=1500))
    assert len(record(workspace)["attempts"]) > 1
    assert len(thinned) == 1


def test_a_second_map_can_be_done_without(workspace):
    made, _ = run(workspace, pairs=with_a_false_pair(workspace), names=WALL, second_map=False)
    assert made.check["contradicting_pairs"] == 1
    assert len(record(workspace)["attempts"]) == 1


@pytest.mark.parametrize(
    ("options", "rounds"),
    [
        ({}, [3, 1]),
        ({"principal_point": False}, [3, 1]),
        ({"mapper_share": 1.0}, [3]),
        ({"robust": False}, []),
    ],
)
def test_a_map_is_adjusted_before_and_after_it_is_completed(workspace, monkeypatch, options, rounds):
    adjusted = []

    def listens(model, *limits, **chosen):
        adjusted.append((limits, chosen))
        return model

    monkeypatch.setattr(mapper, "refine_robustly", listens)
    run(workspace, along_a_wall(WALL, points=1500), cameras={1: replace(CAMERA, fixed=True)}, **options)
    chosen = {"principal_point": options.get("principal_point", True), "threads": -1}
    assert adjusted == [(({1}, 4.0, 1.5), chosen | {"rounds": number, "left": 1.0}) for number in rounds]


def test_where_a_part_of_the_matches_places_too_few_images_all_are_taken(workspace, monkeypatch):
    mapped = []

    def fails_at_first(database, *rest):
        mapped.append(database.name)
        return [] if len(mapped) == 1 else run_mapper(database, *rest)

    monkeypatch.setattr(mapper, "run_mapper", fails_at_first)
    made, heard = run(workspace, along_a_wall(WALL, points=1500))
    assert mapped == ["database-part.db", "database.db"]
    assert len(made.models[0].images) == len(WALL)
    assert "A part of the matches places too few images: mapping by all of them." in heard.said


def test_few_matches_are_not_thinned_out(workspace, monkeypatch):
    mapped = []
    monkeypatch.setattr(
        mapper,
        "run_mapper",
        lambda database, *rest: mapped.append(database.name) or run_mapper(database, *rest),
    )
    run(workspace, along_a_wall(WALL, points=200))
    assert mapped == ["database.db"]


def test_few_matches_of_a_pair_make_the_same_points(workspace):
    truth = along_a_wall(WALL, points=1500)
    few, _ = run(workspace, truth, mapper_share=0.2)
    of_all, _ = run(workspace, truth, mapper_share=1.0)
    assert not of_all.reused
    assert len(few.models[0].xyz) == pytest.approx(len(of_all.models[0].xyz), rel=0.02)
    assert len(few.models[0].images) == len(WALL)


def test_points_have_the_colours_of_the_photographs(workspace):
    truth = along_a_wall(WALL)
    for name in WALL:
        save(workspace.root.parent / name, np.full((480, 640, 3), (200, 100, 50), np.uint8), quality=95)
    made, _ = run(workspace, truth)
    np.testing.assert_allclose(
        made.models[0].rgb, np.tile([200, 100, 50], (len(made.models[0].xyz), 1)), atol=3
    )


def test_a_photograph_that_is_gone_leaves_its_points_black(workspace):
    made, _ = run(workspace, along_a_wall(WALL))
    assert not made.models[0].rgb.any()


def test_two_photographs_make_a_map_of_all_that_they_share(workspace):
    truth = along_a_wall(["a.jpg", "b.jpg"], points=1500)
    pairs = write_database(workspace.database, truth)
    made, _ = run(workspace, pairs=pairs, names=["a.jpg", "b.jpg"])
    assert len(made.models[0].images) == 2
    assert len(made.models[0].xyz) > 0.9 * pairs[0].inliers
