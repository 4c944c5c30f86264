import numpy as np
import pytest
import torch

from sfm.learning.batches import BatchSampler, _turned
from sfm.learning.patch_set import Views
from tests.learning.patch_sets import small_patch_set


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    return small_patch_set(tmp_path_factory.mktemp("set"))


def test_a_batch_depends_on_seed_and_number_alone(patches):
    points = np.arange(patches.num_points)
    left, right = BatchSampler(patches, points, 32, seed=3).draw(5)
    again = BatchSampler(patches, points, 32, seed=3)
    again.draw(0)
    assert all(torch.equal(a, b) for a, b in zip((left, right), again.draw(5), strict=True))
    assert not torch.equal(left, again.draw(6)[0])
    assert not torch.equal(left, BatchSampler(patches, points, 32, seed=4).draw(5)[0])


def test_points_of_a_batch_are_distinct_and_balanced(patches):
    sampler = BatchSampler(patches, np.arange(patches.num_points), 60, seed=0)
    drawn = [sampler._draw_points(np.random.default_rng(k)) for k in range(60)]
    assert all(len(np.unique(points)) == len(points) for points in drawn)
    points = np.concatenate(drawn)
    assert np.mean(patches.views[points] == Views.REAL) == pytest.approx(0.5, abs=0.05)
    synthetic = points[patches.views[points] == Views.SYNTHETIC]
    # 60 and 120 points: square roots 1 to 1.41.
    assert np.mean(patches.scene[synthetic] == 1) == pytest.approx(0.586, abs=0.06)


def test_the_two_patches_are_different_views_of_one_point(patches):
    left, right = BatchSampler(patches, np.arange(patches.num_points), 60, seed=0).draw(0)
    a, b = (rows.reshape(len(rows), -1).float() for rows in (left, right))
    a, b = (rows - rows.mean(1, keepdim=True) for rows in (a, b))
    correlation = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    assert correlation.min() > 0.7  # the same texture, turned the same way, under other light
    assert correlation.max() < 0.9999  # but not the same patch


def test_only_the_given_points_are_drawn(patches):
    points = patches.points_of(["market"])
    drawn = BatchSampler(patches, points, 50, seed=0)._draw_points(np.random.default_rng(0))
    assert np.isin(drawn, points).all()


def test_eight_turns_are_the_eight_symmetries_of_a_square():
    patch = torch.arange(9).reshape(1, 1, 3, 3).expand(8, 1, 3, 3)
    turned = _turned(patch, torch.arange(8))
    assert len({tuple(t.flatten().tolist()) for t in turned}) == 8
    assert torch.equal(turned[0], patch[0])
    assert all(t[0, 1, 1] == 4 for t in turned)


def test_a_batch_of_few_groups_is_drawn_from_them_alone(patches):
    points = np.arange(patches.num_points)
    sampler = BatchSampler(patches, points, 40, seed=0, groups_per_batch=2)
    groups = []
    for k in range(90):
        drawn = sampler._draw_points(np.random.default_rng(k))
        assert len(np.unique(drawn)) == len(drawn) == 40
        groups.append({(int(patches.views[p]), int(patches.scene[p])) for p in drawn})
    assert {len(group) for group in groups} == {2}
    # Real points are half of all weight: their one group is in more batches than either of the others.
    real = sum((int(Views.REAL), 0) in group for group in groups)
    assert real > 60
