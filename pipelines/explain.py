"""Two photographs and what several descriptors make of the same keypoints, to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.errors import WorkError
from sfm.features.choice import DescriptionOptions
from sfm.features.descriptor import DescribesPatches, Descriptor
from sfm.features.detectors import DetectionOptions
from sfm.features.orientation import OrientationOptions
from sfm.features.patch_window import EVEN_WINDOW, PatchWindow
from sfm.features.patches import extract_patches
from sfm.features.rootsift import RootSift
from sfm.geometry.two_view import VerificationOptions, Verifier, fundamental_of
from sfm.images.cameras import CameraOptions
from sfm.images.decode import load_rgb
from sfm.mapping.colmap_verifier import make_verifier
from sfm.matching.neighbours import (
    ChosenPoint,
    NearestNeighbours,
    PairTruth,
    choose_points,
    nearest_neighbours,
    truth_of_pair,
)
from sfm.matching.options import MatchingOptions
from sfm.matching.two_view import VerifiedMatches, match_views
from sfm.pipelines.contenders import default_descriptors, parse_contenders
from sfm.pipelines.match import PhotoPair, read_pair
from sfm.report.explanation import write_explanation
from sfm.report.explanation_content import (
    ExplainedPoint,
    ExplanationContent,
    Finding,
    Neighbour,
    histogram_of,
)

POINTS = 8


def explain(
    image1: Path | str,
    image2: Path | str,
    page: Path | str = "matches.html",
    descriptors: Sequence[str] | None = None,
    points: int = POINTS,
    detection: DetectionOptions | None = None,
    description: DescriptionOptions | None = None,
    matching: MatchingOptions | None = None,
    verification: VerificationOptions | None = None,
    cameras: CameraOptions | None = None,
    orientation: OrientationOptions | None = None,
) -> Path:
    """Show what descriptors see of chosen keypoints of two photographs, and what they take them for.

    Parameters
    ----------
    image1, image2
        The photographs.
    page
        The HTML file to write.
    descriptors
        Names, or `NAME=FILE` for a network with weights of one's own. Default: those that `compare` takes.
    points
        Number of keypoints to show at most.
    detection, description, matching, verification, cameras, orientation
        What is chosen for all descriptors alike; the descriptor and weights in `description` are not looked at.

    Returns
    -------
    The file written.

    Raises
    ------
    InputError
        If a photograph, a descriptor or an option cannot be used.
    WorkError
        If a photograph has too few keypoints to compare.
    """
    detection, description = detection or DetectionOptions(), description or DescriptionOptions()
    made = make_descriptors(descriptors, description, detection)
    pair = read_pair(
        image1,
        image2,
        detection,
        cameras or CameraOptions(),
        orientation or OrientationOptions(),
        made[0],
    )
    verifier = make_verifier(verification or VerificationOptions())
    return explain_pair(pair, page, made, points, matching or MatchingOptions(), verifier)


def make_descriptors(
    names: Sequence[str] | None, description: DescriptionOptions, detection: DetectionOptions
) -> list[Descriptor]:
    """Make the descriptors of these names, or those that `compare` takes; `InputError` if one cannot be."""
    contenders = parse_contenders(default_descriptors() if names is None else names)
    return [contender.make(description, detection.max_size) for contender in contenders]


def explain_pair(
    pair: PhotoPair,
    page: Path | str,
    descriptors: Sequence[Descriptor],
    points: int,
    matching: MatchingOptions,
    verifier: Verifier,
) -> Path:
    """Write the page for a pair that has been read; see `explain`."""
    if min(map(len, pair.keypoints)) < 2:
        raise WorkError("There is nothing to explain: a photograph has fewer than two keypoints.")
    found: dict[str, VerifiedMatches] = {}
    nearest: dict[str, NearestNeighbours] = {}
    for descriptor in descriptors:
        views = pair.described_by(descriptor, matching.exact)
        suited = matching.suited_to(descriptor.ratio_tests)
        found[descriptor.name] = match_views(*views, verifier, suited)
        nearest[descriptor.name] = nearest_neighbours(*(view.cells.descriptors for view in views))
    ratios = {name: one.ratio for name, one in found.items()}
    fundamentals = {name: fundamental_of(one.geometry, *pair.cameras) for name, one in found.items()}
    truth = truth_of_pair(found, fundamentals, *pair.keypoints)
    chosen = choose_points(nearest, ratios, truth, *pair.keypoints, points)
    window = _window(descriptors)
    content = ExplanationContent(
        names=(pair.photos[0].name, pair.photos[1].name),
        images=(load_rgb(pair.photos[0]), load_rgb(pair.photos[1])),
        orientations=(pair.photos[0].exif.orientation, pair.photos[1].exif.orientation),
        window=window,
        rows=[
            (name, len(one.index), len(one.geometry.inliers), one.beyond_chance)
            for name, one in found.items()
        ],
        judged_by=truth.source,
        points=_Explainer(pair, nearest, ratios, truth, window).points(chosen),
    )
    write_explanation(content, Path(page))
    return Path(page)


def _window(descriptors: Sequence[Descriptor]) -> PatchWindow:
    """Return what the patches to show are cut by: what the first network sees."""
    seen = (one.patch_windows[0] for one in descriptors if isinstance(one, DescribesPatches))
    return next(seen, EVEN_WINDOW)


class _Explainer:
    """Gathers what is shown of chosen keypoints."""

    def __init__(
        self,
        pair: PhotoPair,
        nearest: Mapping[str, NearestNeighbours],
        ratios: Mapping[str, float],
        truth: PairTruth,
        window: PatchWindow,
    ) -> None:
        self._pair, self._nearest, self._ratios, self._truth = pair, nearest, ratios, truth
        self._window = window

    def points(self, chosen: Sequence[ChosenPoint]) -> list[ExplainedPoint]:
        """Return all that is shown of the chosen keypoints."""
        rows = np.array([point.index for point in chosen], np.int64)
        keypoints1, photo2 = self._pair.keypoints[0], self._pair.photos[1]
        patches, histograms = self._seen(0, rows)
        explained = []
        for at, point in enumerate(chosen):
            i = point.index
            true_xy2 = self._truth.xy2[i]
            explained.append(
                ExplainedPoint(
                    why=point.why,
                    xy=keypoints1.xy[i].astype(np.float64),
                    scale=float(keypoints1.scale[i]),
                    angle=float(keypoints1.angle[i]),
                    patch=patches[at],
                    histogram=histograms[at],
                    true_xy2=true_xy2 if np.isfinite(true_xy2).all() else None,
                    line=self._truth.line(keypoints1.xy[i], (photo2.width, photo2.height)),
                    findings=[self._finding(name, i) for name in self._nearest],
                )
            )
        return explained

    def _finding(self, name: str, i: int) -> Finding:
        first, second = self._nearest[name].index[i]
        patches, histograms = self._seen(1, np.array([first, second]))
        keypoints1, keypoints2 = self._pair.keypoints
        nearest, runner_up = (
            Neighbour(
                xy=keypoints2.xy[j].astype(np.float64),
                patch=patches[at],
                histogram=histograms[at],
                distance=float(self._nearest[name].distance[i, at]),
                verdict=self._truth.verdict(i, keypoints1, keypoints2, j),
                off_line_px=self._truth.off_line_px(i, keypoints1, keypoints2, j),
            )
            for at, j in enumerate((int(first), int(second)))
        )
        return Finding(name, nearest, runner_up, self._ratios[name])

    def _seen(
        self, which: int, rows: NDArray[np.int64]
    ) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.float64]]]:
        """Return patches and SIFT's histograms of keypoints of one photograph."""
        image, keypoints = self._pair.images[which], self._pair.keypoints[which].take(rows)
        patches = extract_patches(image, keypoints, self._window)[:, 0]
        sift = RootSift(max(image.pixels.shape)).describe(image, keypoints)
        return list(patches), [histogram_of(row) for row in sift]
