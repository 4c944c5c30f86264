"""Synthetic views of a photograph: plane warps, and which keypoints of two views are the same point."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sfm.features.keypoints import Keypoints

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# How well a keypoint that was detected again must agree with where the warp takes the first one.
POSITION_TOLERANCE_SIGMA = 0.75
POSITION_TOLERANCE_PX = 0.5
SCALE_TOLERANCE_OCTAVES = 0.7
ANGLE_TOLERANCE_RAD = np.radians(40)
_NEIGHBOURS = 8


@dataclass(frozen=True)
class Warp:
    """A homography from a photograph to a synthetic view of it.

    Attributes
    ----------
    matrix : (3, 3) float64
        Maps pixels of the photograph to pixels of the view.
    size : (width, height)
        Size of the view in pixels.
    """

    matrix: Floats
    size: tuple[int, int]

    def apply(self, xy: NDArray[np.floating]) -> Floats:
        """Map (N, 2) positions."""
        h = np.column_stack([np.asarray(xy, np.float64), np.ones(len(xy))]) @ self.matrix.T
        result: Floats = h[:, :2] / h[:, 2:]
        return result

    def jacobians(self, xy: NDArray[np.floating]) -> Floats:
        """Return the (N, 2, 2) derivatives of the map at `xy`: the local affine change of view."""
        h = np.column_stack([np.asarray(xy, np.float64), np.ones(len(xy))]) @ self.matrix.T
        mapped = h[:, :2] / h[:, 2:]
        linear = self.matrix[None, :2, :2] - mapped[:, :, None] * self.matrix[None, 2:, :2]
        result: Floats = linear / h[:, 2, None, None]
        return result

    def turn_at(self, xy: tuple[float, float]) -> float:
        """Return how far the view is turned against the photograph at `xy`, in radians, clockwise.

        The rotation in the polar decomposition of the derivative there: the rest of it stretches and does not turn.
        """
        ((a, b), (c, d)) = self.jacobians(np.array([xy]))[0]
        return float(np.arctan2(c - b, a + d))

    def render(self, photo: Bytes) -> Bytes:
        """Return the view of `photo` (H, W) or (H, W, 3), without aliasing; mirrored outside it."""
        # Twice the size and then the mean of 2 x 2: what bilinear interpolation alone would alias is
        # averaged.
        doubled = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]]) @ self.matrix
        width, height = self.size
        large = cv2.warpPerspective(
            photo, doubled, (2 * width, 2 * height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        return cv2.resize(large, self.size, interpolation=cv2.INTER_AREA)


def random_warp(rng: np.random.Generator, width: int, height: int) -> Warp:
    """Draw a change of view: turn, zoom, tilt in a random direction, and some perspective.

    The turn is mostly small, sometimes any; the zoom is between 0.45 and 1.6; the tilt (the ratio of the
    two axes) goes up to 2.5, an obliqueness of 66 degrees.
    """
    turn = rng.normal(0, np.radians(15)) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi)
    zoom = 2 ** rng.uniform(-1.15, 0.65)
    tilt = 2 ** (1.3 * rng.beta(1.2, 1.6))
    towards = rng.uniform(0, np.pi)
    squeeze = _rotation(towards) @ np.diag([1 / tilt**0.75, tilt**0.25]) @ _rotation(-towards)
    affine = np.eye(3)
    affine[:2, :2] = zoom * _rotation(turn) @ squeeze
    perspective = np.eye(3)
    perspective[2, :2] = rng.uniform(-0.35, 0.35, 2) / np.array([width, height])
    centre = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    matrix = affine @ perspective @ centre
    return _fitted(matrix, width, height)


def match_keypoints(
    warp: Warp, base: Keypoints, view: Keypoints, *, by_angle: bool = True
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the keypoints of the view that are those of the photograph, by position, scale and angle.

    Where `by_angle` is off, position and scale decide alone: the angles do not tell where a gradient points.

    Returns
    -------
    Indices into `base` and into `view`, of equal length; every keypoint at most once.
    """
    if not len(base) or not len(view):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    expected = warp.apply(base.xy)
    jacobian = warp.jacobians(base.xy)
    scale = base.scale * np.sqrt(np.abs(np.linalg.det(jacobian)))
    k = min(_NEIGHBOURS, len(view))
    distance, index = cKDTree(view.xy).query(expected, k=k)
    distance, index = distance.reshape(-1, k), index.reshape(-1, k)
    octaves = np.abs(np.log2(view.scale[index] / scale[:, None]))
    turned = _turned_off(jacobian, base, view, index) if by_angle else np.zeros(index.shape)
    tolerance = POSITION_TOLERANCE_PX + POSITION_TOLERANCE_SIGMA * scale
    agree = (
        (distance < tolerance[:, None]) & (octaves < SCALE_TOLERANCE_OCTAVES) & (turned < ANGLE_TOLERANCE_RAD)
    )
    cost = np.where(agree, distance / tolerance[:, None] + octaves + turned, np.inf)
    best = cost.argmin(axis=1)
    rows = np.flatnonzero(np.isfinite(cost[np.arange(len(base)), best]))
    # Nearest first, so that `unique` keeps for every keypoint of the view the better of two claims.
    rows = rows[np.argsort(cost[rows, best[rows]], kind="stable")]
    columns, kept = np.unique(index[rows, best[rows]], return_index=True)
    return rows[kept], columns


def _turned_off(
    jacobian: Floats, base: Keypoints, view: Keypoints, index: NDArray[np.intp]
) -> NDArray[np.floating]:
    """Return by how much (N, K) keypoints of the view are off (radians) from where the warp turns those of `base`."""
    direction = np.einsum("nij,nj->ni", jacobian, np.column_stack([np.cos(base.angle), np.sin(base.angle)]))
    angle = np.arctan2(direction[:, 1], direction[:, 0])
    return np.abs((view.angle[index] - angle[:, None] + np.pi) % (2 * np.pi) - np.pi)


def _rotation(angle: float) -> Floats:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _fitted(matrix: Floats, width: int, height: int) -> Warp:
    """Move the view so that it shows the middle of the warped photograph, at most as large."""
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    mapped = Warp(matrix, (width, height)).apply(corners)
    low, high = mapped.min(axis=0), mapped.max(axis=0)
    size = np.minimum(np.ceil(high - low), max(width, height)).astype(int)
    shift = np.eye(3)
    shift[:2, 2] = (size - 1) / 2 - (low + high) / 2
    return Warp(shift @ matrix, (int(size[0]), int(size[1])))
