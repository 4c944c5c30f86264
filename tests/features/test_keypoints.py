import numpy as np
import pytest

from sfm.errors import InputError
from sfm.features.keypoints import Keypoints
from sfm.files import read_tensors, write_tensors


def make(n=5):
    rng = np.random.default_rng(0)
    return Keypoints(*(rng.uniform(0, 9, shape).astype(np.float32) for shape in ((n, 2), n, n, n)))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_what_is_saved_is_loaded(tmp_path, n):
    path = tmp_path / "a" / "b.jpg.safetensors"
    make(n).save(path, {"digest": "1"})
    tensors, metadata = read_tensors(path)
    assert set(tensors) == {"xy", "scale", "angle", "response"}
    assert metadata == {"digest": "1"}
    loaded = Keypoints.load(path)
    assert len(loaded) == n
    for name in tensors:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(make(n), name))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="keypoint arrays"):
        Keypoints(np.zeros((3, 2)), np.zeros(3), np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="keypoint arrays"):
        Keypoints(np.zeros((3, 3)), np.zeros(3), np.zeros(3), np.zeros(3))


def test_taking_some():
    keypoints = make()
    for index in (np.array([3, 1]), np.array([True, False, True, False, False]), slice(1, 4)):
        taken = keypoints.take(index)
        np.testing.assert_array_equal(taken.xy, keypoints.xy[index])
        np.testing.assert_array_equal(taken.response, keypoints.response[index])
    assert len(Keypoints.empty().take(slice(0, 3))) == 0


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "k.safetensors"
    make().save(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"k\.safetensors"):
        Keypoints.load(path)


@pytest.mark.parametrize(
    "tensors",
    [
        {"sclae": np.ones(5, np.float32)},
        {"scale": np.ones(4, np.float32)},
        {"scale": np.ones(5, np.int32)},
        {"xy": np.ones((5, 3), np.float32)},
        {"xy": np.array(1, np.float32)},
    ],
)
def test_a_whole_file_of_something_else_is_named(tmp_path, tensors):
    path = tmp_path / "k.safetensors"
    make().save(path)
    others = {name: tensor for name, tensor in read_tensors(path)[0].items() if name not in tensors}
    if "sclae" in tensors:
        del others["scale"]
    write_tensors(path, {**others, **tensors})
    with pytest.raises(InputError, match=r"k\.safetensors holds no keypoints"):
        Keypoints.load(path)
