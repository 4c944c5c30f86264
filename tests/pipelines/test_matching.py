"""Matching and verification through the database, on descriptors that say which points are the same."""

from dataclasses import replace

import numpy as np
import pytest

from sfm.features.keypoints import Keypoints
from sfm.files import read_tensors, write_tensors
from sfm.geometry.two_view import VerificationOptions
from sfm.images.exif import Exif
from sfm.images.photo_set import Photo
from sfm.mapping.colmap_verifier import make_verifier
from sfm.mapping.database import MapDatabase
from sfm.mapping.stored_matches import StoredMatches
from sfm.matching.options import MatchingOptions
from sfm.matching.pairs import exhaustive_pairs
from sfm.pipelines import matching
from sfm.pipelines.features import DescribedImage, FeatureSet
from sfm.pipelines.matching import match_pairs
from sfm.viewgraph.orientations import BY_GRADIENT
from sfm.workspace import Workspace, digest_of
from tests.mapping.synthetic import CAMERA, along_a_wall

from .progress import Heard

NAMES = [f"{i:02d}.jpg" for i in range(5)]


class Scene:
    """Images of a wall, described in a workspace: a row says which point of the wall a keypoint is."""

    def __init__(self, root, names=NAMES):
        self.workspace = Workspace(root)
        self.truth = along_a_wall(names, points=300)
        self.codes = np.random.default_rng(0).normal(size=(301, 32)).astype(np.float32)
        self.codes /= np.linalg.norm(self.codes, axis=1, keepdims=True)
        self.cameras = {1: CAMERA}
        self.images = [self._describe(image) for image in self.truth.images.values()]

    def _describe(self, image, digest="k"):
        n = len(image.xy)
        ones = np.ones(n, np.float32)
        Keypoints(image.xy.astype(np.float32), ones, ones, ones).save(self.workspace.keypoints(image.name))
        rows = self.codes[image.point_ids]
        write_tensors(self.workspace.descriptors("codes", image.name), {"descriptors": rows})
        photo = Photo(image.name, self.workspace.root / image.name, 640, 480, Exif())
        return DescribedImage(
            photo,
            digest_of([image.name, digest]),
            digest_of([image.name, "d"]),
            in_full=True,
            detected=True,
            described=True,
        )

    def match(self, pairs=None, **changed):
        heard = Heard()
        features = FeatureSet(tuple(changed.pop("images", self.images)), (), BY_GRADIENT)
        arguments = {
            "pairs": exhaustive_pairs(features.names) if pairs is None else pairs,
            "features": features,
            "cameras": self.cameras,
            "camera_of": dict.fromkeys(features.names, 1),
            "workspace": self.workspace,
            "descriptor": "codes",
            "matching": MatchingOptions(ratio=0.9),
            "verifier": make_verifier(VerificationOptions(verifier="five-point")),
            "progress": heard,
        }
        return match_pairs(**arguments | changed), heard


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "out")


def test_pairs_that_see_the_same_are_accepted_with_their_points(scene):
    result, heard = scene.match()
    assert len(result.pairs) == 10
    assert result.reused == 0
    assert heard.stages["Match and verify"] == (10, 10, "pairs")
    neighbours = [pair for pair in result.pairs if int(pair.name2[:2]) - int(pair.name1[:2]) == 1]
    for pair in neighbours:
        assert pair.accepted
        assert pair.inliers > 0.9 * pair.matches > 50
        assert pair.log10_nfa < -20
        assert pair.forward < 0.5
    images = {image.name: image for image in scene.truth.images.values()}
    with MapDatabase(scene.workspace.database) as database:
        xy1, xy2 = database.verified_points("00.jpg", "01.jpg")
    _, i, j = np.intersect1d(images["00.jpg"].point_ids, images["01.jpg"].point_ids, return_indices=True)
    known = {
        tuple(np.round(a, 1)): b for a, b in zip(images["00.jpg"].xy[i], images["01.jpg"].xy[j], strict=True)
    }
    errors = [np.linalg.norm(known[tuple(np.round(a, 1))] - b) for a, b in zip(xy1, xy2, strict=True)]
    # Out by the database and back: half a pixel on, half a pixel off.
    assert max(errors) < 0.01


def test_keypoints_that_are_not_described_take_no_part(scene):
    for image in scene.images:
        path = scene.workspace.descriptors("codes", image.photo.name)
        write_tensors(path, {"descriptors": read_tensors(path)[0]["descriptors"][:80]})
    pair = scene.match(pairs=[("00.jpg", "01.jpg")])[0].pairs[0]
    assert 20 < pair.inliers < 80
    assert StoredMatches(scene.workspace.database)["00.jpg", "01.jpg"].max() < 80


def test_images_of_nothing_in_common_are_not(scene):
    stranger = along_a_wall(["stranger.jpg"], points=300, seed=9).images[1]
    far = replace(stranger, point_ids=np.full(len(stranger.point_ids), 0))
    scene.codes[0] = 0
    other = scene._describe(far)
    rows = np.random.default_rng(5).normal(size=(len(far.xy), 32)).astype(np.float32)
    write_tensors(
        scene.workspace.descriptors("codes", "stranger.jpg"),
        {"descriptors": rows / np.linalg.norm(rows, axis=1, keepdims=True)},
    )
    result, _ = scene.match(images=[*scene.images, other], matching=MatchingOptions(ratio=1.0))
    strange = [pair for pair in result.pairs if "stranger.jpg" in (pair.name1, pair.name2)]
    assert len(strange) == 5
    assert not any(pair.accepted for pair in strange)


def test_a_second_run_matches_nothing(scene, monkeypatch):
    first, _ = scene.match()
    monkeypatch.setattr(matching, "match_views", None)
    second, heard = scene.match()
    assert second.reused == 10
    assert second.pairs == first.pairs
    assert second.digest == first.digest
    assert heard.said == ["Reused: 10 of 10 verified pairs."]
    assert heard.stages == {}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"matching": MatchingOptions(ratio=0.7)}, "Pairs are matched anew: ratio 0.9 -> 0.7."),
        (
            {"matching": MatchingOptions(ratio=0.9, guided=True)},
            "Pairs are matched anew: guided false -> true.",
        ),
        (
            {"verifier": make_verifier(VerificationOptions(verifier="five-point", max_error_px=3.0))},
            "Pairs are matched anew: max_error_px 2.0 -> 3.0.",
        ),
        (
            {"verifier": make_verifier(VerificationOptions(verifier="eight-point"))},
            "Pairs are matched anew: verifier five-point -> eight-point.",
        ),
        ({"cameras": {1: replace(CAMERA, params=(501.0, *CAMERA.params[1:]))}}, "The database is made anew"),
        ({"cameras": {1: replace(CAMERA, fixed=True)}}, "The database is made anew"),
    ],
)
def test_what_changed_is_named_and_all_is_done_again(scene, changed, told):
    first, _ = scene.match()
    second, heard = scene.match(**changed)
    assert second.reused == 0
    assert any(line.startswith(told) for line in heard.said), heard.said
    assert second.digest != first.digest


def test_images_with_cameras_of_their_own(scene):
    first, _ = scene.match()
    cameras = dict.fromkeys(range(1, 6), CAMERA)
    camera_of = {name: i for i, name in enumerate(NAMES, 1)}
    second, _ = scene.match(cameras=cameras, camera_of=camera_of)
    assert second.digest != first.digest


def test_another_descriptor_is_named(scene):
    scene.match()
    for image in scene.truth.images.values():
        rows = scene.codes[image.point_ids][:, ::-1]
        write_tensors(scene.workspace.descriptors("mirrored", image.name), {"descriptors": rows})
    images = [replace(image, descriptors_digest="m" + image.photo.name) for image in scene.images]
    result, heard = scene.match(descriptor="mirrored", images=images)
    assert result.reused == 0
    assert "Pairs are matched anew: descriptor codes -> mirrored." in heard.said


def test_added_images_leave_the_other_pairs_alone(scene):
    scene.match(images=scene.images[:4])
    result, heard = scene.match()
    assert result.reused == 6
    assert heard.said == ["Reused: 6 of 10 verified pairs."]
    assert heard.stages["Match and verify"][0] == 4


def test_a_removed_image_takes_its_pairs_with_it(scene):
    scene.match()
    result, _ = scene.match(images=scene.images[:4])
    assert len(result.pairs) == 6
    with MapDatabase(scene.workspace.database) as database:
        assert len(database.pairs()) == 6


def test_pairs_not_asked_for_any_more_are_dropped(scene):
    scene.match()
    result, _ = scene.match(pairs=[("00.jpg", "01.jpg")])
    assert result.reused == 1
    with MapDatabase(scene.workspace.database) as database:
        assert list(database.pairs()) == [("00.jpg", "01.jpg")]


def test_stopped_half_way_the_finished_pairs_are_kept(scene, monkeypatch):
    whole, _ = Scene(scene.workspace.root.parent / "other").match()
    monkeypatch.setattr(matching, "_PAIRS_A_TRANSACTION", 2)
    monkeypatch.setattr("sfm.threads.usable_cores", lambda: 1)
    really, calls = matching.match_views, []

    def stops(*arguments):
        calls.append(1)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return really(*arguments)

    monkeypatch.setattr(matching, "match_views", stops)
    with pytest.raises(KeyboardInterrupt):
        scene.match()
    monkeypatch.setattr(matching, "match_views", really)
    result, _ = scene.match()
    assert result.reused == 6
    assert [(p.name1, p.inliers) for p in result.pairs] == [(p.name1, p.inliers) for p in whole.pairs]


def test_images_without_keypoints(scene):
    empty = replace(scene.truth.images[1], name="empty.jpg", xy=np.empty((0, 2)), point_ids=np.empty(0, int))
    result, _ = scene.match(images=[*scene.images, scene._describe(empty)])
    lonely = [pair for pair in result.pairs if pair.name2 == "empty.jpg"]
    assert [(p.matches, p.inliers, p.accepted) for p in lonely] == [(0, 0, False)] * 5


def test_the_order_of_threads_does_not_matter(tmp_path, monkeypatch):
    results = []
    for workers in (1, 4):
        monkeypatch.setattr("sfm.threads.usable_cores", lambda workers=workers: workers)
        results.append(Scene(tmp_path / str(workers)).match()[0])
    assert results[0].pairs == results[1].pairs
    assert results[0].digest == results[1].digest
