"""Which photographs are taken, and where what is made of them goes."""

from pathlib import Path

import pytest

from sfm.errors import InputError
from sfm.outputs import refuse_output_among_images
from sfm.pipelines.photographs import default_output, read_photographs
from sfm.pipelines.run_record import RunRecord
from sfm.pipelines.stage_options import ReconstructOptions
from tests.images.files import picture, save

from .progress import Heard


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
