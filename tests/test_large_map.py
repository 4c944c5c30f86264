"""The flight that mapping many images is measured on."""

import pytest

from benchmarks.large_map import CAMERA, MIN_SHARED, ROW, fly, map_flight, write_flight
from sfm.workspace import Workspace


@pytest.fixture(scope="module")
def views():
    return fly(ROW + 8)


def test_images_see_a_few_hundred_points_within_their_borders(views):
    for view in views:
        assert 300 < len(view.xy) < 2000
        assert (view.xy > 0).all()
        assert (view.xy < [CAMERA.width, CAMERA.height]).all()
        assert (view.point_ids[1:] > view.point_ids[:-1]).all()


def test_pairs_lie_in_a_row_or_beside_each_other(views, tmp_path):
    pairs = write_flight(views, Workspace(tmp_path), CAMERA)
    together = {(pair.name1, pair.name2) for pair in pairs}
    assert min(pair.inliers for pair in pairs) >= MIN_SHARED
    assert ("00000.jpg", "00001.jpg") in together
    # The next row comes back: its first image lies beside the last of this one.
    assert (f"{ROW - 1:05d}.jpg", f"{ROW:05d}.jpg") in together
    assert ("00000.jpg", f"{ROW:05d}.jpg") not in together


def test_a_flight_is_mapped(tmp_path):
    told = map_flight(16, Workspace(tmp_path))
    assert told["registered"] == 16
    assert told["models"] == 1
    assert told["ate_rmse_m"] < 0.5
    assert told["focal_px"] == pytest.approx(CAMERA.focal_px, rel=0.05)
    assert told["seconds"] > 0
    assert told["peak_mib"] > 0
