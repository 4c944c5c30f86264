"""What users hand over by mistake: one clear line, an exit code, and nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.images.files import save, truncated

from .command import files_of, refuses, sfm, start, succeeds
from .conftest import DESCRIPTOR, VIEWS, copy_described

# Which files are read does not depend on what describes their patches, and SIFT does it at once.
SIFT = ("--descriptor", "sift")


def record(out):
    return json.loads((out / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def photos(street, tmp_path):
    """A copy of the street's photographs to spoil."""
    return shutil.copytree(street.images, tmp_path / "photos")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


# -- nothing to work with ------------------------------------------------------------------------------------


def test_no_such_folder(tmp_path, out):
    assert "does not exist" in refuses("reconstruct", tmp_path / "nowhere", "-o", out)
    assert not out.exists()


def test_no_images(tmp_path, out):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("nothing here")
    assert "There are no images in" in refuses("reconstruct", tmp_path / "photos", "-o", out)
    assert not out.exists()


def test_only_a_text_file_called_jpg(tmp_path, out):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("not a picture")
    line = refuses("reconstruct", tmp_path / "photos", "-o", out)
    assert "a.jpg: it is no image, or damaged" in line
    assert not out.exists()


def test_only_one_image(tmp_path, out):
    save(tmp_path / "photos" / "a.jpg")
    assert "There is only one image in" in refuses("reconstruct", tmp_path / "photos", "-o", out)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("one pixel", np.zeros((1, 1, 3), np.uint8)),
        ("all black", np.zeros((240, 320, 3), np.uint8)),
        (
            "no texture",
            np.linspace(0, 255, 320).astype(np.uint8)[None, :, None] * np.ones((240, 1, 3), np.uint8),
        ),
    ],
)
def test_images_that_show_nothing(tmp_path, out, name, pixels):
    for i in range(3):
        save(tmp_path / "photos" / f"{i}.png", pixels)
    line = refuses("reconstruct", tmp_path / "photos", "-o", out, exit_code=1)
    assert "No map: none of 3 pairs of images shows the same thing twice" in line


def test_images_of_different_things(tmp_path, out):
    for i in range(3):
        rng = np.random.default_rng(i)
        save(tmp_path / "photos" / f"{i}.png", rng.integers(0, 256, (240, 320, 3), np.uint8))
    assert "No map" in refuses("reconstruct", tmp_path / "photos", "-o", out, exit_code=1)


# -- some bad ones among good ones ---------------------------------------------------------------------------


def test_bad_images_among_good_ones_are_left_out_and_named(photos, out):
    truncated(photos / "cut.jpg", format="JPEG")
    (photos / "text.jpg").write_text("not a picture")
    (photos / "empty.png").touch()
    save(photos / "line\nbreak.png")
    save(photos / "dot.png", np.zeros((1, 1, 3), np.uint8))
    save(photos / "black.png", np.zeros((300, 400, 3), np.uint8))
    done = succeeds("reconstruct", photos, "-o", out, *SIFT)
    assert "Warning: cut.jpg is left out: the file is truncated, copy it again." in done.stderr
    assert "Warning: text.jpg is left out: it is no image" in done.stderr
    assert "Warning: empty.png is left out: the file is empty." in done.stderr
    assert "Warning: line?break.png is left out: its name is not UTF-8 or has a line break" in done.stderr
    assert "Left out: black.png: no verified pair with another image." in done.stderr
    data = record(out)
    assert data["registered"] == VIEWS
    assert set(data["skipped"]) == {"cut.jpg", "text.jpg", "empty.png", "line?break.png"}
    assert set(data["left_out"]) == {"dot.png", "black.png"}


def test_files_of_every_kind_make_one_map(street, tmp_path, out):
    """Grey, 16-bit, RGBA, palette and CMYK files in JPEG, PNG, TIFF and WebP; the same stem, odd names, subfolders."""
    photos = tmp_path / "photos"
    kinds = [
        ("a.jpg", "L"),
        ("a.png", "RGBA"),
        ("sub folder/ü 日本.tif", "I;16"),
        ('sub folder/it\'s "quoted".jpg', "CMYK"),
        ("deeper/still/b.webp", "RGB"),
        ("deeper/a.png", "P"),
        ("#1 & 100%.jpg", "RGB"),
        ("semi;colon, 'comma'.png", "L"),
        ("-q.jpg", "L"),
    ]
    for (name, mode), source in zip(kinds, sorted(street.images.iterdir()), strict=True):
        image = Image.open(source)
        grey = np.asarray(image.convert("L"))
        path = photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if mode == "I;16":
            Image.fromarray(grey.astype(np.uint16) * 257).save(path)
        else:
            image.convert(mode).save(path, quality=95)
    options = ("--camera", "single", *SIFT)
    succeeds("reconstruct", photos, "-o", out, *options)
    assert record(out)["registered"] == VIEWS
    assert (out / "features" / "sift" / "sub folder" / "ü 日本.tif.safetensors").is_file()
    assert {"a.jpg.safetensors", "a.png.safetensors"} <= {
        p.name for p in (out / "features" / "sift").iterdir()
    }
    told = succeeds("reconstruct", photos, "-o", out, *options).stderr
    assert "Reused: 36 of 36 verified pairs." in told
    assert "Reused: the map." in told


@pytest.mark.slow
def test_a_hundred_megapixels(photos, out):
    """Among small ones, shrunk while it is read."""
    first = sorted(photos.iterdir())[0]
    Image.open(first).resize((11600, 8700), Image.Resampling.BICUBIC).save(photos / "huge.jpg", quality=85)
    succeeds("reconstruct", photos, "-o", out, *SIFT)
    assert record(out)["registered"] >= VIEWS


# -- where nothing may be written ----------------------------------------------------------------------------


def test_an_output_folder_of_something_else(street, out):
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    before = files_of(out)
    assert "not empty and not the output of an earlier run" in refuses(
        "reconstruct", street.images, "-o", out
    )
    assert files_of(out) == before


def test_an_output_that_is_a_file(street, out):
    out.write_text("x")
    assert "is a file" in refuses("reconstruct", street.images, "-o", out)
    assert "Cannot write" in refuses("reconstruct", street.images, "-o", out / "deeper")
    assert out.read_text() == "x"


def test_an_output_among_the_images(photos):
    line = refuses("reconstruct", photos, "-o", photos / "map")
    assert "lies within the images" in line
    assert not (photos / "map").exists()


def test_a_read_only_output(street, disk):
    folder = disk(100)
    disk.make_read_only()
    line = refuses("reconstruct", street.images, "-o", folder / "out")
    assert "Read-only file system. Choose another output folder." in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_permission(street, tmp_path):
    tmp_path.chmod(0o500)
    assert "Cannot write" in refuses("reconstruct", street.images, "-o", tmp_path / "out")


@pytest.mark.parametrize("moment", ["features", "database", "map"])
def test_a_disk_that_fills_and_is_given_room(street, finished, disk, moment):
    features, everything = (
        sum(size for _, size in files_of(folder).values()) // 1024
        for folder in (finished / "features", finished)
    )
    out = (
        disk({"features": features // 3, "database": features + 200, "map": everything - 40}[moment]) / "out"
    )
    if moment != "features":
        copy_described(finished, out)
    line = refuses("reconstruct", street.images, "-o", out, exit_code=1)
    assert "The disk is full" in line
    assert "finished work is kept" in line
    detected, described = (
        len(list(out.glob(f"features/{kind}/*.safetensors"))) for kind in ("detected", DESCRIPTOR)
    )
    assert 0 < described < VIEWS if moment == "features" else described == VIEWS
    disk.resize(8 * everything)
    told = succeeds("reconstruct", street.images, "-o", out).stderr
    assert record(out)["registered"] == VIEWS
    assert f"Reused: keypoints of {detected} and {DESCRIPTOR} descriptors of {described} of" in told


def test_two_processes_on_one_output(street, out):
    first = start("reconstruct", street.images, "-o", out, *SIFT)
    while first.poll() is None and not (out / "features").exists():
        pass
    line = refuses("reconstruct", street.images, "-o", out, *SIFT)
    assert "Another process is working in" in line
    first.communicate()
    assert first.returncode == 0
    assert record(out)["registered"] == VIEWS


# -- options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--descriptor", "sift", "--weights", "w.pth"), "--weights needs a network"),
        (("--descriptor", "sosnet", "--weights", "nowhere.pth"), "nowhere.pth"),
        (("--intrinsics", "nowhere.txt"), "nowhere.txt"),
        (("--port", 0), "--port needs --live"),
    ],
)
def test_options_that_contradict_each_other(street, tmp_path, out, options, told):
    assert told in refuses("reconstruct", street.images, "-o", out, *options, cwd=tmp_path)
    assert not out.exists()


def test_intrinsics_and_a_way_to_share_cameras(street, out):
    options = ("--intrinsics", street.ground_truth / "cameras.txt", "--camera", "per-image")
    line = refuses("reconstruct", street.images, "-o", out, *options)
    assert "--intrinsics and --camera per-image contradict each other" in line
    assert not out.exists()


def test_cuda_without_cuda(street, out):
    torch_sees_cuda = subprocess.run(
        [sys.executable, "-c", "import torch, sys; sys.exit(torch.cuda.is_available())"], check=False
    ).returncode
    if torch_sees_cuda:
        pytest.skip("this machine has CUDA")
    options = ("--descriptor", "sosnet", "--device", "cuda")
    assert "--device cuda" in refuses("reconstruct", street.images, "-o", out, *options)
    assert not out.exists()


@pytest.mark.parametrize(
    "options", [("--descriptor", "surf"), ("--ratio", "1.5"), ("--max-keypoints", "0"), ("--overlap", "many")]
)
def test_values_out_of_range_are_named_before_anything_is_done(street, out, options):
    done = sfm("reconstruct", street.images, "-o", out, *options)
    assert done.returncode == 2
    assert options[0] in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_intrinsics_of_another_size(street, tmp_path, out):
    cameras = tmp_path / "cameras.txt"
    cameras.write_text("1 PINHOLE 1000 700 900 900 500 350\n")
    line = refuses("reconstruct", street.images, "-o", out, "--intrinsics", cameras)
    assert "400" in line
    assert not out.exists()


def test_images_listed_in_a_file(street, tmp_path, out):
    photos = sorted(street.images.iterdir())
    (tmp_path / "list.txt").write_text("\n".join(str(path) for path in photos[:4]))
    succeeds("reconstruct", tmp_path / "list.txt", "-o", out, *SIFT)
    assert record(out)["registered"] == 4
    (tmp_path / "wrong.txt").write_text(f"{photos[0]}\nnowhere.jpg\n")
    assert "line 2: there is no image nowhere.jpg" in refuses(
        "reconstruct", tmp_path / "wrong.txt", "-o", out
    )


def test_without_a_name_the_output_is_beside(photos, tmp_path):
    succeeds("reconstruct", photos, *SIFT, cwd=tmp_path)
    assert (Path(tmp_path) / "photos-sfm" / "run.json").is_file()
