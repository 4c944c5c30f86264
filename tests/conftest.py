"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


def _data_folder() -> Path:
    if "SFM_DATA" in os.environ:
        return Path(os.environ["SFM_DATA"])
    return Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def sfm_data() -> Path:
    """Folder of the photographs that tests run on; they are not part of the repository."""
    folder = _data_folder()
    if not (folder / "scenes").is_dir():
        pytest.skip(f"no photographs at {folder}: set SFM_DATA to the folder that holds scenes/, homographies/, ...")
    return folder
