"""The Python door to the main job; what it makes is tested end to end."""

from pathlib import Path

import pytest

import sfm
from sfm.errors import InputError
from sfm.options import as_recorded
from sfm.pipelines.reconstruct import (
    default_output,
    read_photographs,
    reconstruct,
    refuse_output_among_images,
)
from sfm.pipelines.run_record import RunRecord
from sfm.pipelines.stage_options import STAGE_OPTIONS, ReconstructOptions
from tests.images.files import picture, save

from .progress import Heard


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


@pytest.mark.parametrize(
    ("images", "out"),
    [("photos", "photos-sfm"), ("a/photos/", "photos-sfm"), ("../x/photos", "photos-sfm")],
)
def test_the_default_output_is_named_after_the_images(images, out):
    assert default_output(Path(images)) == Path(out)


def test_the_default_output_of_a_list(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg")
    assert default_output(tmp_path / "list.txt") == Path("list-sfm")


def test_the_output_is_not_among_the_images(tmp_path):
    for out in (tmp_path, tmp_path / "out", tmp_path / "a" / ".." / "b"):
        with pytest.raises(InputError, match="lies within the images"):
            refuse_output_among_images(tmp_path, out)
    refuse_output_among_images(tmp_path / "images", tmp_path)
    refuse_output_among_images(tmp_path / "images", tmp_path / "images-sfm")


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


def test_every_nth_photograph(tmp_path):
    for i in range(1, 6):
        save(tmp_path / "photos" / f"{i}.jpg", picture(seed=i))
    record, heard = RunRecord(tmp_path / "photos", ReconstructOptions()), Heard()
    read = read_photographs(tmp_path / "photos", ReconstructOptions.of(every=2), record, heard)
    assert read.photo_set.names == ["1.jpg", "3.jpg", "5.jpg"]
    assert record.data["stages"]["photographs"]["images"] == 3
    assert "Of 5 photographs, 3 are taken (--every 2)." in heard.said
    with pytest.raises(InputError, match="--every 5 leaves only one image"):
        read_photographs(tmp_path / "photos", ReconstructOptions.of(every=5), record, heard)
    with pytest.raises(InputError, match="--every 0: the smallest value is 1"):
        ReconstructOptions.of(every=0)
