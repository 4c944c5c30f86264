import warnings

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from sfm.errors import InputError
from sfm.images.decode import exif_turn_deg, load_gray, load_rgb, upright, upright_axes
from sfm.images.exif import Exif
from sfm.images.photo_set import Photo, read_photo_set
from tests.images.files import exif_bytes, picture, save, truncated


def photo(path):
    (only,) = read_photo_set(path).photos
    return only


def gray_of(rgb):
    return np.asarray(Image.fromarray(rgb).convert("L"))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_lossless_colour_comes_through_exactly(tmp_path, name):
    rgb = picture()
    item = photo(save(tmp_path / name, rgb))
    np.testing.assert_array_equal(load_rgb(item), rgb)
    np.testing.assert_array_equal(load_gray(item).pixels, gray_of(rgb))
    assert load_gray(item).pixels.dtype == np.uint8


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_lossy_colour_comes_through_nearly(tmp_path, name):
    rgb = picture()
    item = photo(save(tmp_path / name, rgb, quality=95))
    assert np.abs(load_gray(item).pixels.astype(int) - gray_of(rgb)).mean() < 2
    assert np.abs(load_rgb(item).astype(int) - rgb).mean() < 6


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "LA", "P", "YCbCr", "I;16", "I", "F", "1"])
def test_every_colour_mode_gives_the_same_grey(tmp_path, mode):
    gray = gray_of(picture())
    if mode in ("I;16", "I"):
        image = Image.fromarray(
            (gray.astype(np.uint16) * 257).astype(np.uint16 if mode == "I;16" else np.int32)
        )
    elif mode == "F":
        image = Image.fromarray(gray.astype(np.float32) / 255)
    elif mode == "1":
        gray = (gray > 127).astype(np.uint8) * 255
        image = Image.fromarray(gray).convert("1", dither=Image.Dither.NONE)
    elif mode == "P":
        image = Image.fromarray(gray).convert("P")
    else:
        image = Image.fromarray(np.dstack([gray] * 3)).convert(mode)
    assert image.mode == mode
    image.save(tmp_path / "a.tif")
    item = photo(tmp_path / "a.tif")
    np.testing.assert_allclose(load_gray(item).pixels.astype(int), gray, atol=1)
    rgb = load_rgb(item)
    assert rgb.shape == (48, 64, 3)
    np.testing.assert_allclose(rgb.astype(int), np.dstack([gray] * 3), atol=2)


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    rgb = picture()
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert np.abs(load_gray(photo(tmp_path / "a.jpg")).pixels.astype(int) - gray_of(rgb)).mean() < 3


def test_jpeg_with_several_pictures_gives_the_first(tmp_path):
    first, second = Image.fromarray(picture()), Image.fromarray(picture(seed=1))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(load_gray(photo(tmp_path / "a.jpg")).pixels.astype(int) - gray_of(picture())).mean() < 2


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_grey_is_scaled_by_its_depth_and_not_clipped(tmp_path, bits):
    ramp = np.linspace(0, 2**bits - 1, 64).round().astype(np.uint16)
    save(tmp_path / "a.png", np.tile(ramp, (48, 1)))
    pixels = load_gray(photo(tmp_path / "a.png")).pixels
    np.testing.assert_allclose(pixels[0].astype(int), np.linspace(0, 255, 64), atol=1)


def test_deep_colour_keeps_its_range(tmp_path):
    deep = np.zeros((4, 3, 3), np.uint16)
    deep[:, 1], deep[:, 2] = 128 * 257, 65535
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    np.testing.assert_array_equal(load_rgb(photo(tmp_path / "a.png"))[0, :, 0], [0, 128, 255])


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("a.png", []),
        ("a.tif", []),
        ("a.tif", [cv2.IMWRITE_TIFF_COMPRESSION, 1]),
        ("a.tif", [cv2.IMWRITE_TIFF_COMPRESSION, 8]),
    ],
)
def test_deep_colour_is_scaled_by_its_depth(tmp_path, bits, channels, name, flags):
    ramp = np.linspace(0, 2**bits - 1, 64).round().astype(np.uint16)
    deep = np.stack([ramp // 3, ramp // 2, ramp, np.full(64, 65535, np.uint16)][:channels], axis=1)
    cv2.imwrite(str(tmp_path / name), np.repeat(deep[None], 5, axis=0), flags)
    expected = np.linspace(0, 255, 64)[:, None] / [1, 2, 3]
    np.testing.assert_allclose(load_rgb(photo(tmp_path / name))[2].astype(float), expected, atol=1.5)
    grey = expected @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(load_gray(photo(tmp_path / name)).pixels[2].astype(float), grey, atol=2)


@pytest.mark.parametrize("white", [1, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("overshoot", [1.0, 1.05])
def test_floating_point_of_any_scale_shows_the_same(tmp_path, white, overshoot):
    fraction = np.tile(np.linspace(0, overshoot, 64, dtype=np.float32), (48, 1))
    save(tmp_path / "a.tif", fraction * white)
    pixels = load_gray(photo(tmp_path / "a.tif")).pixels
    np.testing.assert_allclose(pixels, np.clip(fraction * 255, 0, 255), atol=1)


@pytest.mark.parametrize("wild", [3.4e38, -3.4e38, 1e6, np.inf])
def test_wild_floating_point_values_do_not_darken_the_others(tmp_path, wild):
    values = np.tile(np.linspace(0, 255, 64, dtype=np.float32), (48, 1))
    values[7, 9] = wild
    save(tmp_path / "a.tif", values)
    pixels = load_gray(photo(tmp_path / "a.tif")).pixels
    np.testing.assert_allclose(pixels[0].astype(float), values[0], atol=1)


def test_tiff_of_floating_point_colours_is_refused_with_what_to_do(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.full((4, 4, 3), 99, np.float32))
    with pytest.raises(InputError, match="save it with 8 or 16 bits a colour"):
        read_photo_set(tmp_path)


def test_floating_point_with_holes_is_readable(tmp_path):
    values = np.array([[0.0, 0.5, 1.0, np.nan, np.inf]], np.float32)
    save(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(load_gray(photo(tmp_path / "a.tif")).pixels, [[0, 128, 255, 0, 0]])


def test_transparent_pixels_become_mid_grey(tmp_path):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0] = 200
    rgba[0, :, 3] = 255
    save(tmp_path / "a.png", rgba)
    np.testing.assert_array_equal(load_gray(photo(tmp_path / "a.png")).pixels, [[200, 200], [128, 128]])
    np.testing.assert_array_equal(load_rgb(photo(tmp_path / "a.png"))[1], np.full((2, 3), 128))


def test_transparent_palette_colour_becomes_mid_grey(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 10, 10, 250, 250, 250])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=1)
    np.testing.assert_array_equal(load_gray(photo(tmp_path / "a.png")).pixels, [[10, 128]])


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.tif", "cut.webp", "cut.bmp"])
@pytest.mark.parametrize("fraction", [0.5, 0.98])
def test_truncated_file_is_an_error_and_never_half_an_image(tmp_path, name, fraction):
    item = Photo(name, truncated(tmp_path / name, fraction), 256, 192, Exif())
    with pytest.raises(InputError) as caught:
        load_gray(item)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        load_rgb(item)


@pytest.mark.parametrize("fraction", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_jpeg_says_so(tmp_path, fraction, progressive):
    item = photo(truncated(tmp_path / "a.jpg", fraction, progressive=progressive))
    with pytest.raises(InputError, match="the file is truncated, copy it again"):
        load_gray(item)


def test_file_that_is_gone_is_an_error(tmp_path):
    item = photo(save(tmp_path / "a.jpg"))
    item.path.unlink()
    with pytest.raises(InputError, match="No such file"):
        load_gray(item)


def test_black_picture_and_single_pixel_are_no_problem(tmp_path):
    black = photo(save(tmp_path / "black.png", np.zeros((5, 5), np.uint16)))
    assert not load_gray(black).pixels.any()
    dot = photo(save(tmp_path / "dot.jpg", np.full((1, 1), 77, np.uint8)))
    np.testing.assert_array_equal(load_gray(dot, 1600).pixels, [[77]])


def test_large_picture_is_reduced_and_knows_its_original_size(tmp_path):
    item = photo(save(tmp_path / "a.png", picture(300, 200)))
    image = load_gray(item, 150)
    assert image.pixels.shape == (100, 150)
    assert image.original_size == (300, 200)
    assert load_rgb(item, 150).shape == (100, 150, 3)
    assert load_gray(item, 1000).pixels.shape == (200, 300)


@pytest.mark.parametrize("size", [(640, 480), (641, 481)])
def test_reduced_decoding_of_jpeg_keeps_positions_and_brightness(tmp_path, size):
    rgb = picture(*size)
    reduced = load_gray(photo(save(tmp_path / "a.jpg", rgb, quality=95)), 80)
    exact = load_gray(photo(save(tmp_path / "b.png", rgb)), 80)
    assert reduced.original_size == exact.original_size == size
    assert reduced.pixels.shape == exact.pixels.shape
    assert np.abs(reduced.pixels.astype(int) - exact.pixels).max() <= 4


def test_hundred_megapixel_jpeg_is_decoded_within_bounds(tmp_path):
    resource = pytest.importorskip("resource")
    Image.new("L", (12_000, 9_000), 90).save(tmp_path / "a.jpg")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = load_gray(photo(tmp_path / "a.jpg"), 1600)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert image.pixels.shape == (1200, 1600)
    assert image.original_size == (12_000, 9_000)
    assert (image.pixels == 90).all()
    assert grown_mb < 60


def test_orientation_is_not_applied(tmp_path):
    rgb = picture()
    item = photo(save(tmp_path / "a.png", rgb, exif=exif_bytes({0x0112: 6})))
    np.testing.assert_array_equal(load_gray(item).pixels, gray_of(rgb))
    np.testing.assert_array_equal(load_rgb(item), rgb)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_agrees_with_pillow(orientation):
    rgb = picture(5, 3)
    image = Image.fromarray(rgb)
    image.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(upright(rgb, orientation), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_axes_are_those_of_the_picture_set_upright(orientation):
    stored_xy = np.dstack(np.meshgrid(np.arange(3), np.arange(4)))
    stood = upright(stored_xy, orientation)
    np.testing.assert_array_equal(
        upright_axes(orientation), [stood[0, 1] - stood[0, 0], stood[0, 0] - stood[1, 0]]
    )


# Which orientation turns back what another one turned.
BACK = {1: 1, 3: 3, 6: 8, 8: 6}


@pytest.mark.parametrize(("orientation", "turn_deg"), [(1, 0), (3, 180), (6, -90), (8, 90)])
def test_what_points_right_in_the_upright_picture_points_there_in_the_stored_one(orientation, turn_deg):
    ramp = np.tile(np.arange(20.0), (12, 1))  # brighter to the right
    stored = upright(ramp, BACK[orientation])
    np.testing.assert_array_equal(upright(stored, orientation), ramp)
    down, right = (gradient.mean() for gradient in np.gradient(stored))
    assert exif_turn_deg(orientation) == round(np.degrees(np.arctan2(down, right))) == turn_deg


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_none(orientation):
    assert exif_turn_deg(orientation) == 0


@pytest.mark.scenes
def test_grey_jpeg_equals_opencv(sfm_data):
    path = sfm_data / "scenes/fountain-P11/images/0000.jpg"
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    np.testing.assert_array_equal(load_gray(photo(path)).pixels, cv2.imread(str(path), flags))
