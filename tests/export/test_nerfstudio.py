import json
from dataclasses import replace

import numpy as np
import pytest

from sfm.errors import InputError
from sfm.export import ExportContext
from tests.export.contract import ExporterContract
from tests.export.test_ply import read_ply
from tests.mapping.maps import CAMERAS, make_map

REPRESENTABLE = [model for model in CAMERAS if model != "FULL_OPENCV"]


def project(frame, xyz):
    """Project as nerfstudio does: OpenGL axes, radial k1 to k4, tangential p1 and p2, centres at halves."""
    camera_from_world = np.linalg.inv(frame["transform_matrix"])
    x, y, z = (camera_from_world[:3, :3] @ xyz.T + camera_from_world[:3, 3:]).astype(float)
    u, v = x / -z, -y / -z
    k1, k2, k3, k4, p1, p2 = (frame.get(key, 0.0) for key in ("k1", "k2", "k3", "k4", "p1", "p2"))
    if frame["camera_model"] == "OPENCV_FISHEYE":
        r = np.hypot(u, v)
        angle = np.arctan(r)
        scale = (angle + k1 * angle**3 + k2 * angle**5 + k3 * angle**7 + k4 * angle**9) / r
        u, v = u * scale, v * scale
    else:
        r2 = u * u + v * v
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
        u, v = (
            u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u),
            v * radial + 2 * p2 * u * v + p1 * (r2 + 2 * v * v),
        )
    return np.column_stack([frame["fl_x"] * u + frame["cx"], frame["fl_y"] * v + frame["cy"]])


class TestNerfstudio(ExporterContract):
    format = "nerfstudio"
    files = frozenset({"transforms.json", "sparse_pc.ply"})

    def names_in(self, files):
        frames = json.loads(files["transforms.json"].read_text("utf-8"))["frames"]
        return sorted(frame["file_path"].removeprefix("images/") for frame in frames)

    def exported(self, sparse_map, folder):
        self.export(sparse_map, folder)
        document = json.loads((folder / "transforms.json").read_text("utf-8"))
        shared = {key: value for key, value in document.items() if key != "frames"}
        frames = {frame["file_path"].removeprefix("images/"): shared | frame for frame in document["frames"]}
        xyz = read_ply(folder / document["ply_file_path"])[0]["xyz"]
        return document, frames, xyz

    @pytest.mark.parametrize("model", REPRESENTABLE)
    def test_its_points_project_onto_our_keypoints(self, tmp_path, model):
        sparse_map = make_map(models=(model,))
        _, frames, xyz = self.exported(sparse_map, tmp_path)
        for image in sparse_map.images.values():
            seen = image.point_ids >= 0
            points = xyz[np.searchsorted(sparse_map.point_ids, image.point_ids[seen])]
            # nerfstudio's first pixel has its centre at (0.5, 0.5), as COLMAP's.
            np.testing.assert_allclose(project(frames[image.name], points), image.xy[seen] + 0.5, atol=1e-6)

    def test_several_cameras_stand_in_the_frames(self, tmp_path):
        sparse_map = make_map(models=("PINHOLE", "SIMPLE_RADIAL"))
        document, frames, xyz = self.exported(sparse_map, tmp_path)
        assert "fl_x" not in document
        for image in sparse_map.images.values():
            seen = image.point_ids >= 0
            points = xyz[np.searchsorted(sparse_map.point_ids, image.point_ids[seen])]
            np.testing.assert_allclose(project(frames[image.name], points), image.xy[seen] + 0.5, atol=1e-6)

    def test_one_camera_stands_at_the_top(self, tmp_path):
        document, _, _ = self.exported(make_map(), tmp_path)
        assert (document["w"], document["h"], document["camera_model"]) == (640, 480, "OPENCV")
        assert "fl_x" not in document["frames"][0]

    def test_the_applied_transform_takes_the_map_to_the_files_world(self, tmp_path):
        sparse_map = make_map()
        document, frames, xyz = self.exported(sparse_map, tmp_path)
        applied = np.array(document["applied_transform"])
        assert applied.shape == (3, 4)
        np.testing.assert_allclose(sparse_map.xyz @ applied[:, :3].T + applied[:, 3], xyz, atol=1e-12)
        for name, pose in sparse_map.poses.items():
            matrix = np.array(frames[name]["transform_matrix"])
            np.testing.assert_allclose(matrix[:3, 3], applied[:, :3] @ pose.center, atol=1e-12)
            assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)

    def test_up_is_up(self, tmp_path):
        # The cameras of the map stand level with y down: in the file their up, OpenGL's y, is about z.
        _, frames, _ = self.exported(make_map(), tmp_path)
        for frame in frames.values():
            assert np.array(frame["transform_matrix"])[2, 1] > 0.9

    def test_paths_lead_to_the_photographs(self, tmp_path):
        photographs = tmp_path / "my photos"
        (photographs / "day 1").mkdir(parents=True)
        (photographs / "day 1/a.jpg").write_bytes(b"")
        folder = tmp_path / "out/nerf"
        self.export(make_map(("day 1/a.jpg",)), folder, ExportContext(image_folder=photographs))
        frame = json.loads((folder / "transforms.json").read_text())["frames"][0]
        assert (folder / frame["file_path"]).is_file()

    def test_rational_distortion_is_refused_unless_it_is_none(self, tmp_path):
        sparse_map = make_map(models=("FULL_OPENCV",))
        with pytest.raises(InputError, match="rational distortion"):
            self.export(sparse_map, tmp_path)
        camera_id, camera = next(iter(sparse_map.cameras.items()))
        plain = replace(camera, params=camera.params[:9] + (0.0,) * 3)
        self.export(replace(sparse_map, cameras={camera_id: plain}), tmp_path)
        assert json.loads((tmp_path / "transforms.json").read_text())["k3"] == camera.params[8]

    def test_fisheye_beside_others_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="has both"):
            self.export(make_map(models=("PINHOLE", "OPENCV_FISHEYE")), tmp_path)
