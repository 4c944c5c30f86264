import ast
from pathlib import Path

import pytest
from PIL import Image

from sfm.errors import InputError
from sfm.images import memory
from sfm.images.decode import load_gray
from sfm.images.photo_set import read_photo_set

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small_machine(monkeypatch):
    """A machine of 64 MB and four cores: 8 MB for the pixels of each thread."""
    monkeypatch.setattr(memory, "_memory_bytes", lambda: 64 * 2**20)
    monkeypatch.setattr(memory, "usable_cores", lambda: 4)


def photo(path, size, mode="RGB", **values):
    Image.new(mode, size).save(path, **values)
    return read_photo_set(path).photos[0]


@pytest.mark.parametrize(
    ("name", "mode", "values"),
    [
        ("a.png", "RGB", {}),
        ("a.tif", "I;16", {}),
        ("a.jpg", "L", {"progressive": True}),
        ("a.webp", "RGB", {}),
    ],
)
def test_what_does_not_fit_into_memory_is_refused_before_it_is_decoded(
    tmp_path, small_machine, name, mode, values
):
    with pytest.raises(InputError, match=r"1300 x 1300 pixels take .* make it smaller"):
        load_gray(photo(tmp_path / name, (1300, 1300), mode, **values))


def test_what_fits_is_decoded(tmp_path, small_machine):
    assert load_gray(photo(tmp_path / "a.png", (500, 500))).pixels.shape == (500, 500)


def test_jpeg_counts_as_large_as_it_is_decoded(tmp_path, small_machine):
    assert load_gray(photo(tmp_path / "a.jpg", (2048, 2048)), 256).pixels.shape == (256, 256)


def test_more_threads_leave_less_for_each(monkeypatch):
    alone = memory.bytes_for_one_thread() * memory.usable_cores()
    monkeypatch.setattr(memory, "usable_cores", lambda: 64)
    assert memory.bytes_for_one_thread() == pytest.approx(alone / 64, abs=1)


def test_no_photograph_is_read_by_opencv():
    files = [
        file
        for folder in ("sfm", "pipelines", "cli", "benchmarks", "examples")
        for file in (ROOT / folder).rglob("*.py")
    ]
    assert len(files) > 200
    for file in files:
        names = {
            node.attr
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Attribute)
        }
        assert not names & {"imread", "imreadmulti", "imreadanimation"}, file
