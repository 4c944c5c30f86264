import pytest

from sfm.errors import WorkError
from sfm.features.batch_size import BatchSize


def test_every_size_is_tried_and_the_fastest_kept():
    sizes = BatchSize((10, 20, 40))
    seconds_a_patch = {10: 3.0, 20: 1.0, 40: 2.0}
    tried = []
    for _ in range(9):
        tried.append(sizes.next())
        sizes.took(tried[-1], seconds_a_patch[tried[-1]] * tried[-1])
    assert sorted(tried) == [10] * 3 + [20] * 3 + [40] * 3
    assert [sizes.next() for _ in range(3)] == [20] * 3


def test_one_disturbed_batch_does_not_decide():
    sizes = BatchSize((10, 20))
    for seconds in (10, 500, 20, 30, 20, 30):
        sizes.took(sizes.next(), seconds)
    assert sizes.next() == 10


def test_a_single_size_is_not_tried():
    sizes = BatchSize((7,))
    assert [sizes.next() for _ in range(5)] == [7] * 5


def test_what_is_too_large_is_never_offered_again():
    sizes = BatchSize((16, 32, 64))
    assert sizes.too_large(32) == 16
    assert {sizes.next() for _ in range(9)} == {16}
    assert sizes.too_large(16) == 8
    assert sizes.next() == 8
    for left in (4, 2, 1):
        assert sizes.too_large(2 * left) == left
    with pytest.raises(WorkError):
        sizes.too_large(1)
