import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from sfm.errors import InputError
from sfm.export import ExportContext
from sfm.features.keypoints import Keypoints
from tests.export.contract import ExporterContract
from tests.mapping.maps import NAMES, make_map


def features_of(names, n=30, seed=0):
    rng = np.random.default_rng(seed)
    keypoints, descriptors = {}, {}
    for i, name in enumerate(names):
        m = n + i
        xy = rng.uniform(0, 480, (m, 2)).astype(np.float32)
        scale, angle, response = rng.random((3, m), dtype=np.float32)
        keypoints[name] = Keypoints(xy, scale, angle, response)
        rows = rng.normal(size=(m, 16)).astype(np.float32)
        descriptors[name] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    matches = {
        pair: np.column_stack([rng.permutation(n)[:10], rng.permutation(n)[:10]]).astype(np.uint32)
        for pair in pairs
    }
    return keypoints, descriptors, matches


def names_in_h5(path):
    """Names as hloc lists them: the groups that hold data sets."""
    names = set()
    with h5py.File(path) as file:
        file.visititems(
            lambda _, obj: names.add(obj.parent.name.strip("/")) if isinstance(obj, h5py.Dataset) else None
        )
    return names


def hloc_matches(path, name0, name1):
    """Matches as hloc looks them up: NAME0/NAME1 with slashes as dashes, or the pair turned around."""
    with h5py.File(path) as file:
        key, turned = (
            "/".join(n.replace("/", "-") for n in pair) for pair in ((name0, name1), (name1, name0))
        )
        reverse = key not in file
        group = file[turned if reverse else key]
        matches0, scores0 = group["matches0"][()], group["matching_scores0"][()]
    index = np.flatnonzero(matches0 != -1)
    pairs = np.column_stack([index, matches0[index]])
    return (np.flip(pairs, 1) if reverse else pairs), scores0[index]


class TestHloc(ExporterContract):
    format = "hloc"
    files = frozenset({"features.h5", "matches.h5"})

    def context(self, sparse_map):
        keypoints, descriptors, matches = features_of(sorted(sparse_map.poses))
        return ExportContext(keypoints=keypoints, descriptors=descriptors, matches=matches)

    def names_in(self, files):
        return sorted(names_in_h5(files["features.h5"]))

    def test_features_as_hloc_lays_them_out(self, tmp_path):
        sparse_map = make_map()
        context = self.context(sparse_map)
        self.export(sparse_map, tmp_path, context)
        with h5py.File(tmp_path / "features.h5") as file:
            for name in NAMES:
                group = file[name]
                assert set(group) == {"keypoints", "scores", "descriptors", "image_size"}
                # No half pixel: hloc's convention is ours.
                np.testing.assert_array_equal(group["keypoints"][()], context.keypoints[name].xy)
                assert group["keypoints"].dtype == np.float32
                np.testing.assert_array_equal(group["scores"][()], context.keypoints[name].response)
                np.testing.assert_array_equal(group["descriptors"][()], context.descriptors[name].T)
                assert list(group["image_size"][()]) == [640, 480]

    def test_keypoints_that_were_not_described_are_left_out(self, tmp_path):
        sparse_map = make_map()
        context = self.context(sparse_map)
        rows = {name: rows[:20] for name, rows in context.descriptors.items()}
        self.export(sparse_map, tmp_path, replace(context, descriptors=rows, matches={}))
        with h5py.File(tmp_path / "features.h5") as file:
            for name in NAMES:
                np.testing.assert_array_equal(file[name]["keypoints"], context.keypoints[name].xy[:20])
                np.testing.assert_array_equal(file[name]["scores"], context.keypoints[name].response[:20])
                np.testing.assert_array_equal(file[name]["descriptors"], rows[name].T)

    def test_matches_are_found_by_either_order(self, tmp_path):
        sparse_map = make_map()
        context = self.context(sparse_map)
        self.export(sparse_map, tmp_path, context)
        for (a, b), expected in context.matches.items():
            expected = expected[np.argsort(expected[:, 0])].astype(int)
            found, scores = hloc_matches(tmp_path / "matches.h5", a, b)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(
                hloc_matches(tmp_path / "matches.h5", b, a)[0], np.flip(expected, 1)
            )
            first, second = context.descriptors[a][expected[:, 0]], context.descriptors[b][expected[:, 1]]
            np.testing.assert_allclose(scores, ((first * second).sum(axis=1) + 1) / 2, atol=1e-3)
        with h5py.File(tmp_path / "matches.h5") as file:
            group = file[f"{NAMES[0]}/{NAMES[3]}"] if NAMES[0] < NAMES[3] else file[f"{NAMES[3]}/{NAMES[0]}"]
            assert group["matches0"].dtype == np.int16
            assert group["matching_scores0"].dtype == np.float16

    def test_indices_that_int16_cannot_hold(self, tmp_path):
        names = ("a.jpg", "b.jpg")
        keypoints, descriptors, _ = features_of(names, n=40_000)
        matches = {names: np.array([[5, 39_999]])}
        context = ExportContext(keypoints=keypoints, descriptors=descriptors, matches=matches)
        self.export(make_map(names), tmp_path, context)
        assert hloc_matches(tmp_path / "matches.h5", *names)[0].tolist() == [[5, 39_999]]

    def test_unregistered_images_are_part_of_it(self, tmp_path):
        keypoints, descriptors, matches = features_of((*NAMES, "lost.jpg"))
        context = ExportContext(
            keypoints=keypoints, descriptors=descriptors, matches=matches, image_sizes={"lost.jpg": (100, 50)}
        )
        self.export(make_map(), tmp_path, context)
        with h5py.File(tmp_path / "features.h5") as file:
            assert list(file["lost.jpg/image_size"][()]) == [100, 50]

    def test_names_that_hloc_would_mix_up_are_refused(self, tmp_path):
        names = ("a-b.jpg", "a/b.jpg", "c.jpg")
        with pytest.raises(InputError, match="apart"):
            self.export(make_map(names), tmp_path)
        assert not (tmp_path / "matches.h5").exists()

    def test_matches_of_other_keypoints_are_refused(self, tmp_path):
        keypoints, descriptors, _ = features_of(("a.jpg", "b.jpg"))
        for pair, index, words in (
            (("a.jpg", "b.jpg"), 99, "other keypoints"),
            (("a.jpg", "x.jpg"), 0, "no descr"),
        ):
            matches = {pair: np.array([[0, index]])}
            context = ExportContext(keypoints=keypoints, descriptors=descriptors, matches=matches)
            with pytest.raises(InputError, match=words):
                self.export(make_map(("a.jpg", "b.jpg")), tmp_path, context)

    def test_a_map_alone_is_not_enough(self, tmp_path):
        with pytest.raises(InputError, match="features and matches"):
            self.export(make_map(), tmp_path, ExportContext())


def test_a_file_that_may_not_grow_is_told_and_does_not_end_the_process(tmp_path):
    """In a process of its own: HDF5 used to crash it when it closed what it could not write."""
    script = (
        "import resource, sys, numpy as np\nfrom pathlib import Path\nfrom sfm.errors import WorkError\n"
        "from sfm.export.hloc import _new_file\nresource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n"
        "    with _new_file(Path(sys.argv[1])) as file:\n"
        "        for i in range(40): file.create_group(str(i))['x'] = np.ones(5000)\n"
        "except WorkError as error: print(error)"
    )
    command = [sys.executable, "-c", script, tmp_path / "a.h5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Files may not be as large as this one" in done.stdout
    assert list(tmp_path.iterdir()) == []
