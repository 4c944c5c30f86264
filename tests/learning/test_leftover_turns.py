import numpy as np
import pytest

from sfm.features.keypoints import Keypoints
from sfm.learning.leftover_turns import leftover_turn, turned_nearly_to


def test_leftovers_are_normal_and_cut_at_25_degrees():
    rng = np.random.default_rng(0)
    drawn = np.degrees([leftover_turn(rng) for _ in range(4000)])
    assert np.abs(drawn).max() < 25
    assert np.abs(drawn).max() > 23
    assert drawn.mean() == pytest.approx(0, abs=0.6)
    assert drawn.std() == pytest.approx(9.55, abs=0.35)  # of a normal of 10 that is cut at 2.5 deviations


def test_the_keypoints_of_an_image_share_what_is_left_over():
    xy = np.array([[5, 5], [5, 5], [9, 5]], np.float32)  # the first two are orientations of one place
    size = np.full(3, 2, np.float32)
    rng = np.random.default_rng(1)
    one, other = (
        turned_nearly_to(Keypoints(xy, size, np.arange(3, dtype=np.float32), size), 2.0, rng)
        for _ in range(2)
    )
    assert one.xy.tolist() == [[5, 5], [9, 5]]
    assert len(set(one.angle)) == 1
    assert one.angle[0] != other.angle[0]
    assert np.abs(np.degrees([one.angle[0] - 2, other.angle[0] - 2])).max() < 25
