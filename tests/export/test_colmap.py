import pytest

from sfm.errors import InputError
from sfm.export import ExportContext
from sfm.mapping.colmap_io import read_map
from tests.export.contract import ExporterContract
from tests.mapping.maps import NAMES, assert_same_map, make_map

PARTS = ("cameras", "frames", "images", "points3D", "rigs")


class TestColmapBinary(ExporterContract):
    format = "colmap-bin"
    files = frozenset(f"{part}.bin" for part in PARTS)

    def names_in(self, files):
        return sorted(read_map(next(iter(files.values())).parent).poses)

    def test_the_map_survives(self, tmp_path):
        self.export(self.make_map(), tmp_path)
        assert_same_map(self.make_map(), read_map(tmp_path))


class TestColmapText(TestColmapBinary):
    format = "colmap-text"
    files = frozenset(f"{part}.txt" for part in PARTS)

    def make_map(self, names=NAMES, **values):
        return make_map(tuple(name.replace(" ", "_") for name in names), **values)

    @pytest.mark.parametrize("names", [("a/b/c_d.jpg",), ("ünï/日本.png", "x_y.jpg"), ("100%.jpg", "#1.jpg")])
    def test_names_survive(self, tmp_path, names):
        super().test_names_survive(tmp_path, names)


@pytest.mark.parametrize("name", ["two words.jpg", "a b (2).jpg", "tab\there.jpg", "no break\u00a0.jpg"])
def test_names_that_colmap_would_cut_at_a_blank_are_refused_in_text_alone(tmp_path, name):
    with pytest.raises(InputError, match="colmap-bin"):
        TestColmapText().export(make_map((name,)), tmp_path / "text", ExportContext())
    assert not (tmp_path / "text/images.txt").exists()
    TestColmapBinary().export(make_map((name,)), tmp_path / "binary", ExportContext())
    assert list(read_map(tmp_path / "binary").poses) == [name]
