from dataclasses import replace
from pathlib import Path

import pytest

from sfm.errors import InputError
from sfm.geometry.camera import Camera
from sfm.images.cameras import CameraOptions, assign_cameras
from sfm.images.exif import Exif
from sfm.images.photo_set import Photo, PhotoSet, read_photo_set

PHONE = Exif(make="Apple", model="iPhone 4S", focal_mm=4.28, focal_35mm=35)


def photo(name, size=(1024, 768), exif=None):
    return Photo(name, Path(name), *size, exif or Exif())


def assign(*photos, intrinsics=None, **options):
    return assign_cameras(PhotoSet(Path(), photos), CameraOptions(**options), intrinsics)


def given(width=1536, height=1024, focal=1380.0):
    return Camera.from_focal("PINHOLE", width, height, focal, focal_is_known=True)


class TestAuto:
    def test_one_phone_is_one_camera_with_its_exif_focal_length(self):
        result = assign(photo("a.jpg", exif=PHONE), photo("b.jpg", exif=replace(PHONE, orientation=6)))
        assert result.camera_of == {"a.jpg": 1, "b.jpg": 1}
        camera = result.cameras[1]
        assert camera.model == "SIMPLE_RADIAL"
        assert camera.focal_px == pytest.approx(1035.4, abs=0.1)
        assert camera.principal_point == (511.5, 383.5)
        assert camera.focal_is_known
        assert not camera.fixed
        assert result.summary == "1 camera for 2 photographs, by EXIF; focal length 1035 px from EXIF"

    @pytest.mark.parametrize(
        "other",
        [
            photo("b.jpg", exif=replace(PHONE, model="iPhone 5")),
            photo("b.jpg", exif=replace(PHONE, focal_mm=8.0)),
            photo("b.jpg", exif=replace(PHONE, lens="front camera")),
            photo("b.jpg", size=(2048, 1536), exif=PHONE),
            photo("b.jpg"),
        ],
    )
    def test_another_model_lens_zoom_or_size_is_another_camera(self, other):
        assert assign(photo("a.jpg", exif=PHONE), other).camera_of == {"a.jpg": 1, "b.jpg": 2}

    def test_without_exif_one_size_is_one_camera_with_a_guessed_focal_length(self):
        result = assign(photo("a.jpg"), photo("b.jpg"))
        assert len(result.cameras) == 1
        assert result.cameras[1].focal_px == pytest.approx(1.2 * 1024)
        assert not result.cameras[1].focal_is_known
        assert "guessed as 1229 px" in result.summary

    def test_a_cropped_photograph_makes_its_focal_length_a_guess_and_is_told(self):
        exif = replace(PHONE, pixels=(1024.0, 768.0))
        result = assign(
            photo("a.jpg", size=(768, 768), exif=exif), photo("b.jpg", size=(768, 768), exif=exif)
        )
        assert not result.cameras[1].focal_is_known
        assert result.cameras[1].focal_px == pytest.approx(35 / 43.27 * 768 * 2**0.5, rel=1e-3)
        assert result.doubts == (
            "EXIF of a.jpg and 1 other is of a picture of 1024 x 768 pixels, and the file has 768 x 768: it was "
            "cropped or enlarged since, and the focal length in EXIF is taken for a guess.",
        )
        assert assign(photo("a.jpg", exif=exif)).doubts == ()

    def test_zoom_is_assumed_where_no_exif_tells_it(self):
        makers = Exif(make="Apple", model="iPhone 4S")
        result = assign(
            photo("a.jpg", exif=PHONE),
            photo("b.jpg", exif=PHONE),
            photo("c.jpg"),
            photo("d.jpg"),
            photo("e.jpg", exif=makers),
            photo("f.jpg", exif=makers),
            photo("g.jpg", size=(10, 10)),
        )
        assert result.zoom_assumed == {result.camera_of["c.jpg"], result.camera_of["e.jpg"]}
        assert assign(photo("a.jpg"), photo("b.jpg"), camera="single").zoom_assumed == set()

    def test_without_exif_two_sizes_are_two_cameras(self):
        result = assign(photo("a.jpg"), photo("b.jpg", size=(768, 1024)), photo("c.jpg"))
        assert result.camera_of == {"a.jpg": 1, "b.jpg": 2, "c.jpg": 1}

    def test_a_collection_of_many_sizes_is_one_camera_per_image(self):
        photos = [photo(f"{i}.jpg", size=(1000 + i, 700)) for i in range(5)] + [
            photo("9.jpg", size=(1000, 700))
        ]
        result = assign(*photos)
        assert len(set(result.camera_of.values())) == 6
        assert "many sizes" in result.summary


class TestTold:
    def test_single(self):
        result = assign(photo("a.jpg", exif=PHONE), photo("b.jpg"), camera="single")
        assert set(result.camera_of.values()) == {1}
        assert result.cameras[1].focal_px == pytest.approx(1035.4, abs=0.1)

    def test_single_refuses_two_sizes(self):
        with pytest.raises(InputError, match=r"a\.jpg is 1024 x 768 and b\.jpg 768 x 1024"):
            assign(photo("a.jpg"), photo("b.jpg", size=(768, 1024)), camera="single")

    def test_per_image(self):
        assert assign(
            photo("a.jpg", exif=PHONE), photo("b.jpg", exif=PHONE), camera="per-image"
        ).camera_of == {
            "a.jpg": 1,
            "b.jpg": 2,
        }

    def test_per_folder(self):
        result = assign(
            photo("a.jpg"), photo("x/a.jpg"), photo("x/b.jpg"), photo("y/a.jpg"), camera="per-folder"
        )
        assert result.camera_of == {"a.jpg": 1, "x/a.jpg": 2, "x/b.jpg": 2, "y/a.jpg": 3}

    def test_model(self):
        assert assign(photo("a.jpg"), camera_model="OPENCV").cameras[1].params[2:] == (
            511.5,
            383.5,
            0,
            0,
            0,
            0,
        )

    def test_a_fisheye_is_guessed_to_see_far_more(self):
        assert assign(photo("a.jpg"), camera_model="OPENCV_FISHEYE").cameras[1].focal_px == pytest.approx(
            409.6
        )

    @pytest.mark.parametrize("options", [{"camera": "mine"}, {"camera_model": "PERFECT"}])
    def test_unknown_choices(self, options):
        with pytest.raises(InputError, match="choose one of"):
            assign(photo("a.jpg"), **options)


class TestIntrinsics:
    size = (1536, 1024)

    def test_one_camera_serves_all_photographs_of_its_size(self):
        camera = given()
        result = assign(photo("a.jpg", self.size), photo("b.jpg", self.size, PHONE), intrinsics={7: camera})
        assert result.cameras == {7: camera}
        assert result.camera_of == {"a.jpg": 7, "b.jpg": 7}
        assert result.summary == "1 camera for 2 photographs, given and held fixed"

    def test_other_size_names_both(self):
        with pytest.raises(InputError, match=r"a\.jpg is 768 x 512 .* 1536 x 1024"):
            assign(photo("a.jpg", (768, 512)), intrinsics={1: given()})

    def test_several_are_told_apart_by_size(self):
        cameras = {1: given(), 2: given(1024, 768), 3: given(10, 10)}
        result = assign(photo("a.jpg", (1024, 768)), photo("b.jpg", self.size), intrinsics=cameras)
        assert result.camera_of == {"a.jpg": 2, "b.jpg": 1}
        assert set(result.cameras) == {1, 2}

    def test_several_of_one_size_are_told_apart_by_folder(self):
        cameras = {1: given(), 2: given(focal=900.0)}
        result = assign(photo("1/a.jpg", self.size), photo("2/a.jpg", self.size), intrinsics=cameras)
        assert result.camera_of == {"1/a.jpg": 1, "2/a.jpg": 2}

    def test_several_of_one_size_are_ambiguous_otherwise(self):
        with pytest.raises(InputError, match=r"a\.jpg could be of any"):
            assign(photo("a.jpg", self.size), intrinsics={1: given(), 2: given(focal=900.0)})

    def test_equal_cameras_are_not_ambiguous(self):
        assert assign(photo("a.jpg", self.size), intrinsics={4: given(), 3: given()}).camera_of == {
            "a.jpg": 3
        }

    @pytest.mark.parametrize("camera", ["per-image", "per-folder"])
    def test_contradicting_grouping(self, camera):
        with pytest.raises(InputError, match="contradict"):
            assign(photo("a.jpg", self.size), intrinsics={1: given()}, camera=camera)

    def test_single_camera_but_several_given(self):
        with pytest.raises(InputError, match="contradicts --intrinsics with its 2 cameras"):
            assign(photo("a.jpg", self.size), intrinsics={1: given(), 2: given(10, 10)}, camera="single")


@pytest.mark.scenes
@pytest.mark.parametrize(
    ("scene", "cameras", "known", "focal_px"),
    [("lund", 1, True, 1035.4), ("berlin", 1, True, 3300.3), ("fountain-P11", 1, False, 1843.2)],
)
def test_real_sets_of_one_camera(sfm_data, scene, cameras, known, focal_px):
    result = assign_cameras(read_photo_set(sfm_data / "scenes" / scene / "images"), CameraOptions())
    assert len(result.cameras) == cameras
    assert result.cameras[1].focal_is_known is known
    assert result.cameras[1].focal_px == pytest.approx(focal_px, abs=0.5)


@pytest.mark.scenes
def test_tourist_photographs_do_not_share_cameras(sfm_data):
    photo_set = read_photo_set(sfm_data / "scenes/sacre_coeur/images")
    assert len(assign_cameras(photo_set, CameraOptions()).cameras) == len(photo_set.photos) == 10
