import numpy as np
import pytest
from PIL import Image

from sfm.errors import InputError
from sfm.geometry.camera import Camera
from sfm.images.cameras import CameraOptions
from sfm.images.single_photo import camera_of, read_gray, read_photo


@pytest.fixture
def path(tmp_path):
    Image.fromarray(np.full((48, 64), 90, np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_header_pixels_and_camera(path):
    photo = read_photo(path, "")
    assert (photo.name, photo.width, photo.height) == ("a.png", 64, 48)
    image = read_gray(photo, 32)
    assert image.pixels.shape == (24, 32)
    assert image.original_size == (64, 48)
    guessed = camera_of(photo, CameraOptions(), None)
    assert (guessed.width, guessed.height, guessed.focal_is_known) == (64, 48, False)
    given = {7: Camera("PINHOLE", 64, 48, (50.0, 50.0, 31.5, 23.5), fixed=True)}
    assert camera_of(photo, CameraOptions(), given) == given[7]


def test_a_folder_is_told_what_to_do_instead(tmp_path):
    with pytest.raises(InputError, match=r"is a folder: give an image\."):
        read_photo(tmp_path, "give an image")


def test_what_is_not_one_image_is_told_so(path, tmp_path):
    with pytest.raises(InputError, match=r"b\.png does not exist: give an image\.$"):
        read_photo(tmp_path / "b.png", "")
    (tmp_path / "list.txt").write_text("a.png\n")
    with pytest.raises(InputError, match=r"list\.txt is a list of images: give an image\."):
        read_photo(tmp_path / "list.txt", "give an image")


def test_an_image_that_is_damaged_is_named(path):
    photo = read_photo(path, "")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"a\.png cannot be used: "):
        read_gray(photo, 1000)
