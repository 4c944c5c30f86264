import pytest

from sfm.errors import InputError
from sfm.export import FORMATS, export
from tests.mapping.maps import make_map


def test_the_formats():
    assert FORMATS == ("ply", "tum", "kitti", "colmap-text", "colmap-bin", "nerfstudio", "hloc", "geojson")


def test_an_unknown_format_names_the_known(tmp_path):
    with pytest.raises(InputError, match="choose one of ply, tum, kitti"):
        export(make_map(), "obj", tmp_path)
