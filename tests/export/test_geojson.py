import json
import math

import numpy as np
import pytest

from sfm.errors import InputError
from sfm.export import ExportContext
from sfm.geometry.similarity import Sim3
from sfm.mapping.frame import MapFrame
from tests.export.contract import ExporterContract
from tests.mapping.maps import make_map

FRAME = MapFrame("gps", "m", (55.7, 13.2, 40.0), z_up=True)


class TestGeojson(ExporterContract):
    format = "geojson"
    files = frozenset({"path.geojson"})

    def context(self, sparse_map):
        return ExportContext(frame=FRAME)

    def features(self, files):
        return json.loads(next(iter(files)).read_text("utf-8"))["features"]

    def names_in(self, files):
        features = self.features(files.values())
        return sorted(f["properties"]["name"] for f in features if f["geometry"]["type"] == "Point")

    def test_points_and_lines_are_on_the_earth(self, tmp_path):
        names = ("a/1.jpg", "a/2.jpg", "b.jpg")
        features = self.features(self.export(make_map(names), tmp_path))
        lines = [f for f in features if f["geometry"]["type"] == "LineString"]
        assert [(line["properties"]["folder"], len(line["geometry"]["coordinates"])) for line in lines] == [
            ("a", 2)
        ]
        for feature in features:
            coordinates = feature["geometry"]["coordinates"]
            for longitude, latitude, altitude in coordinates if feature in lines else [coordinates]:
                assert longitude == pytest.approx(13.2, abs=1e-3)
                assert latitude == pytest.approx(55.7, abs=1e-3)
                assert altitude == pytest.approx(40, abs=5)

    def test_the_line_follows_capture_times(self, tmp_path):
        names = ("a.jpg", "b.jpg", "c.jpg")
        context = ExportContext(frame=FRAME, timestamps_s={"a.jpg": 30.0, "b.jpg": 10.0, "c.jpg": 20.0})
        features = self.features(self.export(make_map(names), tmp_path, context))
        points = {f["properties"]["name"]: f for f in features[1:]}
        expected = [points[name]["geometry"]["coordinates"] for name in ("b.jpg", "c.jpg", "a.jpg")]
        assert features[0]["geometry"]["coordinates"] == expected
        assert points["b.jpg"]["properties"]["time"] == "1970-01-01T00:00:10"

    def test_an_unknown_heading_is_left_out(self, tmp_path):
        # The cameras of this map look up, for z is up: no heading. Where the orientation is open, no pitch either.
        known = self.features(self.export(make_map(), tmp_path))[-1]["properties"]
        assert "heading" not in known
        assert known["pitch"] > 80
        open_frame = MapFrame("gps", "m", FRAME.origin, z_up=True, orientation_known=False)
        features = self.features(self.export(make_map(), tmp_path, ExportContext(frame=open_frame)))
        assert features[-1]["properties"].keys() == {"name"}

    def test_an_unknown_altitude_is_left_out(self, tmp_path):
        frame = MapFrame("csv", "m", (55.7, 13.2, math.nan), z_up=True)
        line, *points = self.features(self.export(make_map(), tmp_path, ExportContext(frame=frame)))
        for coordinates in (
            *line["geometry"]["coordinates"],
            *(p["geometry"]["coordinates"] for p in points),
        ):
            assert coordinates == [pytest.approx(13.2, abs=1e-3), pytest.approx(55.7, abs=1e-3)]

    @pytest.mark.parametrize("longitude", [180.0, -180.0, 179.99999, -179.99999])
    def test_a_path_across_the_date_line_is_cut_there(self, tmp_path, longitude):
        frame = MapFrame("gps", "m", (-17.0, longitude, 40.0), z_up=True)
        wide = make_map(("1.jpg", "2.jpg", "3.jpg", "4.jpg")).transformed(
            Sim3(2.0, np.eye(3), np.array([-2.0, 0, 0]))
        )
        line, *points = self.features(self.export(wide, tmp_path, ExportContext(frame=frame)))
        assert line["geometry"]["type"] == "MultiLineString"
        parts = line["geometry"]["coordinates"]
        assert len(parts) == 2
        assert (abs(parts[0][-1][0]), parts[1][0][0]) == (180, -parts[0][-1][0])
        assert parts[0][-1][1:] == parts[1][0][1:]
        for part in parts:
            assert max(p[0] for p in part) - min(p[0] for p in part) < 1
        assert len(parts[0]) + len(parts[1]) == len(points) + 2

    def test_a_path_near_greenwich_is_one_line(self, tmp_path):
        frame = MapFrame("gps", "m", (51.5, 0.0, 40.0), z_up=True)
        line = self.features(self.export(make_map(), tmp_path, ExportContext(frame=frame)))[0]
        assert line["geometry"]["type"] == "LineString"

    @pytest.mark.parametrize("frame", [None, MapFrame("gravity", z_up=True)])
    def test_a_map_that_is_nowhere_on_earth(self, tmp_path, frame):
        with pytest.raises(InputError, match="run `sfm align MAP` first"):
            self.export(make_map(), tmp_path, ExportContext(frame=frame))
