import numpy as np
import pytest

from sfm.errors import InputError
from sfm.matching.mutual import match_mutual
from sfm.matching.options import MatchingOptions
from sfm.options import check


def test_the_smallest_ratio_keeps_what_is_the_same_in_both_images():
    rows = np.eye(64, dtype=np.float32)
    with pytest.raises(InputError, match=r"--ratio 0: the smallest value is 0\.01"):
        check(MatchingOptions(ratio=0))
    assert len(match_mutual(rows, rows).below(0.01)) == 64


def test_no_looser_test_is_asked_for_by_zero():
    check(MatchingOptions(weak_ratio=0))
