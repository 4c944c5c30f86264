from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.errors import InputError
from sfm.geometry.similarity import Sim3
from sfm.localization.index import LocalizationIndex, build_index, topology_digest
from sfm.mapping.sparse_map import SparseMap
from tests.localization.scene import CAMERA, RECIPE, make_scene


def test_what_is_saved_is_read(tmp_path):
    index = make_scene().index
    index.save(tmp_path / "index.safetensors")
    read = LocalizationIndex.load(tmp_path / "index.safetensors")
    assert read.view_names == index.view_names
    assert read.recipe == index.recipe
    for view in range(len(index.view_names)):
        np.testing.assert_array_equal(read.points_of(view), index.points_of(view))
        np.testing.assert_array_equal(read.descriptors_of(view), index.descriptors_of(view))
    np.testing.assert_array_equal(read.view_descriptors, index.view_descriptors)


def test_observations_keep_their_points_and_their_descriptors():
    scene = make_scene()
    index = scene.index
    for view, image in enumerate(scene.sparse_map.images_by_name):
        seen = image.point_ids >= 0
        np.testing.assert_array_equal(index.points_of(view), image.point_ids[seen])
        cosine = (index.descriptors_of(view) * scene.descriptors[image.name][seen]).sum(axis=1)
        # A hundredth of the distance at which descriptors are told apart.
        assert np.sqrt(2 - 2 * cosine.clip(max=1)).max() < 0.02


def test_it_is_compact(tmp_path):
    scene = make_scene(points=2000)
    scene.index.save(tmp_path / "i.safetensors")
    observations = sum(int((image.point_ids >= 0).sum()) for image in scene.sparse_map.images.values())
    overhead = 6 * 64 * 128 * 2 + 64 * 128 * 4 + 4096
    assert (tmp_path / "i.safetensors").stat().st_size <= observations * (128 + 8) + overhead


def test_a_similarity_leaves_it_valid_and_another_map_does_not():
    scene = make_scene()
    moved = scene.sparse_map.transformed(Sim3(3.0, Rotation.random(random_state=0).as_matrix(), np.ones(3)))
    assert topology_digest(moved) == topology_digest(scene.sparse_map)
    assert topology_digest(make_scene(seed=1).sparse_map) != topology_digest(scene.sparse_map)


def test_missing_descriptors_are_named():
    scene = make_scene()
    rows = dict(scene.descriptors)
    del rows["03.jpg"]
    with pytest.raises(InputError, match=r"no descriptors of 03.jpg: run `sfm reconstruct` again"):
        build_index(scene.sparse_map, rows, RECIPE)


def test_descriptors_of_other_keypoints_are_refused():
    scene = make_scene()
    rows, image = scene.descriptors["02.jpg"], scene.sparse_map.images_by_name[2]
    assert image.name == "02.jpg"
    last = np.flatnonzero(image.point_ids >= 0)[-1]
    for others in (rows[:last], np.vstack([rows, rows[:1]])):
        with pytest.raises(InputError, match="are not of the map's"):
            build_index(scene.sparse_map, scene.descriptors | {"02.jpg": others}, RECIPE)


def test_keypoints_that_observe_nothing_need_no_descriptors():
    scene = make_scene()
    image = next(im for im in scene.sparse_map.images.values() if im.name == "02.jpg")
    more = replace(
        image,
        xy=np.vstack([image.xy, np.full((5, 2), 9.0)]),
        point_ids=np.append(image.point_ids, np.full(5, -1)),
    )
    images = {i: more if im is image else im for i, im in scene.sparse_map.images.items()}
    index = build_index(replace(scene.sparse_map, images=images), scene.descriptors, RECIPE)
    np.testing.assert_array_equal(index.point_ids, scene.index.point_ids)
    np.testing.assert_array_equal(index.quantized, scene.index.quantized)


def test_a_map_without_points_or_without_images():
    scene = make_scene(points=10)
    empty = {
        i: type(im)(im.name, 1, im.cam_from_world, im.xy, np.full(len(im.xy), -1))
        for i, im in scene.sparse_map.images.items()
    }
    index = build_index(SparseMap({1: CAMERA}, empty), scene.descriptors, RECIPE)
    assert len(index.point_ids) == 0
    assert build_index(SparseMap({}, {}), {}, RECIPE).view_names == ()


@pytest.mark.parametrize("damage", [b"", b"not tensors"])
def test_damage_is_told(tmp_path, damage):
    path = tmp_path / "i.safetensors"
    make_scene().index.save(path)
    path.write_bytes(damage or path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        LocalizationIndex.load(path)
