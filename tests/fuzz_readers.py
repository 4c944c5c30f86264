"""Fuzz every reader of files that come from others: `python -m tests.fuzz_readers [SECONDS]`, or `make fuzz`.

The corpus is the good file of each reader, and grows in build/fuzz. What ends in anything but an `SfmError`, takes
thirty seconds or more than 4 GB is kept there as crash-*, timeout-* or oom-*, and the exit code is not 0.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sfm", "PIL"]):
    from tests.readers import READERS

from sfm.errors import SfmError

KEPT = Path("build/fuzz")
NAMES = list(READERS)


def make_corpus(folder: Path) -> None:
    """Write the good file of each reader, behind a byte that says which reader it is for."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        with tempfile.TemporaryDirectory() as made:
            READERS[name].make(Path(made))
            content = (Path(made) / READERS[name].file).read_bytes()
        (folder / name).write_bytes(bytes([number]) + content)


class ReadOne:
    """Has the reader that the first byte says read the other bytes; its other files lie in `root` and are good."""

    def __init__(self, root: Path) -> None:
        self._folders = [root / name for name in NAMES]
        for name, folder in zip(NAMES, self._folders, strict=True):
            folder.mkdir()
            READERS[name].make(folder)

    def __call__(self, data: bytes) -> None:
        """Read; whatever is no `SfmError` ends the fuzzer."""
        if not data:
            return
        number = data[0] % len(NAMES)
        reader, folder = READERS[NAMES[number]], self._folders[number]
        (folder / reader.file).write_bytes(data[1:])
        with suppress(SfmError):
            reader.read(folder)


def main() -> None:
    """Fuzz for the number of seconds given, or an hour."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3600
    warnings.simplefilter("ignore")
    make_corpus(KEPT / "corpus")
    with tempfile.TemporaryDirectory() as temporary:
        limits = [f"-max_total_time={seconds}", "-timeout=30", "-rss_limit_mb=4096", "-max_len=65536"]
        kept = [f"-artifact_prefix={KEPT}/", str(KEPT / "corpus")]
        atheris.Setup([sys.argv[0], *limits, *kept], ReadOne(Path(temporary)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
