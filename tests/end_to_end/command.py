"""The installed `sfm` command, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

SFM = Path(sys.executable).with_name("sfm")


def start(*arguments, cwd=None):
    """Start `sfm` and do not wait."""
    return subprocess.Popen(
        [SFM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd
    )


def sfm(*arguments, cwd=None, timeout=600):
    """Run `sfm` to its end."""
    return subprocess.run(
        [SFM, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=timeout, check=False
    )


def succeeds(*arguments, **values):
    """Run `sfm`, which must succeed, and return what it told on both streams."""
    done = sfm(*arguments, **values)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def refuses(*arguments, exit_code=2, **values):
    """Run `sfm -q`, which must end with one line on stderr and nothing on stdout; return the line."""
    done = sfm(*arguments, "-q", **values)
    assert done.returncode == exit_code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    assert lines[-1].startswith("Error: "), lines
    assert all(line.startswith("Warning: ") for line in lines[:-1]), lines
    return lines[-1]


def files_of(folder):
    """Every file below a folder, with its content's time and size."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
