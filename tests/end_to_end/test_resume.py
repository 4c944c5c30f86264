"""A run killed at any moment goes on from there, and ends in the map of a run that was let be."""

import json
import shutil
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from .command import start, succeeds
from .conftest import DESCRIPTOR, SEED, VIEWS, assert_same_map


def features_begun(out):
    return len(list(out.glob(f"features/{DESCRIPTOR}/*.safetensors"))) >= 3


def database_begun(out):
    return (out / "database.db").exists()


def pairs_written(out):
    if not (out / "database.db").exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{out / 'database.db'}?mode=ro", uri=True)) as database:
            return database.execute("SELECT COUNT(*) FROM sfm_pairs").fetchone()[0] == 36
    except sqlite3.Error:
        return False


def mapper_begun(out):
    return (out / "mapping").exists()


def map_written(out):
    return (out / "sparse" / "mapping.json").exists()


MOMENTS = {
    features_begun: "Reused: keypoints of",
    database_begun: f"Reused: keypoints of {VIEWS}",
    pairs_written: "Reused: 36 of 36 verified pairs.",
    mapper_begun: "Reused: 36 of 36 verified pairs.",
    map_written: "Reused: the map.",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_run_again(street, finished, tmp_path, request, moment):
    out = tmp_path / "out" if moment is features_begun else request.getfixturevalue("described")
    command = ("reconstruct", street.images, "-o", out, "--seed", SEED)
    process = start(*command)
    while process.poll() is None and not moment(out):
        time.sleep(0.002)
    process.kill()
    process.communicate()
    if process.returncode == 0:
        pytest.skip("the run was over before it could be killed")
    assert not (out / "run.json").exists()

    told = succeeds(*command).stderr
    assert MOMENTS[moment] in told
    assert_same_map(out, finished)
    record, undisturbed = (json.loads((folder / "run.json").read_text()) for folder in (out, finished))
    assert {p["name1"] + p["name2"]: p["inliers"] for p in record["pairs"]} == {
        p["name1"] + p["name2"]: p["inliers"] for p in undisturbed["pairs"]
    }
    assert not list(out.rglob(".*.part*"))
    for name in ("points.ply", "cameras.ply", "trajectory.tum"):
        assert (out / name).stat().st_size > 0


@pytest.mark.slow
def test_killed_again_and_again(street, finished, tmp_path):
    """Each attempt is given a little longer; none may lose what an earlier one finished."""
    out = tmp_path / "out"
    command = ("reconstruct", street.images, "-o", out, "--seed", SEED)
    described = 0
    for tenths in range(8, 40, 8):
        process = start(*command)
        time.sleep(tenths / 10)
        process.kill()
        process.communicate()
        now = len(list(out.glob(f"features/{DESCRIPTOR}/*.safetensors")))
        assert now >= described
        described = now
    succeeds(*command)
    assert_same_map(out, finished)


def test_products_of_an_interrupted_change_are_not_taken_for_whole(street, finished, tmp_path):
    """Killed while the products of another map were written: the next run does not reuse half of them."""
    out = shutil.copytree(finished, tmp_path / "out")
    command = ("reconstruct", street.images, "-o", out, "--seed", SEED)
    whole = (out / "points.ply").read_bytes()
    process = start(*command, "--ratio", 0.7)
    before = (out / "points.ply").stat().st_ino
    while process.poll() is None and (out / "points.ply").stat().st_ino == before:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    succeeds(*command)
    again = (out / "points.ply").read_bytes()
    assert abs(len(again) - len(whole)) < 0.01 * len(whole)
    told = succeeds(*command).stderr
    assert "Reused: points.ply" in told


@pytest.mark.parametrize("moment", [features_begun, mapper_begun])
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_a_signal(street, tmp_path, request, moment, number, exit_code):
    out = tmp_path / "out" if moment is features_begun else request.getfixturevalue("described")
    process = start("reconstruct", street.images, "-o", out, "--seed", SEED)
    while process.poll() is None and not moment(out):
        time.sleep(0.002)
    process.send_signal(number)
    _, told = process.communicate()
    assert process.returncode == exit_code
    assert "Traceback" not in told
    assert "Aborted" not in told
    assert told.splitlines()[-1] == "Stopped. Finished work is kept; run the same command to go on."
