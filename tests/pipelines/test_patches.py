import json
import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest

from sfm.errors import InputError
from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.files import write_json
from sfm.images.decode import load_gray
from sfm.learning.patch_set import PatchSet, Views
from sfm.learning.patch_set_options import PatchSetOptions
from sfm.mapping.colmap_io import write_map
from sfm.pipelines import patch_sources
from sfm.pipelines.patch_sources import kind_of, map_points, read_sources
from sfm.pipelines.patches import build_patch_set
from sfm.workspace import Workspace
from tests.mapping.maps import make_map

SMALL = PatchSetOptions(keypoints_per_image=300, synthetic_views=1, points_per_photo=60, workers=1)


def photo(seed, shift=0, width=320, height=240):
    noise = np.random.default_rng(seed).normal(0, 1, (height, 2 * width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    pixels = np.clip(127 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels[:, shift : shift + width])


@pytest.fixture
def sources(tmp_path):
    """Two overlapping photographs, and a folder of single ones."""
    for name, pixels in {
        "quay/1.png": photo(0),
        "quay/2.png": photo(0, shift=30),
        "wallpapers/a.png": photo(1),
        "wallpapers/b.png": photo(2),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), pixels)
    entries = [
        {"path": "quay", "licence": "CC0-1.0", "origin": "a walk"},
        {"path": "wallpapers", "name": "singles", "overlapping": False},
    ]
    (tmp_path / "sources.json").write_text(json.dumps(entries))
    return tmp_path


def test_a_patch_set_from_overlapping_and_single_photographs(sources, tmp_path):
    made = build_patch_set(read_sources([sources / "sources.json"]), tmp_path / "set", SMALL)
    assert set(made.scenes) == {"quay", "singles"}
    real = made.views == Views.REAL
    assert real.sum() > 40
    assert {made.scenes[s] for s in made.scene[real]} == {"quay"}
    assert (~real).sum() > 60
    assert made.counts.min() >= 2
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert [s["licence"] for s in manifest["sources"]] == ["CC0-1.0", ""]
    assert manifest["options"]["synthetic_views"] == 1


def test_the_set_does_not_depend_on_the_number_of_workers(sources, tmp_path):
    listed = read_sources([sources / "sources.json"])
    one = build_patch_set(listed, tmp_path / "one", SMALL)
    two = build_patch_set(listed, tmp_path / "two", PatchSetOptions(**{**vars(SMALL), "workers": 2}))
    assert np.array_equal(one.first, two.first)
    assert np.array_equal(one.patches(np.arange(one.num_patches)), two.patches(np.arange(two.num_patches)))
    assert (tmp_path / "one" / "manifest.json").read_text() == (
        tmp_path / "two" / "manifest.json"
    ).read_text()


def test_sets_of_other_formats_are_recognised(tmp_path):
    (tmp_path / "liberty").mkdir()
    sheet = np.repeat(np.repeat(np.arange(4, dtype=np.uint8).reshape(2, 2) * 60, 64, axis=0), 64, axis=1)
    cv2.imwrite(str(tmp_path / "liberty" / "patches0000.bmp"), sheet)
    (tmp_path / "liberty" / "info.txt").write_text("0 0\n0 1\n1 0\n1 1\n")
    (tmp_path / "hpatches" / "i_dome").mkdir(parents=True)
    for name in ("ref", "e1"):
        cv2.imwrite(str(tmp_path / "hpatches" / "i_dome" / f"{name}.png"), np.zeros((130, 65), np.uint8))
    folders = [tmp_path / "liberty", tmp_path / "hpatches"]
    assert [kind_of(folder) for folder in folders] == ["phototour", "hpatches"]
    made = build_patch_set(read_sources(folders), tmp_path / "set", SMALL)
    assert made.scenes == ("liberty", "hpatches/i_dome")
    assert made.num_patches == 8
    assert made.orientation == "gradient", "these patches were cut by others, each turned to its gradient"


def write_run(tmp_path, names, angles=np.zeros):
    """Write a finished run whose keypoints have the angles that `angles` gives for their number."""
    sparse_map, photographs, workspace = make_map(names), tmp_path / "photos", Workspace(tmp_path / "out")
    photographs.mkdir()
    for image in sparse_map.images.values():
        cv2.imwrite(str(photographs / image.name), photo(0, width=640, height=480))
        size = np.full(len(image.xy), 3, np.float32)
        turned = angles(len(size)).astype(np.float32)
        Keypoints(image.xy.astype(np.float32), size, turned, size).save(workspace.keypoints(image.name))
    write_map(sparse_map, workspace.sparse / "0")
    write_json(workspace.run_record, {"images": str(photographs)})


def test_a_set_of_photographs_says_how_keypoints_are_turned(sources, tmp_path):
    listed = read_sources([sources / "sources.json"])
    assert build_patch_set(listed, tmp_path / "image", SMALL).orientation == "image"
    by_gradient = build_patch_set(listed, tmp_path / "gradient", replace(SMALL, orientation="gradient"))
    assert by_gradient.orientation == "gradient"
    real = by_gradient.views == Views.REAL
    assert real.sum() > 40, "the old way finds real views still"


@pytest.mark.parametrize(("angles", "orientation"), [(np.ones, "image"), (np.arange, "gradient")])
def test_a_set_of_a_map_is_turned_as_its_keypoints_are(tmp_path, angles, orientation):
    write_run(tmp_path, [f"{i}.png" for i in range(6)], angles)
    made = build_patch_set(read_sources([tmp_path / "out"]), tmp_path / "set", SMALL)
    assert made.orientation == orientation


def test_photographs_of_a_map_are_in_memory_one_at_a_time(tmp_path, monkeypatch):
    write_run(tmp_path, [f"{i}.png" for i in range(6)])
    decoded, at_once = [], []

    def counted(photograph):
        decoded.append(weakref.ref(image := load_gray(photograph)))
        at_once.append(sum(ref() is not None for ref in decoded))
        return image

    monkeypatch.setattr(patch_sources, "load_gray", counted)
    made = map_points(tmp_path / "out", PatchWindow(24.0))
    assert list(made.counts) == [6] * 20
    assert len(at_once) == 6
    assert max(at_once) <= 2, "the one that is done is let go when the next one is there"


def test_bad_sources_are_refused(sources, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no photographs"):
        read_sources([tmp_path / "empty"])
    with pytest.raises(InputError, match="There is no folder"):
        read_sources([tmp_path / "absent"])
    with pytest.raises(InputError, match="Two sources are called quay"):
        read_sources([sources / "quay", sources / "quay"])
    (tmp_path / "list.json").write_text('[{"name": "no path"}]')
    with pytest.raises(InputError, match="not a list of sources"):
        read_sources([tmp_path / "list.json"])
    with pytest.raises(InputError, match="at least one"):
        read_sources([])


def test_an_unreadable_photograph_is_named_and_no_set_is_left(sources, tmp_path):
    (sources / "quay" / "2.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"2\.png is not a readable image"):
        build_patch_set(read_sources([sources / "quay"]), tmp_path / "set", SMALL)
    with pytest.raises(InputError, match="not a finished patch set"):
        PatchSet.open(tmp_path / "set")
