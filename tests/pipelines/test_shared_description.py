import numpy as np

from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.features.patches import extract_patches
from sfm.files import read_tensors
from sfm.images.photo_set import read_photo_set
from sfm.pipelines.features import extract_features
from sfm.pipelines.keypoints import DecodedImages, detect_keypoints
from sfm.pipelines.shared_description import describe_together
from sfm.workspace import Workspace

from .made_up_features import Corners, Means, Positions
from .progress import Heard


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
        images = DecodedImages(1600)
        detect_keypoints(photos, workspace, detector, images)
        return workspace, describe_together(photos, workspace, detector, descriptors, images)

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

    def test_all_are_described_where_some_were(self, folder):
        photos, workspace = read_photo_set(folder).photos, Workspace(folder.parent / "out")
        extract_features(photos, workspace, Corners(), Positions(), 1600, describe_first=2)
        workspace, made = self.together(folder, Positions(), Means())
        assert made.described == {"positions": 3, "means": 3}
        xy = Keypoints.load(workspace.keypoints("sub/b.jpg")).xy
        np.testing.assert_array_equal(self.rows(workspace, "positions"), xy)

    def test_a_photograph_that_is_gone_does_not_stop_the_others(self, folder):
        workspace, photos, detector = (
            Workspace(folder.parent / "out"),
            read_photo_set(folder).photos,
            Corners(),
        )
        detect_keypoints(photos, workspace, detector, DecodedImages(1600))
        for photo in photos:
            photo.content_hash  # noqa: B018 - read while it is there
        (folder / "a.jpg").unlink()
        made = describe_together(photos, workspace, detector, [Means()], DecodedImages(1600))
        assert made.described == {"means": 2}
        assert made.seconds == {"means": None}
