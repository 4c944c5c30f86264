from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.geometry.similarity import Sim3
from sfm.report.comparison import (
    METRICS,
    Arm,
    ComparisonContent,
    Metric,
    align_arms,
    compare_samples,
    map_numbers,
)

from .maps import walk_map

MOVED = Sim3(3.0, Rotation.from_rotvec([0.3, -0.5, 1.0]).as_matrix(), np.array([10.0, -4.0, 7.0]))
HIGHER, LOWER, NEITHER = (Metric("m", "M", better) for better in ("higher", "lower", None))


def best(metric, *samples):
    return [cell.best for cell in compare_samples(metric, samples)]


class TestCompareSamples:
    def test_the_better_one_is_marked_where_runs_do_not_explain_it(self):
        assert best(HIGHER, [10, 11, 12], [20, 21, 22]) == [False, True]
        assert best(LOWER, [10, 11, 12], [20, 21, 22]) == [True, False]

    def test_nothing_is_marked_within_the_spread(self):
        assert best(HIGHER, [10, 15, 20], [16, 19, 22]) == [False, False]
        # Every run is ahead, but by less than the runs of one of them differ.
        assert best(HIGHER, [10, 11, 20], [21, 22, 23]) == [False, True]
        assert best(HIGHER, [10, 18, 20], [21, 22, 23]) == [False, False]

    def test_one_run_has_no_known_spread(self):
        assert best(HIGHER, [10], [20]) == [False, False]
        assert best(HIGHER, [10, 10], [20]) == [False, False]

    def test_runs_that_all_agree(self):
        assert best(HIGHER, [10, 10], [11, 11]) == [False, True]
        assert best(HIGHER, [11, 11], [11, 11]) == [False, False]

    def test_the_runner_up_counts_not_the_last(self):
        assert best(HIGHER, [30, 31], [29, 31], [10, 11]) == [False] * 3

    def test_where_neither_way_is_better_nothing_is_marked(self):
        assert best(NEITHER, [1, 1], [2, 2]) == [False, False]

    def test_arms_without_values_take_no_part(self):
        cells = compare_samples(HIGHER, [[], [2, 2], [np.nan, 1, 1]])
        assert [cell.count for cell in cells] == [0, 2, 2]
        assert [cell.best for cell in cells] == [False, True, False]
        assert np.isnan(cells[0].median)

    def test_median_and_range(self):
        (cell,) = compare_samples(HIGHER, [[3, 1, 8]])
        assert (cell.median, cell.low, cell.high) == (3, 1, 8)


def test_the_map_tells_numbers_that_the_table_knows():
    numbers = map_numbers(walk_map(images=5, points=40))
    assert numbers.keys() <= {metric.key for metric in METRICS}
    assert numbers["registered"] == 5
    assert numbers["points"] == 40


def content(*maps, truth=None, **values):
    arms = [Arm(f"arm {i}", sparse_map) for i, sparse_map in enumerate(maps)]
    names = [image.name for image in walk_map().images_by_name]
    return ComparisonContent("t", names, arms, truth=truth or {}, **values)


def without(sparse_map, *numbers):
    kept = {i: image for i, image in sparse_map.images.items() if i not in numbers}
    return replace(sparse_map, images=kept)


class TestAlignArms:
    def test_maps_in_different_frames_come_together(self):
        frame = align_arms(content(walk_map(), walk_map().transformed(MOVED)))
        assert frame.reference == "arm 0"
        assert frame.unit == "%"
        np.testing.assert_allclose(frame.arms[1].sparse_map.xyz, walk_map().xyz, atol=1e-6)
        assert max(frame.arms[1].distances.values()) < 1e-6

    def test_the_fullest_map_is_the_reference(self):
        frame = align_arms(content(without(walk_map(), 1, 2), walk_map()))
        assert frame.reference == "arm 1"
        assert len(frame.arms[0].distances) == 10

    def test_ground_truth_gives_frame_and_unit(self):
        truth = walk_map().transformed(MOVED).poses
        frame = align_arms(content(walk_map(), truth=truth, truth_unit="m"))
        assert (frame.reference, frame.unit) == ("ground truth", "m")
        np.testing.assert_allclose(frame.arms[0].sparse_map.xyz, MOVED.apply(walk_map().xyz), atol=1e-6)

    def test_lost_cameras_stand_out_and_do_not_bend_the_rest(self):
        sparse_map = walk_map()
        lost = sparse_map.images[4]
        pose = replace(
            lost.cam_from_world, translation=lost.cam_from_world.translation + np.array([0, 0, 30.0])
        )
        broken = replace(sparse_map, images={**sparse_map.images, 4: replace(lost, cam_from_world=pose)})
        frame = align_arms(content(broken, truth=sparse_map.poses, truth_unit="m"))
        distances = dict(frame.arms[0].distances)
        assert distances.pop(lost.name) == pytest.approx(30, rel=0.01)
        assert max(distances.values()) < 0.01

    def test_a_map_with_too_little_in_common_stays_in_its_own_frame(self):
        other = walk_map(names=[f"other {i}.jpg" for i in range(12)])
        frame = align_arms(content(walk_map(), other))
        assert [arm.aligned for arm in frame.arms] == [True, False]
        assert frame.arms[1].distances == {}
        assert frame.arms[1].sparse_map is other

    def test_truth_of_other_images_is_no_reference(self):
        truth = walk_map(names=[f"other {i}.jpg" for i in range(12)]).poses
        frame = align_arms(content(walk_map(), truth=truth, truth_unit="m"))
        assert (frame.reference, frame.unit) == ("arm 0", "%")

    def test_failed_arms(self):
        assert align_arms(content(None, None)) is None
        frame = align_arms(content(None, walk_map()))
        assert [arm.arm.name for arm in frame.arms] == ["arm 1"]
