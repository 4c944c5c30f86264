import cv2
import numpy as np
import pytest

from sfm.errors import InputError
from sfm.learning.image_pairs import hand_made_pairs, homography_pairs, webcam_pairs

from .image_sequences import picture, write_sequence


@pytest.fixture
def sequence(tmp_path):
    return write_sequence(tmp_path)


def test_webcams_pair_the_dark_with_the_bright(tmp_path):
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), (picture() * ((i + 1) / 6)).astype(np.uint8))
    pairs = webcam_pairs(tmp_path, count=2)
    assert {(p.first.stem, p.second.stem) for p in pairs} == {(d, b) for d in "01" for b in "45"}
    with pytest.raises(InputError, match="at least 16"):
        webcam_pairs(tmp_path)


def test_hand_made_pairs_are_found_below_a_folder(tmp_path):
    folder = tmp_path / "light" / "church"
    folder.mkdir(parents=True)
    for name in ("01.png", "02.png"):
        cv2.imwrite(str(folder / name), picture())
    (folder / "corrs.txt").write_text("1 2 3 4\n5 6 7 8\n")
    (pair,) = hand_made_pairs(tmp_path)
    assert pair.second == folder / "02.png"
    assert pair.truth.xy2.tolist() == [[3, 4], [7, 8]]
    (folder / "02.png").unlink()
    with pytest.raises(InputError, match=r"church has a corrs\.txt, but 1 of two images"):
        hand_made_pairs(tmp_path)


def test_folders_that_hold_no_test_are_refused(tmp_path, sequence):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no H_1_k\.txt"):
        homography_pairs(tmp_path / "empty")
    with pytest.raises(InputError, match="no pairs"):
        hand_made_pairs(tmp_path / "empty")
    (sequence / "img2.png").unlink()
    with pytest.raises(InputError, match="no img2"):
        homography_pairs(sequence)
