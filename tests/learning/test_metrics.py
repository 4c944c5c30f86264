import numpy as np
import pytest

from sfm.learning.metrics import average_precision, fpr_at_recall, nearest_is_own


def test_fpr_at_recall_counts_wrong_pairs_below_the_threshold():
    positive = np.arange(1, 101) / 100  # 95 of 100 lie at or below 0.95
    negative = np.array([0.2, 0.95, 0.96, 2.0])
    assert fpr_at_recall(positive, negative) == 0.5
    assert fpr_at_recall(positive, negative, recall=0.1) == 0.0


def test_average_precision_of_a_known_ranking():
    correct = np.array([True, False, True, False])
    assert average_precision(correct, np.array([1.0, 2, 3, 4])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(correct, np.array([1.0, 2, 3, 4]), num_relevant=4) == pytest.approx(
        (1 + 2 / 3) / 4
    )
    assert average_precision(~correct, np.array([1.0, 2, 3, 4])) == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert average_precision(np.zeros(3, bool), np.arange(3.0)) == 0.0


def test_nearest_is_own():
    left = np.eye(4, dtype=np.float32)
    right = left[[0, 2, 1, 3]]
    assert nearest_is_own(left, right).tolist() == [True, False, False, True]
