import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sfm.geometry.pose import Pose, rotation_angle_deg
from sfm.geometry.similarity import Sim3, align_points, align_points_robust, align_poses

finite = st.floats(-100, 100, allow_nan=False)
vectors = st.tuples(finite, finite, finite).map(np.array)
rotations = st.integers(0, 2**31).map(lambda seed: Rotation.random(random_state=seed).as_matrix())
sim3s = st.builds(Sim3, st.floats(1e-3, 1e3), rotations, vectors)
poses = st.builds(Pose, rotations, vectors)


def cloud(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3))


def some_sim3(seed=1):
    rng = np.random.default_rng(seed)
    return Sim3(2.7, Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3) * 10)


def path_of_poses(centers, seed=3):
    all_rotations = Rotation.random(len(centers), random_state=seed).as_matrix()
    return [Pose(R, -R @ c) for R, c in zip(all_rotations, centers, strict=True)]


@given(sim3s, vectors)
def test_inverse_undoes(sim3, x):
    np.testing.assert_allclose(sim3.inverse().apply(sim3.apply(x)), x, atol=1e-8)
    np.testing.assert_allclose((sim3 @ sim3.inverse()).matrix, np.eye(4), atol=1e-8)


@given(sim3s, sim3s, vectors)
def test_composition_applies_right_then_left(a, b, x):
    np.testing.assert_allclose((a @ b).apply(x), a.apply(b.apply(x)), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose((a @ b).matrix, a.matrix @ b.matrix, rtol=1e-9, atol=1e-6)


@given(sim3s, poses, vectors)
def test_a_transformed_camera_sees_the_transformed_point_in_the_same_direction(sim3, pose, x):
    before = pose.apply(x[None])[0]
    after = sim3.transform_pose(pose).apply(sim3.apply(x)[None])[0]
    np.testing.assert_allclose(after, sim3.scale * before, rtol=1e-7, atol=1e-6 * max(1, sim3.scale))


@given(sim3s, st.integers(0, 10**6), st.integers(4, 30))
@settings(deadline=None)
def test_alignment_recovers_an_exact_similarity(sim3, seed, n):
    points = cloud(n, seed)
    fit = align_points(points, sim3.apply(points))
    assert fit.degeneracy == "none"
    assert fit.sim3.scale == pytest.approx(sim3.scale, rel=1e-9)
    np.testing.assert_allclose(fit.sim3.rotation, sim3.rotation, atol=1e-8)
    assert fit.rmse < 1e-9 * sim3.scale + 1e-11 * np.abs(sim3.translation).max()


def test_a_reflection_is_never_the_answer():
    # The example of Umeyama's paper: the unconstrained best fit in the plane is a mirror image.
    source = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0.0]])
    target = np.array([[0, 0, 0], [-1, 0, 0], [0, 2, 0.0]])
    fit = align_points(source, target)
    assert np.linalg.det(fit.sim3.rotation) == pytest.approx(1)
    # Three points are flat: in space a half turn does what takes a mirror in the paper's plane.
    assert fit.rmse < 1e-12
    flat = align_points(np.vstack([source, [0, 0, 5]]), np.vstack([target, [0, 0, 5]]))
    assert np.linalg.det(flat.sim3.rotation) == pytest.approx(1)
    assert flat.rmse > 0.1


def test_no_similarity_near_the_solution_is_better():
    rng = np.random.default_rng(5)
    source = cloud(20)
    target = some_sim3().apply(source) + rng.normal(scale=0.3, size=(20, 3))
    weights = rng.random(20)
    fit = align_points(source, target, weights)

    def cost(sim3):
        return float(weights @ ((sim3.apply(source) - target) ** 2).sum(axis=1))

    for seed in range(50):
        rng = np.random.default_rng(seed)
        step = Rotation.from_rotvec(rng.normal(scale=1e-3, size=3)).as_matrix()
        near = Sim3(
            fit.sim3.scale * (1 + rng.normal(scale=1e-3)),
            step @ fit.sim3.rotation,
            fit.sim3.translation + rng.normal(scale=1e-3, size=3),
        )
        assert cost(near) > cost(fit.sim3)


def test_a_point_without_weight_has_no_say():
    source = cloud(8)
    target = some_sim3().apply(source)
    target[3] += 100
    weights = np.ones(8)
    weights[3] = 0
    fit = align_points(source, target, weights)
    assert not fit.inliers[3]
    assert fit.residuals[3] == pytest.approx(np.sqrt(3) * 100, rel=1e-6)
    assert np.delete(fit.residuals, 3).max() < 1e-9


@pytest.mark.parametrize(
    ("points", "degeneracy"),
    [
        (np.empty((0, 3)), "point"),
        (np.array([[1, 2, 3.0]]), "point"),
        (np.full((5, 3), 2.5), "point"),
        (np.array([[0, 0, 0], [1, 2, 3.0]]), "line"),
        (np.outer(np.arange(6.0), [1, 2, 3.0]), "line"),
        (np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]), "none"),
    ],
)
def test_degenerate_points_are_named_and_still_fitted(points, degeneracy):
    sim3 = some_sim3() if degeneracy != "point" else Sim3(1.0, np.eye(3), np.array([5, 6, 7.0]))
    for fit in (
        align_points(points, sim3.apply(points)),
        align_points_robust(points, sim3.apply(points)),
    ):
        assert fit.degeneracy == degeneracy
        assert np.linalg.det(fit.sim3.rotation) == pytest.approx(1)
        assert fit.sim3.scale == pytest.approx(sim3.scale)
        assert (fit.residuals < 1e-9).all()


def test_a_line_traversed_backwards_is_turned_not_mirrored():
    source = np.outer(np.arange(5.0), [1, 0, 0.0])
    fit = align_points(source, -2 * source + 1)
    assert fit.sim3.scale == pytest.approx(2)
    assert fit.rmse < 1e-12


def test_points_on_a_line_need_no_matrix_of_their_number_squared():
    line = np.outer(np.arange(3000.0), [1, 2, 3])
    tracemalloc.start()
    assert align_points(line, 2 * line).degeneracy == "line"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * len(line) ** 2 / 10


def test_points_that_do_not_correspond_in_number_are_refused():
    with pytest.raises(ValueError, match="4 source points"):
        align_points(cloud(4), cloud(5))


@pytest.mark.parametrize("shape", ["line", "point"])
def test_orientations_settle_what_the_centres_leave_open(shape):
    centers = np.outer(np.arange(6.0), [1, 2, 3.0]) if shape == "line" else np.full((6, 3), 1.5)
    source = path_of_poses(centers)
    truth = some_sim3() if shape == "line" else Sim3(1.0, some_sim3().rotation, np.array([1, 2, 3.0]))
    target = [truth.transform_pose(pose) for pose in source]
    fit = align_poses(source, target)
    assert fit.degeneracy == shape
    assert rotation_angle_deg(fit.sim3.rotation @ truth.rotation.T) < 1e-5
    assert fit.rmse < 1e-9


def test_orientations_have_no_say_where_the_centres_suffice():
    source = path_of_poses(cloud(6))
    other = path_of_poses(some_sim3().apply(cloud(6)), seed=99)
    fit = align_poses(source, other)
    np.testing.assert_allclose(fit.sim3.rotation, some_sim3().rotation, atol=1e-9)


class TestRobust:
    @pytest.mark.parametrize("outliers", [0, 3, 12])
    def test_outliers_do_not_move_it(self, outliers):
        rng = np.random.default_rng(outliers)
        truth = some_sim3()
        source = cloud(30) * 10
        target = truth.apply(source) + rng.normal(scale=0.1, size=(30, 3))
        target[:outliers] += rng.normal(scale=200, size=(outliers, 3))
        fit = align_points_robust(source, target)
        assert not fit.inliers[:outliers].any()
        assert fit.inliers[outliers:].mean() > 0.9
        # Standard errors are about 0.1 / (27 sqrt(18)) = 9e-4 rad and 0.1 / sqrt(18) = 0.024.
        assert rotation_angle_deg(fit.sim3.rotation @ truth.rotation.T) < 0.3
        assert fit.sim3.scale == pytest.approx(truth.scale, rel=5e-3)
        assert np.linalg.norm(truth.apply(source) - fit.sim3.apply(source), axis=1).max() < 0.3

    def test_as_good_as_least_squares_on_gaussian_noise(self):
        rng = np.random.default_rng(0)
        ratios = []
        for seed in range(20):
            source = cloud(29, seed) * 10
            target = some_sim3(seed).apply(source) + rng.normal(size=(29, 3))
            ratios.append(align_points_robust(source, target).rmse / align_points(source, target).rmse)
        assert min(ratios) > 1 - 1e-9
        assert np.mean(ratios) < 1.02
        assert max(ratios) < 1.1

    def test_outliers_on_a_straight_path(self):
        source = np.outer(np.arange(20.0), [1, 0, 0.0])
        target = some_sim3().apply(source)
        target[[4, 11]] += [30, -20, 10]
        fit = align_points_robust(source, target)
        assert list(np.flatnonzero(~fit.inliers)) == [4, 11]
        assert np.delete(fit.residuals, [4, 11]).max() < 1e-6
        assert fit.degeneracy == "line"

    def test_the_same_seed_gives_the_same_fit(self):
        target = cloud(12, 8)
        a = align_points_robust(cloud(12), target, seed=4)
        b = align_points_robust(cloud(12), target, seed=4)
        np.testing.assert_array_equal(a.sim3.matrix, b.sim3.matrix)

    def test_many_points_stay_affordable(self):
        source = cloud(20_000)
        target = some_sim3().apply(source)
        target[:8000] += 50 * cloud(8000, 2)
        fit = align_points_robust(source, target)
        np.testing.assert_allclose(fit.sim3.matrix, some_sim3().matrix, atol=1e-6)
