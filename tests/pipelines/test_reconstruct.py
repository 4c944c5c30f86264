"""The Python door to the main job; what it makes is tested end to end."""

from pathlib import Path

import pytest

import sfm
from sfm.errors import InputError
from sfm.options import as_recorded
from sfm.pipelines.reconstruct import reconstruct
from sfm.pipelines.stage_options import STAGE_OPTIONS, ReconstructOptions
from tests.images.files import save


def test_options_by_their_flat_names():
    options = ReconstructOptions.of(max_keypoints=500, descriptor="sosnet", weights="w.pth", capture="walk")
    assert options.detection.max_keypoints == 500
    assert options.description.weights == Path("w.pth")
    assert options.mapping.capture == "walk"
    assert ReconstructOptions.of() == ReconstructOptions()


def test_names_nobody_knows_and_values_out_of_range():
    with pytest.raises(TypeError, match=r"unknown option colour, size; there are .*max_keypoints"):
        ReconstructOptions.of(size=1, colour="red")
    with pytest.raises(InputError, match="--max-keypoints 0"):
        ReconstructOptions.of(max_keypoints=0)


def test_options_that_may_cost_pairs():
    assert ReconstructOptions.of().hindrances() == []
    assert ReconstructOptions.of(quality="fast", max_error_px=4.0, min_inliers=20).hindrances() == []
    assert ReconstructOptions.of(pair_list="p.txt", max_keypoints=40, min_inliers=5000).hindrances() == [
        "--pair-list p.txt",
        "--max-keypoints 40",
        "--min-inliers 5000",
    ]


def test_no_two_stages_share_a_name():
    names = [name for kind in STAGE_OPTIONS for name in kind.__dataclass_fields__]
    assert len(names) == len(set(names))


def test_options_that_change_nothing_are_not_recorded():
    recorded = {name for kind in STAGE_OPTIONS for name in as_recorded(kind())}
    assert "device" not in recorded
    assert {"max_size", "ratio", "guided", "seed", "camera_model"} <= recorded


def test_options_are_given_once(tmp_path):
    with pytest.raises(TypeError, match="either options or their flat names"):
        reconstruct(tmp_path, tmp_path / "out", ReconstructOptions(), seed=1)


def test_nothing_is_made_for_input_that_cannot_be_used(tmp_path):
    save(tmp_path / "photos" / "a.jpg")
    for values in ({}, {"intrinsics": tmp_path / "none.txt"}, {"weights": "w.pth"}):
        with pytest.raises(InputError):
            sfm.reconstruct(tmp_path / "photos", tmp_path / "out", **values)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [None, "", "a.jpg c.jpg\n"])
def test_the_list_of_pairs_is_read_before_the_work(tmp_path, text):
    for name in ("a.jpg", "b.jpg"):
        save(tmp_path / "photos" / name)
    if text is not None:
        (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(InputError, match=r"pairs\.txt"):
        sfm.reconstruct(
            tmp_path / "photos", tmp_path / "out", descriptor="sift", pair_list=tmp_path / "pairs.txt"
        )
    assert not (tmp_path / "out").exists()
