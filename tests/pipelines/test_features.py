import shutil
import threading

import numpy as np
import pytest

from sfm.errors import InputError, WorkError
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import Detector
from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.features.patches import extract_patches
from sfm.files import read_tensors
from sfm.images.photo_set import read_photo_set
from sfm.pipelines.features import describe_rest, describe_together, detect_keypoints, extract_features
from sfm.workspace import Workspace
from tests.images.files import picture, save, truncated

from .progress import Heard


class Corners(Detector):
    """Finds the corners of every image."""

    name = "corners"

    def __init__(self, **options):
        self.options, self.calls, self.fails_at = options, 0, None
        self._counting = threading.Lock()

    @property
    def identity(self):
        return {"detector": self.name, **self.options}

    def detect(self, image):
        with self._counting:
            self.calls += 1
            if self.calls == self.fails_at:
                raise WorkError("The disk is full")
        height, width = image.pixels.shape
        xy = np.array([[0, 0], [width - 1, 0], [0, height - 1]], np.float32)
        ones = np.ones(3, np.float32)
        return Keypoints(image.to_original(xy).astype(np.float32), ones, ones, ones)


class Positions(Descriptor):
    """Describes every keypoint by where it is, so that rows tell which keypoints they are of."""

    name, dimension = "positions", 2

    def __init__(self):
        self.rows = 0

    @property
    def identity(self):
        return {"descriptor": self.name}

    def describe(self, image, keypoints):
        self.rows += len(keypoints)
        return keypoints.xy.copy()


class Means(Descriptor):
    """Describes every keypoint by the mean of the image."""

    dimension = 4

    def __init__(self, name="means", **options):
        self.name, self.options, self.calls = name, options, 0

    @property
    def identity(self):
        return {"descriptor": self.name, **self.options}

    def describe(self, image, keypoints):
        self.calls += 1
        return np.full((len(keypoints), 4), image.pixels.mean() / 255, np.float32)


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "a.png", "sub/b.jpg"):
        save(tmp_path / "photos" / name, picture(seed=len(name)))
    return tmp_path / "photos"


def run(folder, detector=None, descriptor=None, max_size=1600):
    detector, descriptor, heard = detector or Corners(), descriptor or Means(), Heard()
    workspace = Workspace(folder.parent / "out")
    photos = read_photo_set(folder).photos
    features = extract_features(photos, workspace, detector, descriptor, max_size, heard)
    return features, detector.calls, descriptor.calls, heard


def test_one_file_an_image_and_kind(folder):
    features, detected, described, heard = run(folder)
    assert features.names == ["a.jpg", "a.png", "sub/b.jpg"]
    assert (detected, described) == (3, 3)
    assert heard.stages["Detect and describe"] == (3, 3, "images")
    out = folder.parent / "out" / "features"
    for name in features.names:
        assert len(Keypoints.load(out / "keypoints" / f"{name}.safetensors")) == 3
        rows, metadata = read_tensors(out / "means" / f"{name}.safetensors")
        assert rows["descriptors"].shape == (3, 4)
        assert metadata["digest"] == next(
            i.descriptors_digest for i in features.images if i.photo.name == name
        )


def test_a_second_run_decodes_nothing(folder, monkeypatch):
    run(folder)
    monkeypatch.setattr("sfm.pipelines.features.load_gray", None)
    features, detected, described, heard = run(folder)
    assert (detected, described) == (0, 0)
    assert not any(image.detected or image.described for image in features.images)
    assert heard.said == ["Reused: keypoints of 3 and means descriptors of 3 of 3 images."]


def test_another_descriptor_shares_the_keypoints(folder):
    run(folder)
    _, detected, described, heard = run(folder, descriptor=Means("others"))
    assert (detected, described) == (0, 3)
    assert heard.said == ["Reused: keypoints of 3 and others descriptors of 0 of 3 images."]
    assert run(folder)[1:3] == (0, 0)


def test_another_option_of_the_detector_redoes_both_and_is_named(folder):
    run(folder, Corners(size=1))
    _, detected, described, heard = run(folder, Corners(size=2))
    assert (detected, described) == (3, 3)
    assert heard.said == ["Features of 3 images are made anew: size 1 -> 2."]


def test_another_option_of_the_descriptor_redoes_only_it(folder):
    run(folder, descriptor=Means(scale=12))
    _, detected, described, heard = run(folder, descriptor=Means(scale=24))
    assert (detected, described) == (0, 3)
    assert heard.said[0] == "Features of 3 images are made anew: scale 12 -> 24."


def test_a_changed_picture_is_looked_at_again(folder):
    run(folder)
    save(folder / "a.png", picture(seed=77))
    features, detected, described, heard = run(folder)
    assert (detected, described) == (1, 1)
    assert [image.photo.name for image in features.images if image.detected] == ["a.png"]
    assert heard.said[0] == "Features of 1 image are made anew: its input."


def test_a_renamed_option_back_and_forth_is_never_stale(folder):
    digests = [run(folder, Corners(size=size))[0].images[0].descriptors_digest for size in (1, 2, 1)]
    assert digests[0] == digests[2] != digests[1]


class TestTheFirstKeypoints:
    """Of three keypoints an image, one or two are described first and the rest later."""

    NAMES = ("a.jpg", "a.png", "sub/b.jpg")

    def extract(self, folder, descriptor, describe_first):
        photos, workspace = read_photo_set(folder).photos, Workspace(folder.parent / "out")
        return extract_features(photos, workspace, Corners(), descriptor, 1600, describe_first=describe_first)

    def rest(self, features, names, folder, descriptor, heard=None):
        workspace = Workspace(folder.parent / "out")
        return describe_rest(
            features, names, workspace, Corners(), descriptor, 1600, *([heard] if heard else [])
        )

    def rows(self, folder, name):
        workspace = Workspace(folder.parent / "out")
        rows = read_tensors(workspace.descriptors("positions", name))[0]["descriptors"]
        return rows, Keypoints.load(workspace.keypoints(name)).xy

    def test_as_many_as_asked_for(self, folder):
        descriptor = Positions()
        features = self.extract(folder, descriptor, 2)
        assert descriptor.rows == 6
        assert not any(image.in_full for image in features.images)
        for name in features.names:
            rows, xy = self.rows(folder, name)
            np.testing.assert_array_equal(rows, xy[:2])

    @pytest.mark.parametrize("describe_first", [0, 3, 99])
    def test_all_are_all(self, folder, describe_first):
        features = self.extract(folder, Positions(), describe_first)
        assert all(image.in_full for image in features.images)
        rows, xy = self.rows(folder, "a.png")
        np.testing.assert_array_equal(rows, xy)

    def test_the_rest_of_some_images(self, folder):
        descriptor, heard = Positions(), Heard()
        features = self.extract(folder, descriptor, 2)
        after = self.rest(features, {"a.png"}, folder, descriptor, heard)
        assert descriptor.rows == 6 + 1
        assert heard.stages["Describe the rest"] == (1, 1, "images")
        assert [image.in_full for image in after.images] == [False, True, False]
        for name, number in zip(self.NAMES, (2, 3, 2), strict=True):
            rows, xy = self.rows(folder, name)
            np.testing.assert_array_equal(rows, xy[:number])

    def test_how_they_came_to_be_described_does_not_matter(self, folder):
        descriptor = Positions()
        first = self.extract(folder, descriptor, 1)
        in_steps = self.rest(first, self.NAMES, folder, descriptor)
        digests = [image.descriptors_digest for image in in_steps.images]
        assert all(image.detected and image.described for image in in_steps.images)
        shutil.rmtree(folder.parent / "out")
        at_once = self.extract(folder, descriptor, 0)
        assert [image.descriptors_digest for image in at_once.images] == digests
        assert not set(digests) & {image.descriptors_digest for image in first.images}

    def test_what_is_there_is_kept_and_added_to(self, folder):
        self.extract(folder, Positions(), 2)
        descriptor = Positions()
        again = self.extract(folder, descriptor, 1)
        assert descriptor.rows == 0
        assert not any(image.described for image in again.images)
        more = self.extract(folder, descriptor, 0)
        assert descriptor.rows == 3
        assert all(image.described and image.in_full for image in more.images)

    def test_an_image_that_is_gone_is_left_out(self, folder):
        features = self.extract(folder, Positions(), 2)
        (folder / "a.png").write_bytes(b"")
        heard = Heard()
        after = self.rest(features, {"a.jpg", "a.png"}, folder, Positions(), heard)
        assert after.names == ["a.jpg", "sub/b.jpg"]
        assert [one.name for one in after.skipped] == ["a.png"]
        assert heard.warned[0].startswith("a.png is left out")

    def test_several_descriptors_at_once_describe_all(self, folder):
        self.extract(folder, Positions(), 2)
        photos, workspace = read_photo_set(folder).photos, Workspace(folder.parent / "out")
        made = describe_together(photos, workspace, Corners(), [Positions(), Means()], 1600)
        assert made.described == {"positions": 3, "means": 3}
        rows, xy = self.rows(folder, "a.png")
        np.testing.assert_array_equal(rows, xy)


@pytest.mark.parametrize("kind", ["keypoints", "means"])
def test_half_a_file_is_made_again(folder, kind):
    run(folder)
    path = folder.parent / "out" / "features" / kind / "a.jpg.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    _, detected, described, _ = run(folder)
    assert (detected, described) == (1 if kind == "keypoints" else 0, 1)


def test_unreadable_photographs_are_left_out_and_named(folder):
    truncated(folder / "cut.jpg", format="JPEG")
    features, _, _, heard = run(folder)
    assert features.names == ["a.jpg", "a.png", "sub/b.jpg"]
    assert [item.name for item in features.skipped] == ["cut.jpg"]
    assert heard.warned == ["cut.jpg is left out: the file is truncated, copy it again."]


def test_nothing_readable(tmp_path):
    for i in range(2):
        truncated(tmp_path / "photos" / f"{i}.jpg", format="JPEG")
    with pytest.raises(
        InputError, match=r"None of 2 images can be read, e\.g\. 0\.jpg: the file is truncated"
    ):
        run(tmp_path / "photos")


def test_a_failure_ends_the_stage_and_keeps_what_is_done(folder, monkeypatch):
    monkeypatch.setattr("sfm.threads.usable_cores", lambda: 1)
    for i in range(20):
        save(folder / f"more{i:02d}.jpg", picture(seed=i))
    detector = Corners()
    detector.fails_at = 4
    with pytest.raises(WorkError, match="full"):
        run(folder, detector)
    assert detector.calls < 20  # of 23; how many were under way is a matter of threads
    _, detected, _, _ = run(folder)
    assert 23 - detector.calls <= detected <= 20


def test_large_photographs_are_shrunk_while_they_are_read(folder):
    save(folder / "large.png", picture(400, 300))
    run(folder, max_size=100)
    keypoints = Keypoints.load(folder.parent / "out" / "features" / "keypoints" / "large.png.safetensors")
    # The corner pixels of a picture of a quarter the size, in pixels of the original.
    np.testing.assert_allclose(keypoints.xy, [[1.5, 1.5], [397.5, 1.5], [1.5, 297.5]])


class PatchMeans(Means):
    """Describes every keypoint by the mean of its patch."""

    patch_windows = (PatchWindow(24.0),)
    patches_a_part = 2

    def __init__(self, name, factor=1.0):
        super().__init__(name, factor=factor)
        self.seen, self.factor = [], factor

    def describe(self, image, keypoints):
        self.calls += 1
        return self.describe_patches(self.cut_patches(image, keypoints))

    def cut_patches(self, image, keypoints):
        return extract_patches(image, keypoints, *self.patch_windows)

    def describe_patches(self, patches):
        self.seen.append(patches)
        means = self.factor * patches.mean(axis=(1, 2, 3), dtype=np.float32) / 255
        return np.repeat(means[:, None], 4, axis=1).astype(np.float32)


class TestTogether:
    def together(self, folder, *descriptors):
        workspace, photos, detector = (
            Workspace(folder.parent / "out"),
            read_photo_set(folder).photos,
            Corners(),
        )
        detect_keypoints(photos, workspace, detector, 1600)
        return workspace, describe_together(photos, workspace, detector, descriptors, 1600, Heard())

    def rows(self, workspace, name):
        return read_tensors(workspace.descriptors(name, "sub/b.jpg"))[0]["descriptors"]

    def test_patches_are_cut_once_for_all(self, folder):
        plain, one, two = Means(), PatchMeans("one"), PatchMeans("two", 0.5)
        workspace, made = self.together(folder, plain, one, two)
        assert (made.decoded, made.patched) == (3, 3)
        assert made.described == {"means": 3, "one": 3, "two": 3}
        assert {id(patches) for patches in one.seen} == {id(patches) for patches in two.seen}
        assert (plain.calls, one.calls, two.calls) == (3, 0, 0)
        assert all(seconds > 0 for seconds in made.seconds.values())
        np.testing.assert_allclose(self.rows(workspace, "two"), self.rows(workspace, "one") / 2, rtol=1e-6)

    def test_they_are_those_of_each_alone(self, folder):
        workspace, _ = self.together(folder, Means(), PatchMeans("one"))
        together = {name: self.rows(workspace, name) for name in ("means", "one")}
        again = Workspace(folder.parent / "alone")
        photos = read_photo_set(folder).photos
        for descriptor in (Means(), PatchMeans("one")):
            extract_features(photos, again, Corners(), descriptor, 1600, Heard())
            np.testing.assert_array_equal(self.rows(again, descriptor.name), together[descriptor.name])
            # And what was made together is taken over.
            features = extract_features(photos, workspace, Corners(), descriptor, 1600, Heard())
            assert not any(image.detected or image.described for image in features.images)

    def test_only_what_is_missing_is_made(self, folder):
        self.together(folder, Means())
        plain, one = Means(), PatchMeans("one")
        _, made = self.together(folder, plain, one)
        assert (plain.calls, made.described) == (0, {"means": 0, "one": 3})
        assert made.seconds["means"] is None
        assert made.seconds["one"] > 0
        _, made = self.together(folder, plain, one)
        assert (made.decoded, made.patched, set(made.seconds.values())) == (0, 0, {None})

    def test_a_photograph_that_is_gone_does_not_stop_the_others(self, folder):
        workspace, photos, detector = (
            Workspace(folder.parent / "out"),
            read_photo_set(folder).photos,
            Corners(),
        )
        detect_keypoints(photos, workspace, detector, 1600)
        for photo in photos:
            photo.content_hash  # noqa: B018 - read while it is there
        (folder / "a.jpg").unlink()
        made = describe_together(photos, workspace, detector, [Means()], 1600, Heard())
        assert made.described == {"means": 2}
        assert made.seconds == {"means": None}
