import math

import pytest

from sfm.alignment.positions import read_positions
from sfm.errors import InputError


def read(tmp_path, text):
    path = tmp_path / "positions.csv"
    path.write_text(text, encoding="utf-8")
    return read_positions(path)


def test_metres(tmp_path):
    found = read(tmp_path, "name,x,y,z\na b.jpg,1,2.5,-3\n\n# c\nsub/ü.jpg, 4,5,6e1\n")
    assert not found.geodetic
    assert found.values == {"a b.jpg": (1, 2.5, -3), "sub/ü.jpg": (4, 5, 60)}


@pytest.mark.parametrize(
    "header", ["name,latitude,longitude,altitude", "Image, Lat, Lon, Alt", "file,lat,lng,height"]
)
def test_degrees(tmp_path, header):
    found = read(tmp_path, f"{header}\na.jpg,55.7,13.2,40\nb.jpg,55.7,13.3,\n")
    assert found.geodetic
    assert found.values["a.jpg"] == (55.7, 13.2, 40)
    assert math.isnan(found.values["b.jpg"][2])


def test_the_altitude_may_be_missing_altogether(tmp_path):
    assert math.isnan(read(tmp_path, "name,lat,lon\na.jpg,1,2\n").values["a.jpg"][2])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "has the columns a, b"),
        ("name,x,y,z\n", "holds no position"),
        ("name,x,y,z\na.jpg,1,2\n", "line 2: a number is missing"),
        ("name,x,y,z\na.jpg,1,2,three\n", "line 2: a number is missing"),
        ("name,x,y,z\na.jpg,1,2,nan\n", "line 2: these numbers are no position"),
        ("name,lat,lon\na.jpg,95,2\n", "line 2: these numbers are no position"),
        ("name,x,y,z\na.jpg,1,2,3\na.jpg,1,2,3\n", "line 3: a second position of a.jpg"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        read(tmp_path, text)


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="Cannot read the positions"):
        read_positions(tmp_path / "nowhere.csv")


def test_a_row_of_an_image_named_like_a_comment_is_a_row(tmp_path):
    path = tmp_path / "positions.csv"
    path.write_text("name,x,y,z\n#1.jpg,1,2,3\n# 2.jpg,4,5,6\n#comment\n3.jpg,7,8,9\n")
    assert read_positions(path, ["#1.jpg", "3.jpg"]).values == {"#1.jpg": (1, 2, 3), "3.jpg": (7, 8, 9)}
    path.write_text("x,y,z,name\n1,2,3,#1.jpg\n#4,5,6,#2.jpg\n")
    assert list(read_positions(path, ["#1.jpg"]).values) == ["#1.jpg"]


@pytest.mark.parametrize("number", ["4_00", "\u0664", "0x10"])
def test_numbers_only_python_knows_are_none(tmp_path, number):
    with pytest.raises(InputError, match="line 2: a number is missing"):
        read(tmp_path, f"name,x,y,z\na.jpg,1,2,{number}\n")
