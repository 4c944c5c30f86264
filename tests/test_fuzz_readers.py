"""The fuzzer itself: that it reads what it made, and goes for a few seconds without a finding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris is not installed")


def test_a_few_seconds_find_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz_readers", "8"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    runs = int(done.stderr.rsplit("Done ", 1)[1].split()[0])
    assert runs > 100
    kept = tmp_path / "build/fuzz"
    assert [path.name for path in kept.iterdir()] == ["corpus"]
