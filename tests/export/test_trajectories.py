import numpy as np
import pytest
from hypothesis import given, settings

from sfm.errors import InputError
from sfm.evaluation.poses import evaluate_map
from sfm.evaluation.trajectory import read_tum
from sfm.export import ExportContext
from tests.export.contract import ExporterContract, Recorder
from tests.mapping.maps import make_map, maps

NAMES = ("a 1.jpg", "b/ü.jpg", "c.jpg")


def tum_rows(folder):
    return np.loadtxt(folder / "trajectory.tum", ndmin=2, comments="#")


class TestTum(ExporterContract):
    format = "tum"
    files = frozenset({"trajectory.tum"})

    def names_in(self, files):
        return sorted(read_tum(files["trajectory.tum"]).poses)

    def test_positions_are_camera_centres(self, tmp_path):
        sparse_map = make_map(NAMES)
        self.export(sparse_map, tmp_path)
        rows = tum_rows(tmp_path)
        np.testing.assert_allclose(rows[:, 1:4], [p.center for p in sparse_map.poses.values()], atol=1e-10)
        np.testing.assert_allclose(np.linalg.norm(rows[:, 4:], axis=1), 1, atol=1e-10)

    def test_capture_times_set_the_order(self, tmp_path):
        times = {NAMES[0]: 1700000002.5, NAMES[1]: 1700000000.25, NAMES[2]: 1700000001.0}
        self.export(make_map(NAMES), tmp_path, ExportContext(timestamps_s=times))
        assert list(tum_rows(tmp_path)[:, 0]) == sorted(times.values())
        assert "# Timestamps: capture times from EXIF" in (tmp_path / "trajectory.tum").read_text("utf-8")
        assert list(read_tum(tmp_path / "trajectory.tum").poses) == [NAMES[1], NAMES[2], NAMES[0]]

    def test_shared_times_are_said(self, tmp_path):
        self.export(make_map(NAMES), tmp_path, ExportContext(timestamps_s=dict.fromkeys(NAMES, 17.0)))
        assert "3 images share 1 times" in (tmp_path / "trajectory.tum").read_text("utf-8")

    def test_frame_numbers_count_what_is_not_registered(self, tmp_path):
        self.export(make_map(NAMES), tmp_path, ExportContext(image_names=("a 0.jpg", *NAMES, "d.jpg")))
        assert list(tum_rows(tmp_path)[:, 0]) == [1, 2, 3]
        text = (tmp_path / "trajectory.tum").read_text("utf-8")
        assert "# Timestamps: frame numbers, counted from 0 in the sorted names of 5 images" in text

    def test_times_of_only_some_images_are_not_mixed_with_numbers(self, tmp_path):
        progress = Recorder()
        context = ExportContext(timestamps_s={NAMES[0]: 1700000000.0}, progress=progress)
        self.export(make_map(NAMES), tmp_path, context)
        assert list(tum_rows(tmp_path)[:, 0]) == [0, 1, 2]
        assert "only 1 of 3" in progress.warnings[0]

    def test_a_line_break_in_a_name_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="line break"):
            self.export(make_map(("a\nb.jpg",)), tmp_path)

    def test_evo_reads_it(self, tmp_path):
        file_interface = pytest.importorskip("evo.tools.file_interface")
        sparse_map = make_map(NAMES)
        self.export(sparse_map, tmp_path)
        path = file_interface.read_tum_trajectory_file(tmp_path / "trajectory.tum")
        assert path.check()[0]
        for matrix, pose in zip(path.poses_se3, sparse_map.poses.values(), strict=True):
            np.testing.assert_allclose(matrix[:3, :3], pose.rotation.T, atol=1e-9)
            np.testing.assert_allclose(matrix[:3, 3], pose.center, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(sparse_map=maps)
def test_a_tum_file_of_a_map_is_a_perfect_reference_for_it(tmp_path_factory, sparse_map):
    folder = tmp_path_factory.mktemp("tum")
    TestTum().export(sparse_map, folder)
    result = evaluate_map(sparse_map, read_tum(folder / "trajectory.tum"))
    assert result.registered == result.total == len(sparse_map.images)
    if len(sparse_map.images) < 3:
        assert np.isnan(result.ate_max), "any two positions fit any others"
    else:
        assert result.ate_max < 1e-8
    if len(sparse_map.images) > 1:
        assert result.rotation_max_deg < 1e-6


class TestKitti(ExporterContract):
    format = "kitti"
    files = frozenset({"trajectory.kitti", "trajectory.names.txt"})

    def names_in(self, files):
        lines = files["trajectory.names.txt"].read_text("utf-8").splitlines()
        return sorted(line.split(" ", 1)[1] for line in lines)

    def test_rows_are_world_from_cam(self, tmp_path):
        sparse_map = make_map(NAMES)
        self.export(sparse_map, tmp_path)
        rows = np.loadtxt(tmp_path / "trajectory.kitti").reshape(-1, 3, 4)
        for row, pose in zip(rows, sparse_map.poses.values(), strict=True):
            np.testing.assert_allclose(row[:, :3], pose.rotation.T, atol=1e-10)
            np.testing.assert_allclose(row[:, 3], pose.center, atol=1e-10)

    def test_missing_frames_are_said_and_not_made_up(self, tmp_path):
        progress = Recorder()
        context = ExportContext(image_names=("a 0.jpg", *NAMES, "bb.jpg"), progress=progress)
        self.export(make_map(NAMES), tmp_path, context)
        assert len((tmp_path / "trajectory.kitti").read_text().splitlines()) == 3
        companion = (tmp_path / "trajectory.names.txt").read_text("utf-8").splitlines()
        assert companion == ["1 a 1.jpg", "2 b/ü.jpg", "4 c.jpg"]
        assert "2 of 5 images" in progress.warnings[0]

    def test_evo_reads_it(self, tmp_path):
        file_interface = pytest.importorskip("evo.tools.file_interface")
        sparse_map = make_map(NAMES)
        self.export(sparse_map, tmp_path)
        path = file_interface.read_kitti_poses_file(tmp_path / "trajectory.kitti")
        centers = [pose.center for pose in sparse_map.poses.values()]
        np.testing.assert_allclose(path.positions_xyz, centers, atol=1e-9)
