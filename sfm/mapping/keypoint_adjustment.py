"""Moving the keypoints of a track onto the same point of the surface, by aligning the patches around them.

A detector finds each keypoint in one image alone, a third of a pixel off where it finds it in the next. Once a map
says how the patch around one keypoint looks from another camera, least-squares matching tells to a few hundredths of a
pixel where it is there.

P. Lindenberger et al., "Pixel-Perfect Structure-from-Motion with Featuremetric Refinement", ICCV 2021, who adjust the
keypoints of tracks by learned features before and after mapping; here grey levels will do, after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.images.gray import GrayImage
from sfm.mapping.colmap import pycolmap
from sfm.mapping.colmap_io import from_reconstruction, xy_to_colmap
from sfm.mapping.incremental import Model
from sfm.mapping.patch_alignment import SAMPLES, STEPS, Pictures, align, templates_of
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.progress import Step
from sfm.threads import map_in_order, pool_of_cores

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Index = NDArray[np.int64]

# A patch reaches so many sigmas of its keypoint to each side of it, but as many pixels as these at least and at most:
# in a large patch, the fine detail that tells where it is goes lost.
_RADIUS_SIGMAS = 5.0
_RADIUS_PX = (5.0, 10.0)
# A patch is not compared with one that looks so many times as large, or as small.
_LARGEST_MAGNIFICATION = 4.0


@dataclass(frozen=True)
class View:
    """A photograph, and the sizes of its keypoints.

    Attributes
    ----------
    image
        What is looked at, perhaps smaller than the original.
    scale : (N,) float32
        Sigma of each keypoint in pixels of the original.
    """

    image: GrayImage
    scale: Singles


LoadView = Callable[[str], View | None]
# Rows of keypoints by image id, and pixels of theirs in COLMAP's frame.
Moved = dict[int, tuple[Index, Floats]]


def adjust_keypoints(model: Model, load: LoadView, step: Step | None = None) -> Moved:
    """Move the keypoints that observe a model's points to where they show the same place of the surface.

    Of each track the keypoint that sees the surface most squarely stays, and the patches around the others are aligned
    with its own. A keypoint stays too where they do not agree well, or less well than before.

    Parameters
    ----------
    model
        A finished model; the pixels of its observations are changed, nothing else. Adjust it afterwards.
    load
        Gives an image and its keypoints' sizes by name; None if it cannot be read. Called by several threads, twice
        for each image.
    step
        Hears of every image that is done.

    Returns
    -------
    What was moved, and where it was before; nothing of images none of whose keypoints were.
    """
    sparse_map = from_reconstruction(model)
    surface = _Surface(sparse_map)
    before: Moved = {}
    with pool_of_cores() as pool:
        images = list(sparse_map.images)
        for _ in map_in_order(pool, lambda i: surface.take_templates(i, load), images):
            pass
        for image_id, (rows, xy) in map_in_order(pool, lambda i: surface.aligned(i, load), images):
            if len(rows):
                before[image_id] = rows, xy_to_colmap(sparse_map.images[image_id].xy[rows])
                _move(model.image(image_id), rows.tolist(), xy_to_colmap(xy))
            if step is not None:
                step.advance(1)
    return before


def take_back_unobserving(model: Model, before: Moved) -> None:
    """Move keypoints back that observe no point any more, so that all of these are where they were detected."""
    for image_id, (rows, xy) in before.items():
        if model.exists_image(image_id):
            points = model.image(image_id).points2D
            free = [i for i, row in enumerate(rows.tolist()) if not points[row].has_point3D()]
            _move(model.image(image_id), rows[free].tolist(), xy[free])


def _move(image: pycolmap.Image, rows: list[int], pixels: Floats) -> None:
    points = image.points2D
    for row, pixel in zip(rows, pixels, strict=True):
        points[row].xy = pixel


class _Surface:
    """What is known of the surface around each point of a map: how it lies, and how it looks."""

    def __init__(self, sparse_map: SparseMap) -> None:
        self._map = sparse_map
        self._normal = np.zeros_like(sparse_map.xyz)
        for image in sparse_map.images.values():
            _, at = self._observed(image)
            np.add.at(self._normal, at, self._towards(image, at))
        self._normal /= np.maximum(np.linalg.norm(self._normal, axis=1, keepdims=True), 1e-12)
        self._tangents = _tangents(self._normal)
        self._chosen_image, self._chosen_row = self._most_square()
        points = len(sparse_map.xyz)
        self._step_px = np.zeros(points)
        self._surface_from_pixels = np.full((points, 2, 2), np.nan)
        self._templates = np.zeros((points, SAMPLES), np.float32)

    def _observed(self, image: MapImage) -> tuple[Index, Index]:
        """Return which keypoints of an image observe points, and which points these are."""
        (rows,) = np.nonzero(image.point_ids >= 0)
        return rows, np.searchsorted(self._map.point_ids, image.point_ids[rows])

    def _towards(self, image: MapImage, at: Index) -> Floats:
        """Return unit vectors from points towards an image's camera, (N, 3)."""
        ways = image.cam_from_world.center - self._map.xyz[at]
        return ways / np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-12)

    def _most_square(self) -> tuple[Index, Index]:
        """Return by which image's keypoint each point is seen most squarely: (P,) image ids and (P,) rows."""
        points = len(self._map.xyz)
        cosine, chosen, row = np.full(points, -np.inf), np.full(points, -1), np.full(points, -1)
        for image_id, image in self._map.images.items():
            rows, at = self._observed(image)
            found = (self._towards(image, at) * self._normal[at]).sum(axis=1)
            better = found > cosine[at]
            cosine[at[better]], chosen[at[better]], row[at[better]] = found[better], image_id, rows[better]
        return chosen, row

    def _pixels_from_surface(self, image: MapImage, at: Index) -> Floats:
        """Return how an image's pixels move with the point on its tangent plane, (N, 2, 2) pixels a unit of the map."""
        xyz, pose, camera = self._map.xyz[at], image.cam_from_world, self._map.cameras[image.camera_id]
        length = 1e-3 * np.linalg.norm(image.cam_from_world.center - xyz, axis=1)[:, None]
        middle = camera.project(pose.apply(xyz))
        moved = [camera.project(pose.apply(xyz + length * tangent[at])) for tangent in self._tangents]
        return np.stack([(to - middle) / length for to in moved], axis=2)

    def take_templates(self, image_id: int, load: LoadView) -> None:
        """Cut out the patches of the points that are seen most squarely by an image."""
        image = self._map.images[image_id]
        (at,) = np.nonzero(self._chosen_image == image_id)
        view = load(image.name) if len(at) else None
        if view is None:
            return
        rows = self._chosen_row[at]
        least, most = np.multiply(_RADIUS_PX, view.image.scale.mean())
        radius = np.clip(_RADIUS_SIGMAS * view.scale[rows], least, most)
        self._step_px[at] = radius / STEPS
        with np.errstate(invalid="ignore", divide="ignore"):
            self._surface_from_pixels[at] = _inverse(self._pixels_from_surface(image, at))
        affine = self._step_px[at, None, None] * np.eye(2)
        self._templates[at] = templates_of(Pictures(view.image), image.xy[rows], affine)

    def aligned(self, image_id: int, load: LoadView) -> tuple[Index, Floats]:
        """Return which keypoints of an image are to be moved, and their new pixels, (M,) and (M, 2)."""
        image = self._map.images[image_id]
        rows, at = self._observed(image)
        others = (self._chosen_image[at] != image_id) & self._templates[at].any(axis=1)
        rows, at = rows[others], at[others]
        view = load(image.name) if len(at) else None
        if view is None:
            return rows[:0], np.empty((0, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            affine = self._pixels_from_surface(image, at) @ self._surface_from_pixels[at]
            magnification = np.sqrt(np.abs(np.linalg.det(affine)))
            alike = np.abs(np.log(magnification)) < np.log(_LARGEST_MAGNIFICATION)
        rows, at, affine = rows[alike], at[alike], affine[alike]
        affine *= self._step_px[at, None, None]
        xy, good = align(Pictures(view.image), image.xy[rows], affine, self._templates[at])
        return rows[good], xy[good]


def _tangents(normals: Floats) -> tuple[Floats, Floats]:
    """Return two unit vectors that span the plane across each of (N, 3) normals."""
    away = np.eye(3)[np.abs(normals).argmin(axis=1)]
    first = np.cross(normals, away)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    return first, np.cross(normals, first)


def _inverse(matrices: Floats) -> Floats:
    """Return the inverses of (N, 2, 2) matrices; not finite where there is none."""
    (a, b), (c, d) = matrices[:, 0].T, matrices[:, 1].T
    adjugate = np.stack([d, -b, -c, a], axis=1).reshape(-1, 2, 2)
    return adjugate / (a * d - b * c)[:, None, None]
