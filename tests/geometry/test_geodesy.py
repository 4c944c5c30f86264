import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm.geometry.geodesy import enu_to_geodetic, geodetic_to_enu

LUND = np.array([55.7047, 13.1910, 60.0])


class TestEnu:
    def test_degree_lengths(self):
        # A minute of latitude is 1852.2 m at 45 degrees and 1842.9 m at the equator, of longitude 1855.3 m.
        def length(a, b):
            return np.linalg.norm(geodetic_to_enu(np.array([b]), np.array(a))[0])

        assert length([45, 7, 0], [45 + 1 / 60, 7, 0]) == pytest.approx(1852.2, abs=0.3)
        assert length([0, 7, 0], [1 / 60, 7, 0]) == pytest.approx(1842.9, abs=0.1)
        assert length([0, 7, 0], [0, 7 + 1 / 60, 0]) == pytest.approx(1855.3, abs=0.1)

    def test_axes(self):
        enu = geodetic_to_enu(LUND + np.diag([1e-4, 1e-4, 10.0]), LUND)
        np.testing.assert_allclose(enu[0], [0, 11.135, 0], atol=0.01)
        np.testing.assert_allclose(enu[1], [6.285, 0, 0], atol=0.01)
        np.testing.assert_allclose(enu[2], [0, 0, 10], atol=1e-6)


@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.floats(-400, 9000),
    st.tuples(*(st.floats(-5000, 5000) for _ in range(3))),
)
def test_there_and_back(latitude, longitude, height, enu):
    origin = np.array([latitude, longitude, height])
    positions = enu_to_geodetic(np.array([enu]), origin)
    assert np.isfinite(positions).all()
    np.testing.assert_allclose(geodetic_to_enu(positions, origin), [enu], atol=1e-5)


def test_the_origin_is_where_it_is():
    np.testing.assert_allclose(enu_to_geodetic(np.zeros((1, 3)), LUND), [LUND], atol=1e-9)
