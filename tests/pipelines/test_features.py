import shutil

import numpy as np
import pytest

from sfm.errors import InputError, WorkError
from sfm.features.keypoints import Keypoints
from sfm.files import read_tensors
from sfm.images.photo_set import read_photo_set
from sfm.pipelines.features import describe_rest, extract_features
from sfm.workspace import Workspace
from tests.images.files import picture, save, truncated

from .made_up_features import Corners, Means, Positions
from .progress import Heard


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
    assert heard.stages["Detect"] == heard.stages["Describe"] == (3, 3, "images")
    out = folder.parent / "out" / "features"
    for name in features.names:
        assert len(Keypoints.load(out / "detected" / f"{name}.safetensors")) == 3
        assert len(Keypoints.load(out / "keypoints" / f"{name}.safetensors")) == 3
        rows, metadata = read_tensors(out / "means" / f"{name}.safetensors")
        assert rows["descriptors"].shape == (3, 4)
        assert metadata["digest"] == next(
            i.descriptors_digest for i in features.images if i.photo.name == name
        )


def test_a_second_run_decodes_nothing(folder, monkeypatch):
    run(folder)
    monkeypatch.setattr("sfm.pipelines.keypoints.load_gray", None)
    features, detected, described, heard = run(folder)
    assert (detected, described) == (0, 0)
    assert not any(image.detected or image.described for image in features.images)
    assert heard.said == ["Reused: keypoints of 3 and means descriptors of 3 of 3 images."]
    assert heard.stages["Detect"] == heard.stages["Describe"] == (0, 0, "images")


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


@pytest.mark.parametrize(("kind", "made"), [("detected", (1, 0)), ("keypoints", (0, 0)), ("means", (0, 1))])
def test_half_a_file_is_made_again(folder, kind, made):
    """And nothing besides: what was made of it before is what would be made of it now."""
    run(folder)
    path = folder.parent / "out" / "features" / kind / "a.jpg.safetensors"
    whole, recorded = read_tensors(path)
    path.write_bytes(path.read_bytes()[:-3])
    _, detected, described, _ = run(folder)
    assert (detected, described) == made
    again, recorded_again = read_tensors(path)
    assert recorded_again == recorded
    for name, rows in whole.items():
        np.testing.assert_array_equal(again[name], rows)


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
