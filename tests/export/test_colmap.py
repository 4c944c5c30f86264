from sfm.export import ExportContext
from sfm.mapping.colmap_io import read_map
from tests.export.contract import ExporterContract, Recorder
from tests.mapping.maps import assert_same_map, make_map

PARTS = ("cameras", "frames", "images", "points3D", "rigs")


class TestColmapText(ExporterContract):
    format = "colmap-text"
    files = frozenset(f"{part}.txt" for part in PARTS)

    def names_in(self, files):
        return sorted(read_map(next(iter(files.values())).parent).poses)

    def test_the_map_survives(self, tmp_path):
        self.export(make_map(), tmp_path)
        assert_same_map(make_map(), read_map(tmp_path))


class TestColmapBinary(TestColmapText):
    format = "colmap-bin"
    files = frozenset(f"{part}.bin" for part in PARTS)


def test_spaces_in_names_are_warned_of_where_colmap_would_lose_them(tmp_path):
    for exporter, warned in ((TestColmapText(), True), (TestColmapBinary(), False)):
        progress = Recorder()
        exporter.export(
            make_map(("two words.jpg",)), tmp_path / exporter.format, ExportContext(progress=progress)
        )
        assert bool(progress.warnings) == warned
