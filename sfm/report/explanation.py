"""Why matches are right or wrong: patches, gradient histograms and nearest neighbours on one HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from sfm.features.patch_window import PatchWindow
from sfm.files import write_text
from sfm.images.decode import upright
from sfm.matching.mutual import passes_ratio_test
from sfm.matching.neighbours import Verdict
from sfm.report.explanation_content import (
    SIFT_CELLS,
    SIFT_DIRECTIONS,
    ExplainedPoint,
    ExplanationContent,
    Finding,
    Neighbour,
)
from sfm.report.gallery import jpeg_data_uri, upright_xy
from sfm.report.page import render_page
from sfm.report.path_drawing import COLOURS

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# SIFT's window in sigmas: four cells of three sigmas.
SIFT_WINDOW = 12.0
_CONTEXT_PX = 240  # side of the surroundings on the page
_CONTEXT_PATCHES = 2.4  # ... in patches
_PHOTO_WIDTH = 560
_CELL = 16.0
_KIND: dict[Verdict, str] = {
    "right": "good",
    "possible": "good",
    "wrong": "bad",
    "off the line": "bad",
    "unknown": "",
}


def histogram_svg(histogram: Floats) -> Markup:
    """Draw a histogram of gradients: in every cell a ray a direction, as long as its bin is high."""
    side = SIFT_CELLS * _CELL
    longest = float(histogram.max()) or 1.0
    rays = []
    for row in range(SIFT_CELLS):
        for column in range(SIFT_CELLS):
            x, y = (column + 0.5) * _CELL, (row + 0.5) * _CELL
            for k, value in enumerate(histogram[row, column]):
                # The root shows small bins too; RootSIFT compares roots.
                length = 0.5 * _CELL * np.sqrt(value / longest)
                if length > 0.35:
                    turn = 2 * np.pi * k / SIFT_DIRECTIONS
                    rays.append(f"M{x:g} {y:g}l{length * np.cos(turn):.1f} {-length * np.sin(turn):.1f}")
    grid = "".join(f"M{i * _CELL:g} 0V{side:g}M0 {i * _CELL:g}H{side:g}" for i in range(1, SIFT_CELLS))
    return Markup(
        f'<svg class="rose" viewBox="0 0 {side:g} {side:g}" role="img" aria-label="SIFT: 4 x 4 cells, 8 directions">'
        f'<path class="grid" d="{grid}"/><path class="rays" d="{"".join(rays)}"/></svg>'
    )


def write_explanation(content: ExplanationContent, path: Path) -> None:
    """Write the page as one HTML file."""
    write_text(path, render_explanation(content))


def render_explanation(content: ExplanationContent) -> str:
    """Return the page as HTML; see `write_explanation`."""
    colours = {row[0]: i % COLOURS for i, row in enumerate(content.rows)}
    first, second = (
        _Photo(image, orientation)
        for image, orientation in zip(content.images, content.orientations, strict=True)
    )
    return render_page(
        "explain.html",
        (),
        title=f"{content.names[0]} and {content.names[1]}",
        names=content.names,
        rows=content.rows,
        colours=colours,
        judged_by=content.judged_by,
        patch_scale=f"{content.window.scale:g}",
        foveated=content.window.foveation > 0,
        sift_window=f"{SIFT_WINDOW:g}",
        photos=[first, second],
        marks=_marks(content.points, first),
        points=[
            {
                "why": point.why,
                "context": _context(content.images[0], content.orientations[0], point, content.window),
                "patch": _patch(point.patch, content.window, "what a network sees of the point"),
                "histogram": histogram_svg(point.histogram),
                "where": _where(point, second, colours),
                "findings": [_finding(finding, content.window) for finding in point.findings],
            }
            for point in content.points
        ],
    )


class _Photo:
    """A photograph as the page shows it: upright and small."""

    def __init__(self, image: Bytes, orientation: int) -> None:
        self._size, self._orientation = (image.shape[1], image.shape[0]), orientation
        shown = upright(image, orientation)
        self._scale = _PHOTO_WIDTH / shown.shape[1]
        self.width, self.height = _PHOTO_WIDTH, round(shown.shape[0] * self._scale)
        size = (self.width, self.height)
        small = cv2.resize(shown, size, interpolation=cv2.INTER_AREA if self._scale < 1 else cv2.INTER_CUBIC)
        self.uri = jpeg_data_uri(np.asarray(small, np.uint8), 82)

    def place(self, xy: NDArray[np.floating]) -> Floats:
        """Return where pixels (N, 2) of the original are on the page's picture."""
        _, turned = upright_xy(xy, self._size, self._orientation)
        return (turned + 0.5) * self._scale


def _marks(points: Sequence[ExplainedPoint], photo: _Photo) -> list[tuple[str, str, int]]:
    """Return where to write the number of each point on the first photograph."""
    places = photo.place(np.array([point.xy for point in points]).reshape(-1, 2))
    return [(f"{x:.1f}", f"{y:.1f}", i) for i, (x, y) in enumerate(places, start=1)]


def _context(image: Bytes, orientation: int, point: ExplainedPoint, window: PatchWindow) -> Markup:
    """Draw the surroundings of a point, with what the network sees of them and SIFT's square within it."""
    half = max(_CONTEXT_PATCHES * window.scale * point.scale / 2, 24.0)
    step = _CONTEXT_PX / (2 * half)
    corner = point.xy - half
    move = np.array(
        [[step, 0, -step * corner[0] - 0.5 + step / 2], [0, step, -step * corner[1] - 0.5 + step / 2]]
    )
    crop = np.asarray(cv2.warpAffine(image, move, (_CONTEXT_PX, _CONTEXT_PX), flags=cv2.INTER_AREA), np.uint8)
    cos, sin = np.cos(point.angle), np.sin(point.angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    side = np.linspace(-1, 1, 9)[:-1]
    once = np.ones(len(side))
    border = np.concatenate(
        [np.column_stack(xy) for xy in ((side, -once), (once, side), (-side, once), (-once, -side))]
    )

    def outline(seen: PatchWindow) -> str:
        sigmas = [
            at * seen.distance(radius) / radius
            for at, radius in zip(border, np.hypot(*border.T), strict=True)
        ]
        pixels = _CONTEXT_PX / 2 + point.scale * step * np.array(sigmas) @ turn.T - 0.5
        _, shown = upright_xy(pixels, (_CONTEXT_PX, _CONTEXT_PX), orientation)
        return " ".join(f"{x + 0.5:.1f},{y + 0.5:.1f}" for x, y in shown)

    reach = window.scale * point.scale * step / 2
    ends = np.array([[0.0, 0.0], [reach, 0.0]]) @ turn.T + _CONTEXT_PX / 2 - 0.5
    _, ends = upright_xy(ends, (_CONTEXT_PX, _CONTEXT_PX), orientation)
    (x1, y1), (x2, y2) = ends + 0.5
    return Markup(
        f'<svg class="context" viewBox="0 0 {_CONTEXT_PX} {_CONTEXT_PX}" role="img" '
        f'aria-label="Surroundings of the point in the first photograph">'
        f'<image href="{jpeg_data_uri(upright(crop, orientation), 85)}" width="{_CONTEXT_PX}" height="{_CONTEXT_PX}"/>'
        f'<polygon class="seen" points="{outline(window)}"/>'
        f'<polygon class="window" points="{outline(PatchWindow(SIFT_WINDOW))}"/>'
        f'<path class="seen" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/></svg>'
    )


def _patch(patch: Bytes, window: PatchWindow, meaning: str) -> Markup:
    """Draw a patch in large pixels, with SIFT's window in it."""
    side = patch.shape[-1]
    _, data = cv2.imencode(".png", np.ascontiguousarray(patch.reshape(side, side)))
    uri = "data:image/png;base64," + base64.b64encode(data.tobytes()).decode("ascii")
    inner = side * window.radius(SIFT_WINDOW / 2)
    square = ""
    if inner < side:
        start = (side - inner) / 2
        square = f'<rect class="window" x="{start:g}" y="{start:g}" width="{inner:g}" height="{inner:g}"/>'
    return Markup(
        f'<svg class="patch" viewBox="0 0 {side} {side}" role="img" aria-label="Patch: {escape(meaning)}">'
        f'<image href="{uri}" width="{side}" height="{side}"/>{square}</svg>'
    )


def _where(point: ExplainedPoint, photo: _Photo, colours: dict[str, int]) -> Markup:
    """Draw on the second photograph the epipolar line, the verified place, and what each descriptor found."""
    parts = [f'<use href="#photo-2" width="{photo.width}" height="{photo.height}"/>']
    if point.line is not None:
        (x1, y1), (x2, y2) = photo.place(point.line)
        parts.append(f'<path class="line" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>')
    if point.true_xy2 is not None:
        ((x, y),) = photo.place(point.true_xy2[None])
        parts.append(f'<circle class="truth" cx="{x:.1f}" cy="{y:.1f}" r="17"/>')
    # Those found by several descriptors lie upon each other: the first is drawn largest.
    for rank, finding in enumerate(point.findings):
        ((x, y),) = photo.place(finding.nearest.xy[None])
        radius = max(4.0, 10.0 - 2.5 * rank)
        colour = colours[finding.descriptor]
        parts.append(f'<circle class="found c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>')
    told = "; ".join(f"{finding.descriptor}: {finding.nearest.verdict}" for finding in point.findings)
    return Markup(
        f'<svg class="where" viewBox="0 0 {photo.width} {photo.height}" role="img" '
        f'aria-label="{escape("Where each descriptor finds it in the second photograph. " + told)}">'
        f"{''.join(parts)}</svg>"
    )


def _finding(finding: Finding, window: PatchWindow) -> dict[str, Any]:
    ratio, limit = finding.ratio, finding.limit
    return {
        "descriptor": finding.descriptor,
        "neighbours": [
            {
                "which": which,
                "patch": _patch(neighbour.patch, window, f"{which} under {finding.descriptor}"),
                "histogram": histogram_svg(neighbour.histogram),
                "distance": f"{neighbour.distance:.2f}",
                "verdict": neighbour.verdict,
                # The second-nearest may well be wrong: it is there to be told apart.
                "kind": _KIND[neighbour.verdict] if which == "nearest" else "",
                "off": _off(neighbour),
            }
            for which, neighbour in (("nearest", finding.nearest), ("second", finding.second))
        ],
        "ratio": f"{ratio:.2f}",
        "limit": f"{limit:g}",
        "passes": bool(passes_ratio_test(ratio, limit)),
        "bar": f"{100 * min(ratio, 1):.1f}",
        "tick": f"{100 * min(limit, 1):.1f}",
    }


def _off(neighbour: Neighbour) -> str:
    off = neighbour.off_line_px
    if off is None or not np.isfinite(off):
        return ""
    return f"{off:.1f} px from its epipolar line" if off < 100 else f"{off:,.0f} px from its epipolar line"
