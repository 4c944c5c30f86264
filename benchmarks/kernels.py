"""The work that repeats most, against what the machine can do at best."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sfm.features.network_descriptor import make_network_descriptor
from sfm.geometry.camera import Camera
from sfm.geometry.two_view import VerificationOptions
from sfm.mapping.colmap_verifier import make_verifier
from sfm.matching.cells import DescriptorCells, match_in_cells
from sfm.threads import one_thread_each

# Multiplications and additions of SOSNet's convolutions on one patch.
FLOP_A_PATCH = 78.2e6
_ROUNDS = 5


def measure_kernels(rows: int = 8192, patches: int = 4096) -> list[dict[str, Any]]:
    """Time description, matching and verification, each in turn with its limit, on one thread.

    Returns
    -------
    One entry a kernel: its name, what it reaches and the limit in the same unit, and the ratio of the two as the goal
    words it.
    """
    with one_thread_each():
        return [
            _description(patches),
            *(_matching(rows, exact) for exact in (False, True)),
            *(_verification(inliers) for inliers in (400, 20)),
        ]


def told_kernels(measured: list[dict[str, Any]]) -> str:
    """Return the table of kernels."""
    return "\n".join(
        f"{m['kernel']}: {m['reached']:,.4g} {m['unit']}, limit {m['limit']:,.4g}: {m['ratio']:.2f} ({m['ratio_is']})"
        for m in measured
    )


def in_turn(*works: Callable[[], object], rounds: int = _ROUNDS) -> list[float]:
    """Return the shortest time of each work in seconds; they take turns, so that a disturbance meets all of them."""
    best = [float("inf")] * len(works)
    for round_ in range(rounds + 1):
        for i, work in enumerate(works):
            start = time.perf_counter()
            work()
            # The first round warms up.
            best[i] = min(best[i], time.perf_counter() - start) if round_ else best[i]
    return best


def _description(patches: int) -> dict[str, Any]:
    descriptor: Any = make_network_descriptor("sosnet", device="cpu")
    given = np.random.default_rng(0).integers(0, 256, (patches, 1, 32, 32), np.uint8)
    precision = descriptor.identity["precision"]
    product = product_in(precision, 2048)
    took, product_took = in_turn(
        lambda: descriptor.describe_patches(given), lambda: [product() for _ in range(8)]
    )
    limit = 8 * 2 * 2048**3 / product_took / FLOP_A_PATCH
    return {
        "kernel": f"description, sosnet, {precision}",
        "reached": patches / took,
        "limit": limit,
        "unit": "patches/s",
        "ratio": patches / took / limit,
        "ratio_is": "share of the rate of a matrix product, goal >= 0.80",
    }


def product_in(precision: str, rows: int) -> Callable[[], object]:
    """Return the product of two square matrices in a network's precision, to be timed."""
    matrix = torch.randn(rows, rows)
    if precision == "int8":
        whole = (10 * matrix).to(torch.int8)
        return lambda: torch._int_mm(whole, whole)
    rounded = matrix.to(getattr(torch, precision))
    return lambda: rounded @ rounded


def unit_rows(count: int, seed: int) -> NDArray[np.float32]:
    """Return random descriptors."""
    rows = np.random.default_rng(seed).normal(size=(count, 128)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def photographed_again(rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return descriptors of which two fifths are near those of `rows`, as in overlapping photographs."""
    again, near = unit_rows(len(rows), seed), len(rows) * 2 // 5
    again[:near] = rows[:near] + 0.6 * again[:near]
    again /= np.linalg.norm(again, axis=1, keepdims=True)
    return again


def _matching(rows: int, exact: bool) -> dict[str, Any]:
    first = unit_rows(rows, 0)
    second = photographed_again(first, 1)
    cells1, cells2 = (DescriptorCells.of(descriptors, exact) for descriptors in (first, second))
    whole = np.empty((rows, rows), np.float32)
    took, product = in_turn(
        lambda: match_in_cells(cells1, cells2), lambda: np.matmul(first, second.T, out=whole)
    )
    return {
        "kernel": f"matching {rows} x {rows} x 128, {'exact' if exact else 'in cells'}",
        "reached": took,
        "limit": product,
        "unit": "s",
        "ratio": took / product,
        "ratio_is": "times the bare product, goal <= 1.4",
    }


def _verification(inliers: int, matches: int = 800) -> dict[str, Any]:
    """Time the default verifier against OpenCV's five-point RANSAC on a scene of known geometry."""
    rng = np.random.default_rng(0)
    camera = Camera("PINHOLE", 1536, 1024, (1380.0, 1380.0, 768.0, 512.0))
    points = rng.uniform((-3, -2, 4), (3, 2, 9), (matches, 3))
    xy1 = points[:, :2] / points[:, 2:] * 1380 + (768, 512)
    moved = points + np.array([0.8, 0.1, 0.2])
    xy2 = moved[:, :2] / moved[:, 2:] * 1380 + (768, 512)
    xy2[inliers:] = rng.uniform((0, 0), (1536, 1024), (matches - inliers, 2))
    verifier = make_verifier(VerificationOptions())
    K = np.array([[1380.0, 0, 768], [0, 1380, 512], [0, 0, 1]])
    took, opencv = in_turn(
        lambda: verifier.verify(xy1, xy2, camera, camera),
        lambda: cv2.findEssentialMat(xy1, xy2, K, cv2.RANSAC, 0.9999, 2.0, 10_000),
    )
    return {
        "kernel": f"verification, {inliers} of {matches} matches true",
        "reached": took,
        "limit": opencv,
        "unit": "s",
        "ratio": took / opencv,
        "ratio_is": "times OpenCV's five-point RANSAC",
    }
