"""Fixtures shared by all tests."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

# A shell's background job ignores Ctrl-C, and so would the commands that tests start, and stop by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _data_folder() -> Path:
    if "SFM_DATA" in os.environ:
        return Path(os.environ["SFM_DATA"])
    return Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def sfm_data() -> Path:
    """Folder of the photographs that tests run on; they are not part of the repository."""
    folder = _data_folder()
    if not (folder / "scenes").is_dir():
        pytest.skip(
            f"no photographs at {folder}: set SFM_DATA to the folder that holds scenes/, homographies/, ..."
        )
    return folder


class SmallDisk:
    """A file system of its own, in memory; called with its size in kB, it returns the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mounted = False

    def __call__(self, kilobytes: int) -> Path:
        self.folder.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")
        self.mounted = True
        return self.folder

    def resize(self, kilobytes: int) -> None:
        self._mount("-o", f"remount,size={kilobytes}k")

    def make_read_only(self) -> None:
        self._mount("-o", "remount,ro")

    def remove(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.folder], check=True)

    def _mount(self, *arguments: str) -> None:
        try:
            done = subprocess.run(["mount", *arguments, self.folder], capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("there is no mount here")
        if done.returncode:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path):
    """A small disk to fill or to make read-only; needs to be root, skips otherwise."""
    small = SmallDisk(tmp_path / "disk")
    yield small
    small.remove()
