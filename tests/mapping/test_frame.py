import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.errors import InputError
from sfm.geometry.pose import Pose
from sfm.geometry.similarity import Sim3
from sfm.mapping.colmap_io import read_map, write_map
from sfm.mapping.frame import MapFrame, place_of, read_frame, write_frame
from sfm.mapping.transform import move_model
from tests.mapping.maps import assert_same_map, make_map

FRAME = MapFrame("gps", "m", (55.7, 13.2, 40.0), z_up=True, note="said")
MOVE = Sim3(2.5, Rotation.random(random_state=1).as_matrix(), np.array([1.0, -2, 3]))


def looking(forward, up=(0.0, 0.0, 1.0)):
    forward = np.array(forward, float) / np.linalg.norm(forward)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    return Pose(np.stack([right, np.cross(forward, right), forward]), np.zeros(3))


def test_what_is_written_is_read(tmp_path):
    assert read_frame(tmp_path) is None
    write_frame(tmp_path, FRAME, {"rms": 3.0})
    assert read_frame(tmp_path) == FRAME
    (tmp_path / "frame.json").write_text("{}")
    with pytest.raises(InputError, match="is damaged"):
        read_frame(tmp_path)


def test_an_unknown_altitude_is_null_in_the_file(tmp_path):
    write_frame(tmp_path, replace(FRAME, origin=(55.7, 13.2, math.nan)), {})
    assert json.loads((tmp_path / "frame.json").read_text())["frame"]["origin"] == [55.7, 13.2, None]
    frame = read_frame(tmp_path)
    assert frame.origin[:2] == (55.7, 13.2)
    assert math.isnan(frame.origin[2])
    place, known = (place_of(f, looking((0, 1, 0))) for f in (frame, FRAME))
    assert place.altitude_m is None
    assert place.latitude_deg == pytest.approx(known.latitude_deg)


@pytest.mark.parametrize(
    ("forward", "heading"),
    [((0, 1, 0), 0), ((1, 0, 0), 90), ((0, -1, 0), 180), ((-1, 0, 0), 270), ((1, 1, 0.5), 45)],
)
def test_headings_count_clockwise_from_north(forward, heading):
    assert place_of(FRAME, looking(forward)).heading_deg == pytest.approx(heading)


def test_pitch_is_above_the_horizon():
    assert place_of(FRAME, looking((1, 0, 1))).pitch_deg == pytest.approx(45)
    straight_down = place_of(FRAME, looking((0, 0, -1), up=(0, 1, 0)))
    assert straight_down.pitch_deg == pytest.approx(-90)
    assert straight_down.heading_deg is None


@pytest.mark.parametrize("text", [True, False])
def test_a_moved_model_is_the_transformed_map(tmp_path, text):
    before = make_map()
    write_map(before, tmp_path / "0", text=text)
    (tmp_path / "0" / "project.ini").write_text("mine")
    move_model(tmp_path / "0", MOVE, FRAME, {})
    assert_same_map(before.transformed(MOVE), read_map(tmp_path / "0"))
    assert read_frame(tmp_path / "0") == FRAME
    assert (tmp_path / "0" / "project.ini").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert not list((tmp_path / "0").glob("images.txt"))
