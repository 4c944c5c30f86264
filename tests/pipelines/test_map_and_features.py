"""Features and databases of other keypoints than the map they lie beside."""

import shutil

import numpy as np
import pytest

from sfm.errors import InputError, SfmError
from sfm.features.choice import DescriptionOptions
from sfm.features.detectors import DetectionOptions
from sfm.mapping.colmap_io import write_map
from sfm.mapping.database import ImageEntry, MapDatabase
from sfm.pipelines.describe import describe
from sfm.pipelines.export import export
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.map_and_features import refuse_other_keypoints
from sfm.pipelines.reconstruct import reconstruct
from sfm.pipelines.report import report
from tests.export.test_hloc import features_of
from tests.images.files import picture, save
from tests.mapping.maps import make_camera, make_map, make_map_of

from .progress import Heard

NAMES = ("a.jpg", "b.jpg")


@pytest.fixture
def photographs(tmp_path):
    for i, name in enumerate(NAMES):
        save(tmp_path / "photos" / name, picture(seed=i))
    return tmp_path / "photos"


@pytest.fixture
def root(photographs, tmp_path):
    """A folder in which both photographs are described, with a map."""
    described(photographs, tmp_path / "out")
    write_map(make_map(NAMES), tmp_path / "out/sparse/0")
    return tmp_path / "out"


def described(images, out, **detection):
    heard = Heard()
    options = DetectionOptions(max_size=64, **detection)
    describe(images, out, options, DescriptionOptions(descriptor="sift"), heard)
    return heard


def mapped(images, out, **options):
    heard = Heard()
    with pytest.raises(SfmError, match="No map"):
        reconstruct(images, out, progress=heard, descriptor="sift", max_size=64, **options)
    return heard


def of_replaced_map(heard):
    return [warning for warning in heard.warned if "holds a finished map of other photographs" in warning]


class TestWarned:
    def test_nothing_that_the_map_is_made_of_changes(self, root, photographs):
        assert not of_replaced_map(described(photographs, root))
        assert not of_replaced_map(mapped(photographs, root))
        save(photographs / "c.jpg", picture(seed=9))
        assert not of_replaced_map(mapped(photographs, root)), "more photographs"

    def test_other_options(self, root, photographs):
        (warning,) = of_replaced_map(described(photographs, root, max_keypoints=9))
        assert "choose another folder with --out" in warning
        assert of_replaced_map(mapped(photographs, root))

    def test_other_photographs_of_the_same_names(self, root, photographs):
        save(photographs / "a.jpg", picture(seed=7))
        assert of_replaced_map(mapped(photographs, root))

    def test_other_photographs_of_other_names(self, root, photographs):
        mapped(photographs, root)
        (photographs / "a.jpg").rename(photographs / "c.jpg")
        assert not of_replaced_map(described(photographs, root)), "the map's features stay beside"
        assert of_replaced_map(mapped(photographs, root))

    def test_a_folder_without_a_map(self, root, photographs):
        shutil.rmtree(root / "sparse")
        assert not of_replaced_map(described(photographs, root, max_keypoints=9))


class TestRefused:
    @pytest.fixture
    def run(self, tmp_path):
        keypoints, _, _ = features_of(NAMES)
        for name in NAMES:
            keypoints[name].save(tmp_path / f"features/keypoints/{name}.safetensors")
        with MapDatabase(tmp_path / "database.db") as database:
            entries = [ImageEntry(name, 1, "d") for name in NAMES]
            database.prepare(entries, {1: make_camera()}, {name: keypoints[name].xy for name in NAMES})
        write_map(make_map_of(keypoints, NAMES), tmp_path / "sparse/0")
        return FinishedRun.open(tmp_path)

    def test_keypoints_of_the_map_are_not(self, run):
        refuse_other_keypoints(run)

    @pytest.mark.parametrize("other", [features_of(NAMES, n=31), features_of(NAMES, seed=1)])
    def test_features(self, run, other):
        other[0]["b.jpg"].save(run.root / "features/keypoints/b.jpg.safetensors")
        with pytest.raises(InputError, match=r"features has other keypoints of b\.jpg than the map"):
            refuse_other_keypoints(run)
        for use in (report, lambda path: export(path, "hloc")):
            with pytest.raises(InputError, match="Run `sfm reconstruct` into it again"):
                use(run.root)
        assert not list(run.root.glob("report.html")), "nothing is written"
        export(run.root, "ply")

    @pytest.mark.parametrize("n", [0, 31])
    def test_a_database(self, run, n):
        other = {name: np.ones((n, 2), np.float32) for name in NAMES}
        with MapDatabase(run.root / "database.db") as database:
            database.prepare([ImageEntry(name, 1, "e") for name in NAMES], {1: make_camera()}, other)
        with pytest.raises(InputError, match=r"database\.db has other keypoints of a\.jpg than the map"):
            report(run.root)
