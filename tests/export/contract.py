"""What every exporter must do; each format's test class inherits it."""

import pytest

from sfm.errors import InputError
from sfm.export import EXPORTERS, ExportContext, export
from tests.mapping.maps import make_map


class Recorder:
    """A progress that remembers what it was warned of."""

    def __init__(self):
        self.warnings = []

    def warn(self, message):
        self.warnings.append(message)


class ExporterContract:
    """Set `format` and `files`; override `context` if the format needs one."""

    format: str
    files: frozenset

    def context(self, sparse_map):
        return ExportContext()

    def export(self, sparse_map, folder, context=None):
        return export(sparse_map, self.format, folder, context or self.context(sparse_map))

    def make_map(self, *arguments, **values):
        """Return a map that the format can hold."""
        return make_map(*arguments, **values)

    def test_writes_the_files_it_names_and_nothing_else(self, tmp_path):
        folder = tmp_path / "new/deep folder"
        files = self.export(self.make_map(), folder)
        assert {file.name for file in files} == self.files
        assert set(folder.iterdir()) == set(files)
        assert all(file.stat().st_size for file in files)

    def test_has_a_description(self):
        assert EXPORTERS[self.format].description

    def test_writing_twice_gives_the_same_bytes(self, tmp_path):
        first = {file.name: file.read_bytes() for file in self.export(self.make_map(), tmp_path)}
        second = {file.name: file.read_bytes() for file in self.export(self.make_map(), tmp_path)}
        assert first == second

    def test_a_map_without_points(self, tmp_path):
        self.export(self.make_map(points=0), tmp_path)

    def test_a_single_camera(self, tmp_path):
        self.export(self.make_map(("only.jpg",)), tmp_path)

    @pytest.mark.parametrize("names", [("a/b/c d.jpg",), ("ünï/日本.png", "x y.jpg"), ("100%.jpg", "#1.jpg")])
    def test_names_survive(self, tmp_path, names):
        sparse_map = self.make_map(names)
        files = self.export(sparse_map, tmp_path)
        assert self.names_in({file.name: file for file in files}) in (None, sorted(names))

    def names_in(self, files):
        """Return the sorted image names that the files give; None if the format has no place for names."""
        return None

    def test_a_file_in_the_way_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(InputError, match="is a file"):
            self.export(self.make_map(), tmp_path / "file")
        assert (tmp_path / "file").read_text() == "mine"
