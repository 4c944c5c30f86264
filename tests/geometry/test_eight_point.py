"""The eight-point algorithm is exact without noise, and its verifier keeps the contract."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sfm.geometry.eight_point import FundamentalEstimator, fundamental_eight_point
from sfm.geometry.epipolar import homogeneous, sampson_error_sq

from .synthetic import make_scene
from .verifier_contract import VerifierContract


def same_up_to_sign(a, b, atol):
    return min(np.abs(a - b).max(), np.abs(a + b).max()) < atol


def exact_points(count=30, seed=0, kind="general"):
    rng = np.random.default_rng(seed)
    xyz = rng.uniform([-2, -2, 4], [2, 2, 8], (count, 3))
    if kind == "planar":
        xyz[:, 2] = 5 + 0.2 * xyz[:, 0]
    moved = xyz @ Rotation.from_rotvec([0.05, -0.1, 0.2]).as_matrix().T + rng.normal(size=3)
    return xyz[:, :2] / xyz[:, 2:], moved[:, :2] / moved[:, 2:]


class TestEightPointVerifier(VerifierContract):
    verifier = "eight-point"


@given(seed=st.integers(0, 10_000), count=st.integers(8, 40))
@settings(max_examples=50, deadline=None)
def test_exact_points_satisfy_the_epipolar_constraint(seed, count):
    x1, x2 = exact_points(count, seed)
    F = fundamental_eight_point(x1, x2)
    algebraic = np.einsum("ni,ij,nj->n", homogeneous(x2), F, homogeneous(x1))
    np.testing.assert_allclose(algebraic, 0, atol=1e-9)
    assert np.linalg.svd(F)[1][2] < 1e-12
    assert np.linalg.norm(F) == pytest.approx(1)


@given(
    scale=st.floats(0.01, 1000),
    turn=st.floats(-3, 3),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
@settings(max_examples=50, deadline=None)
def test_a_similarity_of_the_image_changes_nothing_but_the_frame(scale, turn, shift):
    scene = make_scene(num_matches=40, outliers=0, noise_px=1.0)
    similarity = np.eye(3)
    similarity[:2, :2] = scale * Rotation.from_rotvec([0, 0, turn]).as_matrix()[:2, :2]
    similarity[:2, 2] = shift
    moved1 = (homogeneous(scene.xy1) @ similarity.T)[:, :2]
    F, moved_F = fundamental_eight_point(scene.xy1, scene.xy2), fundamental_eight_point(moved1, scene.xy2)
    back = moved_F @ similarity
    errors = [np.sqrt(sampson_error_sq(m, scene.xy1, scene.xy2)) for m in (F, back)]
    np.testing.assert_allclose(errors[0], errors[1], atol=1e-5)


def test_a_batch_equals_its_members():
    pairs = [exact_points(8, seed) for seed in range(5)]
    x1, x2 = (np.stack(points) for points in zip(*pairs, strict=True))
    batch = fundamental_eight_point(x1, x2)
    assert batch.shape == (5, 3, 3)
    for F, a, b in zip(batch, x1, x2, strict=True):
        assert same_up_to_sign(F, fundamental_eight_point(a, b), 1e-9)


def test_a_weight_of_zero_leaves_a_match_out():
    x1, x2 = exact_points()
    clean = fundamental_eight_point(x1, x2)
    x2[3] += 0.5
    weights = np.ones(len(x1))
    weights[3] = 0
    assert same_up_to_sign(fundamental_eight_point(x1, x2, weights), clean, 1e-8)
    assert not same_up_to_sign(fundamental_eight_point(x1, x2), clean, 1e-3)


def test_weights_bring_algebraic_errors_nearer_to_sampson_errors():
    scene = make_scene("forward", num_matches=300, outliers=0, noise_px=1.0)
    linear = fundamental_eight_point(scene.xy1, scene.xy2)
    weighted = FundamentalEstimator().fit(scene.xy1, scene.xy2, linear)
    cost, reweighted_cost = (sampson_error_sq(F, scene.xy1, scene.xy2).sum() for F in (linear, weighted))
    assert reweighted_cost < cost


@pytest.mark.parametrize("points", ["coplanar", "identical", "nan"])
def test_degenerate_samples_are_nan(points):
    x1, x2 = exact_points(8, kind="planar")
    if points == "identical":
        x1 = np.tile(x1[:1], (8, 1))
    elif points == "nan":
        x1[2] = np.nan
    good1, good2 = exact_points(8, seed=1)
    batch = fundamental_eight_point(np.stack([x1, good1]), np.stack([x2, good2]))
    assert np.isnan(batch[0]).all()
    assert np.isfinite(batch[1]).all()
