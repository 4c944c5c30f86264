from dataclasses import replace

from sfm.geometry.camera import Camera
from sfm.images.cameras import camera_key
from sfm.images.exif import Exif
from sfm.localization.query_camera import guess_cameras

PHONE = Exif(make="A", model="B", focal_35mm=26.0)
MAPPED = Camera("SIMPLE_RADIAL", 1000, 800, (777.0, 499.5, 399.5, 0.1))


def guesses(exif, size=(1000, 800), keys=None):
    return guess_cameras(exif, *size, {1: MAPPED}, {"1": keys})


def key_in_json(exif):
    return list(camera_key(exif, 1000, 800))


def test_the_map_s_camera_serves_the_same_camera():
    found = guesses(PHONE, keys=key_in_json(PHONE))
    assert [guess.camera for guess in found][:1] == [MAPPED]
    assert [guess.estimate_focal for guess in found] == [False, True, True, True]


def test_a_camera_for_every_image_is_one_guess():
    focals = [800.0, 500.0, 700.0, 700.0, 900.0]
    cameras = {i: replace(MAPPED, params=(f, 499.5, 399.5, 0.1)) for i, f in enumerate(focals, start=1)}
    for exif, key in ((PHONE, key_in_json(PHONE)), (Exif(), None)):
        found = guess_cameras(exif, 1000, 800, cameras, {str(i): key for i in cameras})
        assert [guess.estimate_focal for guess in found] == [False, True, True, True]
        assert found[0].camera.focal_px == 700.0


def test_another_zoom_takes_exif():
    zoomed = Exif(make="A", model="B", focal_35mm=52.0)
    first, *_, last = guesses(zoomed, keys=key_in_json(PHONE))
    assert first.source == "focal length from EXIF"
    assert first.camera.focal_px == zoomed.focal_px(1000, 800)
    assert last.estimate_focal


def test_another_size_is_another_camera():
    assert guesses(PHONE, size=(800, 1000), keys=key_in_json(PHONE))[0].camera.width == 800


def test_without_exif_the_size_tells_and_may_be_wrong():
    first, *_, last = guesses(Exif())
    assert first.camera == MAPPED
    assert not first.estimate_focal
    assert last.estimate_focal
    assert [guess.estimate_focal for guess in guesses(Exif(), size=(640, 480))] == [True, True, True]


def test_a_photograph_with_exif_is_not_of_a_camera_without():
    assert all(guess.camera != MAPPED for guess in guesses(PHONE, keys=None))
