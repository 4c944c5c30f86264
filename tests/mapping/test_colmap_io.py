import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from hypothesis import given, settings

from sfm.errors import InputError
from sfm.geometry.camera import CAMERA_MODELS
from sfm.mapping.colmap_io import (
    camera_from_colmap,
    camera_to_colmap,
    read_cameras_txt,
    read_map,
    read_poses,
    write_map,
    xy_from_colmap,
    xy_to_colmap,
)
from sfm.mapping.sparse_map import SparseMap
from tests.mapping.maps import CAMERAS, assert_same_map, make_camera, make_map, maps


class TestHalfPixel:
    """The first pixel's centre is (0, 0) here and (0.5, 0.5) in COLMAP; the shift happens once each way."""

    def test_keypoints(self):
        np.testing.assert_array_equal(xy_to_colmap([[0, 0], [639, 479]]), [[0.5, 0.5], [639.5, 479.5]])
        np.testing.assert_array_equal(xy_from_colmap(xy_to_colmap([[3.25, 7]])), [[3.25, 7]])

    @pytest.mark.parametrize("model", CAMERA_MODELS)
    def test_principal_points(self, model):
        camera = make_camera(model)
        theirs = camera_to_colmap(camera, 7)
        assert theirs.principal_point_x == camera.principal_point[0] + 0.5
        assert theirs.principal_point_y == camera.principal_point[1] + 0.5
        assert camera_from_colmap(theirs) == camera

    @pytest.mark.parametrize("model", CAMERA_MODELS)
    def test_both_sides_project_a_point_to_the_same_place(self, model):
        camera = make_camera(model)
        point = np.array([0.2, -0.1, 1.0])
        theirs = camera_to_colmap(camera, 7).img_from_cam(point[None])
        np.testing.assert_allclose(
            xy_from_colmap(np.reshape(theirs, (-1, 2))), camera.project(point), atol=1e-9
        )

    def test_files_hold_colmaps_convention(self, tmp_path):
        sparse_map = make_map()
        write_map(sparse_map, tmp_path)
        reconstruction = pycolmap.Reconstruction(tmp_path)
        for image_id, image in sparse_map.images.items():
            theirs = np.array([p.xy for p in reconstruction.image(image_id).points2D])
            np.testing.assert_allclose(theirs, image.xy + 0.5, atol=1e-12)
        camera_id, camera = next(iter(sparse_map.cameras.items()))
        assert reconstruction.camera(camera_id).params[2] == camera.params[2] + 0.5
        # COLMAP agrees that the points project onto the keypoints.
        reconstruction.update_point_3d_errors()
        assert max(p.error for p in reconstruction.points3D.values()) < 1e-6


@pytest.mark.parametrize("text", [False, True])
class TestRoundTrip:
    def test_every_value_survives(self, tmp_path, text):
        sparse_map = make_map(models=tuple(CAMERAS)[:4])
        files = write_map(sparse_map, tmp_path / "new/model", text=text)
        suffix = ".txt" if text else ".bin"
        names = {name + suffix for name in ("cameras", "frames", "images", "points3D", "rigs")}
        assert {file.name for file in files} == names
        assert {file.name for file in (tmp_path / "new/model").iterdir()} == names
        assert_same_map(sparse_map, read_map(tmp_path / "new/model"))

    @settings(max_examples=40, deadline=None)
    @given(sparse_map=maps)
    def test_any_map(self, text, sparse_map):
        with tempfile.TemporaryDirectory() as folder:
            write_map(sparse_map, Path(folder), text=text)
            assert_same_map(sparse_map, read_map(Path(folder)))

    def test_no_images(self, tmp_path, text):
        write_map(SparseMap({}, {}), tmp_path, text=text)
        assert read_map(tmp_path).images == {}

    def test_poses_only(self, tmp_path, text):
        sparse_map = make_map()
        write_map(sparse_map, tmp_path, text=text)
        poses = read_poses(tmp_path)
        assert list(poses) == list(sparse_map.poses)
        for name, pose in sparse_map.poses.items():
            np.testing.assert_allclose(poses[name].center, pose.center, atol=1e-9)

    def test_writing_again_replaces(self, tmp_path, text):
        write_map(make_map(seed=1), tmp_path, text=text)
        write_map(make_map(seed=2), tmp_path, text=text)
        assert_same_map(make_map(seed=2), read_map(tmp_path))


def test_names_that_differ_after_a_space_stay_apart_in_text(tmp_path):
    sparse_map = make_map(("photo 1.jpg", "photo 2.jpg", "photo  2.jpg"))
    write_map(sparse_map, tmp_path, text=True)
    assert sorted(read_poses(tmp_path)) == sorted(sparse_map.poses)


def test_text_models_without_observations_or_points(tmp_path):
    """Ground truth often has only poses: the line of observations is empty."""
    write_map(make_map(points=5), tmp_path, text=True)
    lines = (tmp_path / "images.txt").read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    poses = [line for line in lines if not line.startswith("#")][::2]
    (tmp_path / "images.txt").write_text(
        "\n".join(head + [x for p in poses for x in (p, "")]) + "\n", "utf-8"
    )
    (tmp_path / "points3D.txt").write_text("# none\n")
    sparse_map = read_map(tmp_path)
    assert list(sparse_map.poses) == list(make_map().poses)
    assert sparse_map.xyz.shape == (0, 3)
    assert all(image.xy.shape == (0, 2) for image in sparse_map.images.values())


def test_models_of_colmap_before_rigs_existed(tmp_path):
    write_map(make_map(), tmp_path)
    (tmp_path / "rigs.bin").unlink()
    (tmp_path / "frames.bin").unlink()
    assert_same_map(make_map(), read_map(tmp_path))


def test_a_line_break_in_a_name_needs_a_binary_model(tmp_path):
    sparse_map = make_map(("a\nb.jpg",))
    with pytest.raises(InputError, match="line break"):
        write_map(sparse_map, tmp_path, text=True)
    write_map(sparse_map, tmp_path)
    assert list(read_poses(tmp_path)) == ["a\nb.jpg"]


class TestDamage:
    @pytest.mark.parametrize("file", ["cameras", "images", "points3D", "rigs", "frames"])
    @pytest.mark.parametrize("share", [0, 0.3, 0.9])
    def test_a_truncated_binary_file_is_refused(self, tmp_path, file, share):
        write_map(make_map(), tmp_path)
        path = tmp_path / f"{file}.bin"
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(InputError, match=r"cannot be read"):
            read_map(tmp_path)

    @pytest.mark.parametrize("file", ["cameras", "images", "points3D", "rigs", "frames"])
    def test_a_random_count_is_refused_at_once(self, tmp_path, file):
        write_map(make_map(), tmp_path)
        path = tmp_path / f"{file}.bin"
        path.write_bytes(b"\x07\xff\x03\x00\x9c\x00\x01\x00" + path.read_bytes()[8:])
        with pytest.raises(InputError, match=f"{file}.bin is truncated or damaged"):
            read_map(tmp_path)

    @pytest.mark.parametrize("file", ["cameras", "points3D"])
    @pytest.mark.parametrize("text", [False, True])
    def test_a_missing_file_is_refused(self, tmp_path, file, text):
        write_map(make_map(), tmp_path, text=text)
        (tmp_path / f"{file}.{'txt' if text else 'bin'}").unlink()
        with pytest.raises(InputError):
            read_map(tmp_path)

    def test_text_that_is_no_model_is_refused(self, tmp_path):
        write_map(make_map(), tmp_path, text=True)
        (tmp_path / "images.txt").write_text("these are not\nthe images\n")
        with pytest.raises(InputError, match="cannot be read"):
            read_map(tmp_path)

    def test_no_model(self, tmp_path):
        for path in (tmp_path, tmp_path / "missing"):
            with pytest.raises(InputError, match="holds no COLMAP model"):
                read_map(path)

    def test_a_failed_write_leaves_the_old_model(self, tmp_path, monkeypatch):
        write_map(make_map(seed=1), tmp_path)

        def fail(self, path):
            (Path(path) / "cameras.bin").write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pycolmap.Reconstruction, "write_binary", fail)
        with pytest.raises(Exception, match="disk is full"):
            write_map(make_map(seed=2), tmp_path)
        monkeypatch.undo()
        assert_same_map(make_map(seed=1), read_map(tmp_path))
        assert not list(tmp_path.glob(".part*"))


class TestCamerasTxt:
    def test_reads_and_fixes(self, tmp_path):
        path = tmp_path / "cameras.txt"
        path.write_text(
            "# comment\n\n1 PINHOLE 640 480 500 510 320.5 240.5\n4 SIMPLE_RADIAL 8 6 9 4 3 0.1 # own\n"
        )
        cameras = read_cameras_txt(path)
        assert sorted(cameras) == [1, 4]
        assert cameras[1].params == (500, 510, 320, 240)
        assert cameras[1].fixed
        assert cameras[1].focal_is_known

    def test_reads_what_colmap_writes(self, tmp_path):
        sparse_map = make_map(models=tuple(CAMERAS)[:4])
        write_map(sparse_map, tmp_path, text=True)
        for camera_id, camera in read_cameras_txt(tmp_path / "cameras.txt").items():
            assert replace(camera, fixed=False, focal_is_known=False) == sparse_map.cameras[camera_id]

    @pytest.mark.parametrize(
        "line",
        [
            "1 PINHOLE 640 480 500",
            "1 FOV 640 480 1 2 3",
            "one PINHOLE 6 4 1 1 1 1",
            "1 PINHOLE",
            "1 PINHOLE 640 480 0 0 320 240",
            "1 PINHOLE 640 480 500 500 nan 240",
            "1 PINHOLE 6_40 480 500 500 320 240",
            "1 PINHOLE 640 480 4_00 400 320 240",
            "\u0661 PINHOLE 640 480 400 400 320 240",
        ],
    )
    def test_a_bad_line_is_named(self, tmp_path, line):
        path = tmp_path / "cameras.txt"
        path.write_text(f"# comment\n{line}\n")
        with pytest.raises(InputError, match="line 2: expected `CAMERA_ID MODEL") as error:
            read_cameras_txt(path)
        assert "invalid literal" not in str(error.value), "Python's words"

    @pytest.mark.parametrize(
        "second", ["1 PINHOLE 640 480 600 600 320 240", "01 PINHOLE 640 480 500 500 320 240"]
    )
    def test_two_cameras_of_one_id_are_refused(self, tmp_path, second):
        path = tmp_path / "cameras.txt"
        path.write_text(f"1 PINHOLE 640 480 500 500 320 240\n{second}\n")
        with pytest.raises(InputError, match="line 2: a second camera 1"):
            read_cameras_txt(path)

    def test_nothing_to_read(self, tmp_path):
        with pytest.raises(InputError, match="Cannot read"):
            read_cameras_txt(tmp_path / "missing.txt")
        (tmp_path / "empty.txt").write_text("# nothing\n")
        with pytest.raises(InputError, match="holds no camera"):
            read_cameras_txt(tmp_path / "empty.txt")


@pytest.mark.scenes
def test_reads_surveyed_ground_truth(sfm_data, tmp_path):
    folder = sfm_data / "scenes/fountain-P11/ground_truth"
    truth = read_map(folder)
    assert sorted(truth.poses) == [f"{i:04d}.jpg" for i in range(11)]
    write_map(truth, tmp_path / "binary")
    assert_same_map(truth, read_map(tmp_path / "binary"))
