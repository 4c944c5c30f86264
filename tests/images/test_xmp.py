import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfm.images.exif import read_exif
from sfm.images.xmp import DronePosition, parse_drone_position
from tests.images.files import exif_bytes

DJI = (
    'drone-dji:AbsoluteAltitude="+461.250" drone-dji:RelativeAltitude="+60.0" drone-dji:GpsLatitude="-33.400123456" '
    'drone-dji:GpsLongitude="+70.600654321" drone-dji:RtkFlag="50" drone-dji:RtkStdLon="0.011" '
    'drone-dji:RtkStdLat="0.012" drone-dji:RtkStdHgt="0.023"'
)
HERE = DronePosition(-33.400123456, 70.600654321, 461.25, (0.012, 0.011, 0.023))


def packet(attributes="", elements=""):
    return f"<x:xmpmeta><rdf:RDF><rdf:Description {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>"


@pytest.mark.parametrize(
    ("xmp", "expected"),
    [
        (packet(DJI), HERE),
        (packet(DJI.replace("drone-dji:", "drone:")), HERE),
        (packet(DJI.replace("GpsLongitude", "GpsLongtitude")), HERE),
        (
            packet(
                elements="<drone-skydio:Latitude>47.5</drone-skydio:Latitude>"
                "<drone-skydio:Longitude>-8.25</drone-skydio:Longitude>"
                "<drone-skydio:AbsoluteAltitude>412.5</drone-skydio:AbsoluteAltitude>"
            ),
            DronePosition(47.5, -8.25, 412.5),
        ),
        (
            packet(
                'Camera:GPSXYAccuracy="0.8" Camera:GPSZAccuracy="12/10" drone-parrot:CameraPitchDegree="-89"'
            ),
            DronePosition(accuracy_m=(0.8, 0.8, 1.2)),
        ),
        (packet("drone-dji:GpsLatitude='0.0' drone-dji:GpsLongitude='0.0'"), DronePosition()),
        (packet('drone-dji:GpsLatitude="95" drone-dji:GpsLongitude="8"'), DronePosition()),
        (packet('drone-dji:GpsLatitude="47" drone-dji:RtkStdLat="0"'), DronePosition()),
        (packet('drone-dji:GpsLatitude="4_7" drone-dji:GpsLongitude="8/0"'), DronePosition()),
    ],
)
def test_positions_of_drones(xmp, expected):
    assert parse_drone_position(xmp) == expected


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_xmp_comes_before_exif_that_is_cut(format):
    gps = {1: "S", 2: (33.0, 24.0, 0.0), 3: "E", 4: (70.0, 36.0, 0.0), 5: b"\0", 6: 400.0}
    buffer = io.BytesIO()
    options = {"pnginfo": None} if format == "PNG" else {"xmp": packet(DJI).encode()}
    if format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet(DJI))
    Image.new("RGB", (8, 6)).save(buffer, format, exif=exif_bytes(gps=gps), **options)
    with Image.open(buffer) as image:
        exif = read_exif(image)
    np.testing.assert_allclose(
        (exif.latitude_deg, exif.longitude_deg, exif.altitude_m),
        (-33.400123456, 70.600654321, 461.25),
        atol=1e-12,
    )
    assert exif.position_accuracy_m == HERE.accuracy_m


@settings(deadline=None)
@given(st.text(max_size=300))
def test_anything_may_stand_in_xmp(text):
    parse_drone_position(packet(text) + text)
