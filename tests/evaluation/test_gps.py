import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.evaluation.gps import gps_residual
from sfm.geometry.similarity import Sim3

LUND = np.array([55.7047, 13.1910, 60.0])
METRES_PER_DEGREE = np.array([111_350.0, 62_850.0])  # north and east at Lund's latitude, to 0.1%


def to_gps(enu, origin=LUND):
    """Geodetic positions of metres east, north, up; good to 0.1% near the origin."""
    return np.column_stack(
        [
            origin[0] + enu[:, 1] / METRES_PER_DEGREE[0],
            origin[1] + enu[:, 0] / METRES_PER_DEGREE[1],
            origin[2] + enu[:, 2],
        ]
    )


def in_map_frame(enu, seed=0):
    map_from_enu = Sim3(0.13, Rotation.random(random_state=seed).as_matrix(), np.array([1.0, 2, 3]))
    return map_from_enu.apply(enu)


def walk(n=29, bend=6.0):
    along = np.linspace(-55, 55, n)
    return np.column_stack([0.6 * along, 0.8 * along, np.zeros(n)]) + np.outer(
        bend * (along / 55) ** 2, [0.8, -0.6, 0]
    )


class TestResidual:
    def test_a_right_map_has_the_noise_of_the_gps(self):
        rng = np.random.default_rng(0)
        true = walk()
        noise = rng.normal(scale=3, size=(29, 3)) * [1, 1, 0]
        result = gps_residual(in_map_frame(true), to_gps(true + noise))
        # Two coordinates of 3 m each, less what the alignment takes up.
        assert 3.2 < result.rms_m < 4.6
        assert result.spread_m == pytest.approx(33, abs=2)
        assert result.enu_from_map.scale == pytest.approx(1 / 0.13, rel=0.05)
        assert result.positions == 29

    def test_bad_altitudes_do_not_count(self):
        rng = np.random.default_rng(1)
        true = walk()
        gps = to_gps(
            true + np.column_stack([rng.normal(scale=2, size=(29, 2)), rng.normal(scale=40, size=29)])
        )
        result = gps_residual(in_map_frame(true), gps)
        assert not result.altitude_used
        assert result.rms_m < 3.2
        assert result.enu_from_map.scale == pytest.approx(1 / 0.13, rel=0.05)

    def test_good_altitudes_of_a_climb_count(self):
        # A drone that climbs a façade: on level ground its path cannot be explained.
        rng = np.random.default_rng(2)
        true = rng.uniform(-20, 20, size=(30, 3))
        result = gps_residual(in_map_frame(true), to_gps(true + rng.normal(scale=0.5, size=(30, 3))))
        assert result.altitude_used
        assert result.rms_m < 0.8

    def test_missing_altitudes(self):
        true = walk()
        gps = to_gps(true)
        gps[3, 2] = np.nan
        result = gps_residual(in_map_frame(true), gps)
        assert result.rms_m < 0.1
        assert result.outliers == 0

    def test_a_straight_walk(self):
        true = walk(bend=0.0)
        result = gps_residual(in_map_frame(true), to_gps(true))
        assert result.rms_m < 0.1
        assert result.spread_m == pytest.approx(32.8, abs=1)

    def test_stale_positions_do_not_hide_a_right_map(self):
        true = walk()
        gps = to_gps(true)
        gps[[0, 1, 2], :2] += 0.05  # kilometres away: the phone had not found itself yet
        result = gps_residual(in_map_frame(true), gps)
        assert result.outliers == 3
        assert result.median_m < 0.1

    def test_misplaced_images_are_told(self):
        true = walk()
        wrong = true.copy()
        wrong[[7, 20]] += [15, -20, 2]
        result = gps_residual(in_map_frame(wrong), to_gps(true))
        assert list(np.flatnonzero(result.residuals_m > 20)) == [7, 20]
        assert np.delete(result.residuals_m, [7, 20]).max() < 0.2

    def test_a_wrong_map_shows(self):
        rng = np.random.default_rng(3)
        residuals = []
        for _ in range(10):
            result = gps_residual(rng.normal(size=(14, 3)), to_gps(walk(14)))
            residuals.append(result.rms_m / result.spread_m)
        assert min(residuals) > 0.5

    def test_a_collapsed_map_shows(self):
        # Half of the walk is squeezed together, as when façades repeat.
        true = walk()
        squeezed = true.copy()
        squeezed[14:] = true[14] + (true[14:] - true[14]) * 0.1
        result = gps_residual(in_map_frame(squeezed), to_gps(true))
        assert result.rms_m > 6

    def test_the_date_line(self):
        true = walk()
        origin = np.array([-17.0, 180.0, 0.0])
        gps = np.column_stack(
            [origin[0] + true[:, 1] / 110_650, origin[1] + true[:, 0] / 106_500, true[:, 2]]
        )
        gps[gps[:, 1] > 180, 1] -= 360
        result = gps_residual(in_map_frame(true), gps)
        assert result.rms_m < 0.2
        assert result.spread_m < 40

    def test_too_few_positions_say_nothing(self):
        assert gps_residual(walk(3), to_gps(walk(3))) is None
