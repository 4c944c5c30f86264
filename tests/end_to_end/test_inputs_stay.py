"""Commands told to write where their inputs are end with one line, and every input is as it was."""

import hashlib
import shutil

import pytest

from .command import refuses, succeeds


def digests(*folders):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def inputs(street, finished, tmp_path):
    """Photographs and a finished map of one's own."""
    shutil.copytree(street.images, tmp_path / "photos")
    shutil.copytree(finished, tmp_path / "map", symlinks=True)
    shutil.copytree(finished / "sparse" / "0", tmp_path / "model")
    (tmp_path / "model" / "trajectory.tum").write_text("somebody's")
    return tmp_path


def commands(folder):
    photos, run, model = folder / "photos", folder / "map", folder / "model"
    first, second = sorted(photos.iterdir())[:2]
    return [
        ("match", first, second, "-o", first),
        ("match", first, second, "-o", second),
        ("localize", run, first, "-o", run),
        ("localize", run, first, "-o", run / "sparse" / "0"),
        ("localize", run, first, "-o", photos),
        ("export", run, "--format", "colmap-bin", "-o", run / "sparse" / "0"),
        ("export", run, "--format", "tum", "-o", run),
        ("export", run, "--format", "tum", "-o", model),
        ("align", run, "--to", "model", "--reference", run / "trajectory.tum"),
        ("report", run, "-o", first),
        ("report", run, "-o", run / "run.json"),
        ("patches", "build", photos, "-o", photos),
        ("patches", "build", photos, "-o", model),
        ("patches", "build", run, "-o", run),
        ("train", "--from-map", run, "-o", run),
        ("reconstruct", photos, "-o", run, "--intrinsics", run / "sparse" / "0" / "cameras.bin"),
        ("compare", photos, "-o", run, "--ground-truth", run / "sparse" / "0"),
        ("benchmark", photos, "--picture", photos / "picture.png"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(18))
def test_inputs_stay(inputs, number):
    (inputs / "photos" / "picture.png").write_bytes((inputs / "photos").iterdir().__next__().read_bytes())
    before = digests(inputs)
    refuses(*commands(inputs)[number])
    after = digests(inputs)
    assert {path: after.get(path) for path in before} == before


@pytest.mark.slow
def test_a_patch_set_is_replaced_only_by_a_whole_one(inputs):
    succeeds("patches", "build", inputs / "map", "-o", inputs / "patches")
    before = digests(inputs / "patches")
    (inputs / "empty").mkdir()
    refuses("patches", "build", inputs / "empty", "-o", inputs / "patches")
    assert digests(inputs / "patches") == before
    succeeds("patches", "build", inputs / "map", "-o", inputs / "patches")
    assert digests(inputs / "patches") == before
