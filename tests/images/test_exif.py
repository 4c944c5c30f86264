import io
import math
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from sfm.images.exif import Exif, read_exif
from sfm.images.photo_set import read_photo_set
from tests.images.files import exif_bytes


def read(base=(), photo=(), gps=(), format="JPEG"):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, format, exif=exif_bytes(base, photo, gps))
    with Image.open(buffer) as image:
        return read_exif(image)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_fields_of_every_format_that_carries_exif(format):
    exif = read(
        base={0x010F: "Apple ", 0x0110: "iPhone 4S\0", 0x0112: 6},
        photo={0x920A: 4.28, 0xA405: 35, 0xA434: "back camera"},
        gps={1: "N", 2: (55.0, 41.0, 53.4), 3: "W", 4: (13.0, 11.0, 43.4), 5: b"\x01", 6: 3.5},
        format=format,
    )
    assert (exif.make, exif.model, exif.lens, exif.orientation) == ("Apple", "iPhone 4S", "back camera", 6)
    assert exif.focal_mm == pytest.approx(4.28, abs=1e-4)
    assert exif.focal_35mm == 35
    assert exif.latitude_deg == pytest.approx(55.698167, abs=1e-6)
    assert exif.longitude_deg == pytest.approx(-13.195389, abs=1e-6)
    assert exif.altitude_m == pytest.approx(-3.5)


def test_image_without_exif_says_nothing():
    with Image.new("RGB", (8, 6)) as image:
        assert read_exif(image) == Exif()


def test_35mm_equivalent_is_taken_over_the_diagonal():
    assert Exif(focal_35mm=math.hypot(36, 24)).focal_px(3000, 4000) == pytest.approx(5000)
    assert Exif(focal_35mm=35).focal_px(1024, 768) == Exif(focal_35mm=35).focal_px(768, 1024)


def test_focal_plane_resolution_of_a_full_size_and_a_reduced_copy():
    # Canon EOS 350D: 3456 x 2304 pixels on 22.2 mm.
    tags = {0x920A: 50.0, 0xA002: 3456, 0xA003: 2304, 0xA20E: 3456 / (22.2 / 25.4), 0xA210: 2}
    exif = read(photo=tags)
    assert exif.sensor_mm == pytest.approx(22.2, rel=1e-3)
    assert exif.focal_px(3456, 2304) == pytest.approx(50 / 22.2 * 3456, rel=1e-3)
    assert exif.focal_px(864, 576) == pytest.approx(50 / 22.2 * 864, rel=1e-3)


@pytest.mark.parametrize(
    ("size", "whole"),
    [
        ((640, 480), True),
        ((480, 640), True),  # turned
        ((320, 240), True),  # a smaller copy
        ((333, 250), True),  # the same, rounded
        ((480, 480), False),  # cropped to a square
        ((640, 360), False),  # cropped to the shape of a film
        ((1280, 960), False),  # a part, enlarged
    ],
)
def test_a_picture_of_another_shape_than_exif_says_was_cropped(size, whole):
    exif = read(photo={0xA002: 640, 0xA003: 480, 0xA405: 28})
    assert exif.is_of_size(*size) is whole
    assert exif.focal_px(640, 480) == pytest.approx(517.7, abs=0.1)


def test_without_a_size_in_exif_any_size_may_be_right():
    assert read(photo={0xA405: 28}).is_of_size(480, 480)
    assert read(photo={0xA405: 28, 0xA002: 640, 0xA003: 0}).is_of_size(480, 480)


def test_focal_length_in_millimetres_alone_tells_nothing_in_pixels():
    assert Exif(focal_mm=4.3).focal_px(1024, 768) is None


@pytest.mark.parametrize("focal_35mm", [0.5, 5000])
def test_implausible_focal_length_is_not_used(focal_35mm):
    assert Exif(focal_35mm=focal_35mm).focal_px(1024, 768) is None


def test_zero_means_unknown():
    exif = read(
        base={0x0112: 0}, photo={0x920A: 0.0, 0xA405: 0}, gps={1: "N", 2: (0, 0, 0), 3: "E", 4: (0, 0, 0)}
    )
    assert replace(exif, position_problem=None) == Exif()


@pytest.mark.parametrize(("reference", "sign"), [(0, 1), (1, -1), (2, 1), (3, -1), (None, 1)])
def test_altitudes_below_the_sea_or_the_ellipsoid(reference, sign):
    gps = {6: 12.0} | ({} if reference is None else {5: bytes([reference])})
    assert read(gps=gps).altitude_m == sign * 12


PLACE = {1: "S", 2: (33.0, 24.0, 0.0), 3: "W", 4: (70.0, 36.0, 0.0)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({1: None}, "hemisphere is missing"),
        ({3: None}, "hemisphere is missing"),
        ({1: "\0"}, "hemisphere is missing"),
        ({1: "E"}, "hemisphere is missing"),
        ({2: (IFDRational(0, 0), 0.0, 0.0)}, "no number on Earth"),
        ({4: None}, "no number on Earth"),
        ({2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)}, "without a fix"),
        ({9: "V"}, "no fix"),
    ],
)
def test_a_record_that_is_no_position_says_why(change, told):
    tags = {tag: value for tag, value in (PLACE | change).items() if value is not None}
    exif = read(gps=tags)
    assert exif.latitude_deg is exif.longitude_deg is None
    assert told in exif.position_problem


def test_hemispheres_in_small_letters_and_words():
    exif = read(gps=PLACE | {1: "s", 3: "West"})
    assert (exif.latitude_deg, exif.longitude_deg) == (pytest.approx(-33.4), pytest.approx(-70.6))
    assert exif.position_problem is None


def test_an_altitude_that_is_no_number_leaves_the_position():
    exif = read(gps=PLACE | {6: IFDRational(0, 0)})
    assert exif.latitude_deg == pytest.approx(-33.4)
    assert exif.altitude_m is None
    assert "altitude" in exif.position_problem


def test_void_gps_fix_is_no_position():
    gps = {1: "N", 2: (55.0, 0.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0), 9: "V"}
    assert read(gps=gps).latitude_deg is None


def test_gps_beyond_the_poles_is_no_position():
    assert read(gps={1: "N", 2: (95.0, 0.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0)}).latitude_deg is None


def test_time_of_exposure_with_its_fraction():
    exif = read(base={0x0132: "2020:01:01 00:00:00"}, photo={0x9003: "2014:05:26 12:56:02", 0x9291: "384"})
    assert exif.time == datetime(2014, 5, 26, 12, 56, 2, 384000)


def test_time_falls_back_to_the_file_time_and_an_unset_clock_is_none():
    assert read(base={0x0132: "2020:01:02 03:04:05"}).time == datetime(2020, 1, 2, 3, 4, 5)
    assert read(base={0x0132: "0000:00:00 00:00:00"}).time is None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_damaged_exif_never_costs_the_photograph(garbage):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, "JPEG", exif=b"Exif\0\0" + garbage)
    with Image.open(buffer) as image:
        exif = read_exif(image)
    assert 1 <= exif.orientation <= 8


@pytest.mark.scenes
def test_lund_has_focal_length_and_positions_of_one_street(sfm_data):
    photos = read_photo_set(sfm_data / "scenes/lund/images").photos
    assert len(photos) == 29
    for photo in photos:
        assert photo.exif.focal_px(photo.width, photo.height) == pytest.approx(1035.4, abs=0.5)
        assert photo.exif.latitude_deg == pytest.approx(55.698, abs=0.002)
        assert photo.exif.longitude_deg == pytest.approx(13.195, abs=0.003)


@pytest.mark.scenes
def test_berlin_has_lens_focal_length_and_position(sfm_data):
    first = read_photo_set(sfm_data / "scenes/berlin/images").photos[0]
    assert first.exif.lens == "iPhone 4S back camera 4.28mm f/2.4"
    assert first.exif.focal_px(first.width, first.height) == pytest.approx(3300, abs=1)
    assert first.exif.latitude_deg == pytest.approx(52.518917, abs=1e-5)
    assert first.exif.longitude_deg == pytest.approx(13.400294, abs=1e-5)
