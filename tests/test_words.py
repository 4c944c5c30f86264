import pytest

from sfm.words import count


@pytest.mark.parametrize(
    ("number", "things", "told"),
    [
        (0, "images", "0 images"),
        (1, "images", "1 image"),
        (2, "images", "2 images"),
        (1, "verified pairs", "1 verified pair"),
        (1, "batches", "1 batch"),
        (1, "patches", "1 patch"),
        (1, "boxes", "1 box"),
        (1, "street", "1 street"),
    ],
)
def test_one_thing_is_no_plural(number, things, told):
    assert count(number, things) == told
