import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm.features.patch_window import EVEN_WINDOW, PATCH_SCALE, PatchWindow

windows = st.builds(PatchWindow, st.floats(4, 100), st.floats(0, 3))


@given(windows)
def test_the_border_is_half_the_side_away(window):
    assert window.distance(1.0) == pytest.approx(window.scale / 2)


@given(windows, st.floats(0, 1.4))
def test_radius_and_distance_are_each_others_inverse(window, radius):
    assert window.radius(window.distance(radius)) == pytest.approx(radius, abs=1e-6)


@given(windows)
def test_the_step_in_the_middle_is_what_distance_says(window):
    step = window.distance(2 / 32 * 1e-4) / 1e-4
    assert window.middle_step(32) == pytest.approx(step, rel=1e-4)


def test_an_even_window_has_its_samples_everywhere_alike():
    assert EVEN_WINDOW.middle_step(32) == PATCH_SCALE / 32
    assert EVEN_WINDOW.distance(0.5) == PATCH_SCALE / 4
