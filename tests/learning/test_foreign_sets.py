import cv2
import numpy as np
import pytest

from sfm.errors import InputError
from sfm.learning.foreign_sets import is_hpatches, is_phototour, read_hpatches, read_phototour


@pytest.fixture
def phototour(tmp_path):
    """Two sheets of 4 x 4 patches; patch i has grey level 5 i, the last sheet is not full."""
    for sheet in range(2):
        pixels = np.zeros((256, 256), np.uint8)
        for i in range(16):
            row, column = divmod(i, 4)
            pixels[64 * row : 64 * row + 64, 64 * column : 64 * column + 64] = 5 * (16 * sheet + i)
        cv2.imwrite(str(tmp_path / f"patches{sheet:04d}.bmp"), pixels)
    points = [
        0,
        0,
        0,
        1,
        2,
        2,
        *range(3, 17),
        1,
        3,
    ]  # 22 patches; points 0, 1, 2 and 3 are seen more than once
    (tmp_path / "info.txt").write_text("".join(f"{p} 0\n" for p in points))
    return tmp_path


def test_phototour_is_read_in_the_order_of_info(phototour):
    assert is_phototour(phototour)
    points = read_phototour(phototour)
    assert points.patches.shape[1:] == (1, 32, 32)
    assert points.counts.tolist() == [3, 2, 2, 2]
    assert (points.patches[:, 0, 5, 5] / 5).tolist() == [0, 1, 2, 3, 20, 4, 5, 6, 21]


def test_phototour_with_too_few_patches_is_refused(phototour):
    (phototour / "patches0001.bmp").unlink()
    with pytest.raises(InputError, match="lists 22 patches, but its sheets hold 16"):
        read_phototour(phototour)


def test_a_sheet_of_another_size_is_refused(phototour):
    cv2.imwrite(str(phototour / "patches0001.bmp"), np.zeros((100, 256), np.uint8))
    with pytest.raises(InputError, match="64 x 64"):
        read_phototour(phototour)


@pytest.fixture
def hpatches(tmp_path):
    sequence = tmp_path / "v_wall"
    sequence.mkdir()
    for number, name in enumerate(("ref", "e1", "h1", "t1")):
        column = np.repeat(np.arange(3, dtype=np.uint8) * 40 + number, 65)
        cv2.imwrite(str(sequence / f"{name}.png"), np.repeat(column[:, None], 65, axis=1))
    return tmp_path


def test_hpatches_rows_are_points(hpatches):
    assert is_hpatches(hpatches)
    points = read_hpatches(hpatches / "v_wall")
    assert points.counts.tolist() == [4, 4, 4]
    assert [sorted(group) for group in points.patches[:, 0, 9, 9].reshape(3, 4).tolist()] == [
        [0, 1, 2, 3],
        [40, 41, 42, 43],
        [80, 81, 82, 83],
    ]


def test_hpatches_with_columns_of_different_length_are_refused(hpatches):
    cv2.imwrite(str(hpatches / "v_wall" / "e2.png"), np.zeros((65, 65), np.uint8))
    with pytest.raises(InputError, match="same number"):
        read_hpatches(hpatches / "v_wall")


def test_other_folders_are_neither(tmp_path):
    assert not is_phototour(tmp_path)
    assert not is_hpatches(tmp_path)
