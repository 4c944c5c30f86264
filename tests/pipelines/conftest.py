import pytest

from tests.images.files import picture, save


@pytest.fixture
def folder(tmp_path):
    """Three photographs, two of which are alike but for the suffix, one in a subfolder."""
    for name in ("a.jpg", "a.png", "sub/b.jpg"):
        save(tmp_path / "photos" / name, picture(seed=len(name)))
    return tmp_path / "photos"
