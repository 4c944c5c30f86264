import re

import numpy as np
import pytest

from sfm.export.ply import FRUSTUM_RGB, PATH_RGB
from sfm.mapping.camera_shapes import frustum_size
from sfm.mapping.sparse_map import SparseMap
from tests.export.contract import ExporterContract
from tests.mapping.maps import make_map

VERTEX = np.dtype([("xyz", "<f8", 3), ("rgb", "u1", 3)])
EDGE = np.dtype([("ends", "<i4", 2), ("rgb", "u1", 3)])


def read_ply(path):
    """A reader of its own: header lines and records, by the format's definition."""
    data = path.read_bytes()
    header, _, body = data.partition(b"end_header\n")
    header = header.decode("ascii").splitlines()
    assert header[:2] == ["ply", "format binary_little_endian 1.0"]
    counts = dict(
        re.match(r"element (\w+) (\d+)", line).groups() for line in header if line.startswith("element")
    )
    properties = [line.split(" ", 1)[1] for line in header if line.startswith("property")]
    assert properties[:6] == ["double x", "double y", "double z", "uchar red", "uchar green", "uchar blue"]
    n, m = int(counts["vertex"]), int(counts.get("edge", 0))
    if "edge" in counts:
        assert properties[6:] == ["int vertex1", "int vertex2", "uchar red", "uchar green", "uchar blue"]
    assert len(body) == n * VERTEX.itemsize + m * EDGE.itemsize
    return np.frombuffer(body, VERTEX, n), np.frombuffer(body, EDGE, m, n * VERTEX.itemsize)


class TestPly(ExporterContract):
    format = "ply"
    files = frozenset({"points.ply", "cameras.ply"})

    def test_points_keep_positions_and_colours(self, tmp_path):
        sparse_map = make_map()
        self.export(sparse_map, tmp_path)
        vertices, _ = read_ply(tmp_path / "points.ply")
        np.testing.assert_array_equal(vertices["xyz"], sparse_map.xyz)
        np.testing.assert_array_equal(vertices["rgb"], sparse_map.rgb)

    def test_the_path_is_a_red_chain_through_the_centres(self, tmp_path):
        sparse_map = make_map(("1.jpg", "2.jpg", "3.jpg", "4.jpg"))
        self.export(sparse_map, tmp_path)
        vertices, edges = read_ply(tmp_path / "cameras.ply")
        red = (edges["rgb"] == PATH_RGB).all(axis=1)
        a, b = vertices["xyz"][edges["ends"][red]].transpose(1, 0, 2)
        centers = np.array([pose.center for pose in sparse_map.poses.values()])
        np.testing.assert_allclose(a[0], centers[0], atol=1e-12)
        np.testing.assert_allclose(b[-1], centers[-1], atol=1e-12)
        np.testing.assert_allclose(a[1:], b[:-1], atol=1e-12)
        length = np.linalg.norm(np.diff(centers, axis=0), axis=1).sum()
        assert np.linalg.norm(b - a, axis=1).sum() == pytest.approx(length)
        for center in centers:
            assert np.linalg.norm(vertices["xyz"] - center, axis=1).min() < 1e-12
        # Dense enough to be seen as a line where edges are not drawn.
        assert np.linalg.norm(b - a, axis=1).max() < length / 50

    def test_frusta_open_towards_what_the_cameras_see(self, tmp_path):
        sparse_map = make_map(("1.jpg",))
        self.export(sparse_map, tmp_path)
        vertices, edges = read_ply(tmp_path / "cameras.ply")
        assert (edges["rgb"] == FRUSTUM_RGB).all()
        image = next(iter(sparse_map.images.values()))
        camera = sparse_map.cameras[image.camera_id]
        xyz = image.cam_from_world.apply(vertices["xyz"])
        ahead = xyz[xyz[:, 2] > 1e-9]
        xy = camera.project(ahead)
        assert ahead[:, 2].max() == pytest.approx(frustum_size(sparse_map))
        # The corners of the image are half a pixel outside the centres of its corner pixels.
        np.testing.assert_allclose(xy.min(axis=0), [-0.5, -0.5], atol=1e-6)
        np.testing.assert_allclose(xy.max(axis=0), [camera.width - 0.5, camera.height - 0.5], atol=1e-6)

    def test_each_folder_is_a_path_of_its_own(self, tmp_path):
        self.export(make_map(("left/1.jpg", "left/2.jpg", "right/1.jpg", "right/2.jpg")), tmp_path)
        vertices, edges = read_ply(tmp_path / "cameras.ply")
        red = edges[(edges["rgb"] == PATH_RGB).all(axis=1)]["ends"]
        a, b = vertices["xyz"][red].transpose(1, 0, 2)
        assert (np.linalg.norm(a[1:] - b[:-1], axis=1) > 1e-9).sum() == 1

    def test_cameras_in_one_place(self, tmp_path):
        sparse_map = make_map(("1.jpg", "2.jpg"))
        first = next(iter(sparse_map.images.values()))
        both = {i: type(first)(f"{i}.jpg", first.camera_id, first.cam_from_world) for i in (1, 2)}
        self.export(SparseMap(sparse_map.cameras, both), tmp_path)
        vertices, _ = read_ply(tmp_path / "cameras.ply")
        assert np.isfinite(vertices["xyz"]).all()

    def test_nothing_to_draw(self, tmp_path):
        self.export(SparseMap({}, {}), tmp_path)
        assert len(read_ply(tmp_path / "points.ply")[0]) == 0
        assert len(read_ply(tmp_path / "cameras.ply")[0]) == 0

    @pytest.mark.slow
    def test_open3d_reads_both(self, tmp_path):
        from sfm.open3d_loader import import_open3d

        o3d = import_open3d()
        sparse_map = make_map()
        self.export(sparse_map, tmp_path)
        cloud = o3d.io.read_point_cloud(str(tmp_path / "points.ply"))
        np.testing.assert_allclose(np.asarray(cloud.points), sparse_map.xyz)
        np.testing.assert_allclose(np.asarray(cloud.colors) * 255, sparse_map.rgb, atol=0.5)
        vertices, edges = read_ply(tmp_path / "cameras.ply")
        lines = o3d.io.read_line_set(str(tmp_path / "cameras.ply"))
        np.testing.assert_array_equal(np.asarray(lines.lines), edges["ends"])
        np.testing.assert_allclose(np.asarray(lines.points), vertices["xyz"])
        np.testing.assert_allclose(np.asarray(lines.colors) * 255, edges["rgb"], atol=0.5)
        dots = o3d.io.read_point_cloud(str(tmp_path / "cameras.ply"))
        assert len(dots.points) == len(vertices)
