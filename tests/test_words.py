import pytest

from sfm.words import count, listed


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


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["a.jpg"], "a.jpg"),
        (["a.jpg", "b.jpg", "c.jpg"], "a.jpg, b.jpg, c.jpg"),
        (["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"], "a.jpg, b.jpg, c.jpg and 2 more"),
    ],
)
def test_of_many_names_some_are_told(names, told):
    assert listed(names, most=3) == told
