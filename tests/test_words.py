import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm.words import count, listed, printable


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


@given(st.text(st.characters(codec=None)))
def test_printable_text_is_of_the_same_length_and_can_be_written(text):
    shown = printable(text)
    assert len(shown) == len(text)
    shown.encode()
    assert not any((ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 for char in shown)


@pytest.mark.parametrize("text", ["Köln, 東京.jpg: 3 µm", "👩\u200d🔬.png", "ا.jpg", "two\nlines\tand a tab"])
def test_what_people_write_is_printed_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\rb", "\x9b31m", "\u202egpj.exe", "\udcff.jpg", "\x00", "\x7f"]
)
def test_what_a_terminal_obeys_is_not(text):
    assert "?" in printable(text)
    assert printable(printable(text)) == printable(text)
