"""Least-squares matching: moving patches of an image until they show what others show, to hundredths of a pixel.

A. Gruen, "Adaptive least squares correlation: a powerful image matching technique", 1985; S. Baker and I. Matthews,
"Lucas-Kanade 20 Years On: A Unifying Framework", IJCV 2004, for the inverse composition; G. Evangelidis and
E. Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", TPAMI 2008, for patches
of unknown brightness and contrast.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sfm.images.gray import GrayImage
from sfm.images.pyramid import level_of, parts_to_read, pyramid, read_at

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Index = NDArray[np.int64]

# Steps from the middle of a patch to each side, and samples of the whole.
STEPS = 7
SAMPLES = (2 * STEPS + 1) ** 2
# The middle weighs more, by a Gaussian of this share of the way to the side.
_WEIGHT_SIGMA = 0.6
_ITERATIONS = 4
# What is aligned agrees at least so well, and is not moved farther than this share of the way to the side.
_LEAST_CORRELATION = 0.7
_FARTHEST = 0.5
# A surface that lies otherwise than it was taken to makes a patch differ linearly, at most so much.
_MOST_BENT = 0.5
# What keeps that from following noise where a patch shows little: against a patch's contrast, which is 1.
_DAMPING = 0.05
# Spread of grey levels below which a patch shows nothing.
_LEAST_CONTRAST = 2.0


class Pictures:
    """An image at all the sizes that patches are read from."""

    def __init__(self, image: GrayImage) -> None:
        self._image = image
        self._levels = pyramid(image.pixels, max(image.pixels.shape))

    def read(self, xy: Floats, affine: Floats) -> tuple[Singles, NDArray[np.bool_]]:
        """Read patches.

        Parameters
        ----------
        xy : (N, 2)
            Their middles, in pixels of the original.
        affine : (N, 2, 2)
            From their steps to such pixels.

        Returns
        -------
        (N, SAMPLES) float32 grey levels, and (N,) whether a patch is inside the image.
        """
        middle = self._image.from_original(xy)
        affine = affine / self._image.scale[:, None]
        size = np.array(self._image.pixels.shape[::-1])
        reach = np.abs(affine).sum(axis=2) * STEPS
        inside = ((middle >= reach) & (middle <= size - 1 - reach)).all(axis=1)
        # Half a level finer than steps are long: halved images are blurred.
        level = level_of(np.sqrt(np.abs(np.linalg.det(affine)) / 2), len(self._levels))
        patches = np.empty((len(xy), SAMPLES), np.float32)
        for index, rows in _by_level(level):
            at = ((affine[rows] @ _GRID + middle[rows, :, None]) / 2**index).astype(np.float32)
            patches[rows] = read_at(self._levels[index], at[:, 0], at[:, 1])
        return patches, inside


def templates_of(pictures: Pictures, xy: Floats, affine: Floats) -> Singles:
    """Return what patches show, whatever its brightness and contrast, (N, SAMPLES) float32.

    All is 0 of those that reach over the border or show nothing. Parameters are those of `Pictures.read`.
    """
    patches, inside = pictures.read(xy, affine)
    normalised, spread = _normalised(patches)
    normalised[~(inside & (spread > _LEAST_CONTRAST))] = 0
    return normalised


def align(
    pictures: Pictures, xy: Floats, affine: Floats, templates: Singles
) -> tuple[Floats, NDArray[np.bool_]]:
    """Move patches until they show what the templates show.

    Parameters
    ----------
    pictures
        Where the patches are.
    xy : (N, 2)
        Their middles.
    affine : (N, 2, 2)
        From steps of a patch to pixels.
    templates : (N, SAMPLES)
        What they are to show, from `templates_of`.

    Returns
    -------
    The middles that were found (N, 2), and which of them are better than those given (N,).
    """
    alignment = _Alignment(templates)
    found, shape = xy, affine
    patches, inside = pictures.read(xy, affine)
    shown, _ = _normalised(patches)
    before = (shown * templates) @ _WEIGHTS
    for _ in range(_ITERATIONS):
        turn, shift = alignment.step(shown)
        shape = shape @ np.linalg.inv(np.eye(2) + turn)
        found = found - np.einsum("nab,nb->na", shape, shift)
        patches, inside = pictures.read(found, shape)
        shown, _ = _normalised(patches)
    agree = (shown * templates) @ _WEIGHTS > np.maximum(before, _LEAST_CORRELATION)
    back = np.linalg.inv(affine)
    moved = np.linalg.norm(np.einsum("nab,nb->na", back, found - xy), axis=1)
    bent = np.linalg.norm(back @ shape - np.eye(2), axis=(1, 2))
    return found, inside & agree & (moved < _FARTHEST * STEPS) & (bent < _MOST_BENT)


class _Alignment:
    """How patches that show nearly what templates show are to be moved and bent to show just that.

    Brightness and contrast are unknown: what changes only them tells nothing.
    """

    def __init__(self, templates: Singles) -> None:
        side = 2 * STEPS + 1
        self._templates = templates
        slopes = np.gradient(templates.reshape(-1, side, side), axis=(2, 1))
        self._slopes = np.stack(slopes, axis=1).reshape(-1, 2, SAMPLES)
        changes = (self._slopes[:, :, None] * _BASIS).reshape(-1, 6, SAMPLES)
        changes -= (changes @ _WEIGHTS)[..., None]
        changes -= np.einsum("nag,ng->na", changes, templates * _WEIGHTS)[..., None] * templates[:, None]
        hessian = (changes * _WEIGHTS) @ changes.transpose(0, 2, 1) + _RIDGE
        self._inverse = np.linalg.inv(hessian)

    def step(self, patches: Singles) -> tuple[Floats, Floats]:
        """Return how normalised patches differ: linearly (N, 2, 2), and by a shift of at most a step, (N, 2)."""
        left = patches - self._templates
        left -= ((left * self._templates) @ _WEIGHTS)[:, None] * self._templates
        gradient = ((left * _WEIGHTS)[:, None] * self._slopes) @ _BASIS.T
        change = (self._inverse @ gradient.reshape(-1, 6, 1)).reshape(-1, 2, 3)
        shift, turn = change[..., 0], change[..., 1:] / STEPS
        shift = shift / np.maximum(np.linalg.norm(shift, axis=1, keepdims=True), 1)
        turn = turn / np.maximum(np.linalg.norm(turn, axis=(1, 2), keepdims=True) / _MOST_BENT, 1)
        return turn.astype(np.float64), shift.astype(np.float64)


def _by_level(level: Index) -> Iterator[tuple[int, Index]]:
    """Yield each level with its rows, so many at a time as OpenCV takes."""
    for index in np.unique(level):
        (rows,) = np.nonzero(level == index)
        for some in parts_to_read(len(rows)):
            yield int(index), rows[some]


def _normalised(patches: Singles) -> tuple[Singles, Singles]:
    """Return (N, SAMPLES) patches with a weighted mean of 0 and a spread of 1, and their spreads before (N,)."""
    centred = np.asarray(patches - (patches @ _WEIGHTS)[:, None], np.float32)
    spread = np.asarray(np.sqrt((centred**2) @ _WEIGHTS), np.float32)
    return np.asarray(centred / np.maximum(spread, 1e-3)[:, None], np.float32), spread


def _grid() -> tuple[Floats, Singles]:
    """Return the samples of a patch in steps from its middle, (2, SAMPLES), and their weights, (SAMPLES,)."""
    steps = np.arange(-STEPS, STEPS + 1)
    grid = np.stack(np.meshgrid(steps, steps)).reshape(2, -1).astype(np.float64)
    weights = np.exp(-((grid / STEPS) ** 2).sum(axis=0) / (2 * _WEIGHT_SIGMA**2))
    return grid, (weights / weights.sum()).astype(np.float32)


_GRID, _WEIGHTS = _grid()
# A shift, and what grows with the distance from the middle.
_BASIS = np.vstack([np.ones(SAMPLES), _GRID / STEPS]).astype(np.float32)
_RIDGE = np.diag(np.tile([1e-6, _DAMPING, _DAMPING], 2)).astype(np.float32)
