"""Camera paths of several maps over each other, seen from above, and how far each is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from sfm.geometry.pose import Pose
from sfm.mapping.camera_shapes import names_by_folder
from sfm.report.comparison import CommonFrame
from sfm.report.viewpoint import up_direction

Floats = NDArray[np.float64]

_SIDE = 480.0
_MARGIN = 18.0
_CHART_WIDTH, _CHART_HEIGHT = 480.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 68.0, 10.0, 10.0, 30.0
# Colours of the style sheet: an arm keeps its own in table, paths and chart.
COLOURS = 6


def paths_from_above(
    frame: CommonFrame, colours: Mapping[str, int], orientations: Mapping[str, int] | None = None
) -> Markup:
    """Return the paths of all aligned maps as an SVG element, seen along gravity, the reference broad.

    Parameters
    ----------
    frame
        The maps in one frame.
    colours
        Number of each arm's colour, by name.
    orientations
        EXIF orientation of images by name, where it is not 1.
    """
    aligned = [arm for arm in frame.arms if arm.aligned]
    paths = [(arm.arm.name, _paths(arm.sparse_map.poses)) for arm in aligned]
    reference = _paths(frame.poses)
    up = up_direction(aligned[0].sparse_map, orientations) if aligned else np.array([0.0, -1.0, 0.0])
    everything = np.concatenate([line for _, lines in paths for line in lines] + reference)
    axes = _horizontal_axes(np.concatenate(reference), up)
    flat = everything @ axes.T
    # A camera far off must not shrink all the paths to a dot.
    trusted = np.concatenate(reference) @ axes.T
    low, high = trusted.min(axis=0), trusted.max(axis=0)
    room = 0.35 * float((high - low).max() or 1.0)
    low, high = np.maximum(flat.min(axis=0), low - room), np.minimum(flat.max(axis=0), high + room)
    scale = (_SIDE - 2 * _MARGIN) / (float((high - low).max()) or 1.0)
    width, height = (high - low) * scale + 2 * _MARGIN

    def drawn(lines: Sequence[Floats]) -> str:
        return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in place(line)) for line in lines)

    def place(line: Floats) -> Floats:
        return (line @ axes.T - low) * scale + _MARGIN

    body = f'<path class="reference" d="{drawn(reference)}"/>'
    for name, lines in paths:
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for line in lines for x, y in place(line))
        body += (
            f'<g class="path-of c{colours[name]}"><title>{escape(name)}</title>'
            f'<path d="{drawn(lines)}"/><path class="dots" d="{dots}"/></g>'
        )
    spoken = (
        f"Camera paths from above, aligned with {frame.reference}: {', '.join(name for name, _ in paths)}."
    )
    return Markup(
        f'<svg class="paths" viewBox="0 0 {width:.1f} {height:.1f}" role="img" '
        f'aria-label="{escape(spoken)}">{body}</svg>'
    )


def distance_chart(frame: CommonFrame, names: Sequence[str], colours: Mapping[str, int]) -> Markup:
    """Return how far each camera of each map is from the reference as an SVG element, on a logarithmic axis."""
    shown = [arm for arm in frame.arms if arm.distances and arm.arm.name != frame.reference]
    order = {name: i for i, name in enumerate(sorted(names))}
    values = [d for arm in shown for d in arm.distances.values() if d > 0]
    low, high = _decades(values)

    def x(name: str) -> float:
        return _LEFT + (order[name] + 0.5) / max(len(order), 1) * (_CHART_WIDTH - _LEFT - _RIGHT)

    def y(distance: float) -> float:
        share = (np.log10(max(distance, 10.0**low)) - low) / (high - low)
        return _CHART_HEIGHT - _BOTTOM - share * (_CHART_HEIGHT - _TOP - _BOTTOM)

    unit = f" {frame.unit}" if frame.unit else ""
    body = ""
    for power in range(low, high + 1):
        at = y(10.0**power)
        body += (
            f'<path class="axis" d="M{_LEFT} {at:.1f}H{_CHART_WIDTH - _RIGHT}"/>'
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_power(power)}{escape(unit)}</text>'
        )
    for arm in shown:
        known = [name for name in sorted(arm.distances) if name in order]
        line = "M" + "L".join(f"{x(name):.1f} {y(arm.distances[name]):.1f}" for name in known)
        dots = "".join(f"M{x(name):.1f} {y(arm.distances[name]):.1f}h0" for name in known)
        body += (
            f'<g class="path-of c{colours[arm.arm.name]}"><title>{escape(arm.arm.name)}</title>'
            f'<path d="{line}"/><path class="dots" d="{dots}"/></g>'
        )
    body += (
        f'<text x="{_LEFT}" y="{_CHART_HEIGHT - 8}">first image</text>'
        f'<text x="{_CHART_WIDTH - _RIGHT}" y="{_CHART_HEIGHT - 8}" text-anchor="end">last image</text>'
    )
    spoken = f"Distance of each camera to {frame.reference}, by image."
    return Markup(
        f'<svg class="distances" viewBox="0 0 {_CHART_WIDTH:g} {_CHART_HEIGHT:g}" role="img" '
        f'aria-label="{escape(spoken)}">{body}</svg>'
    )


def registration_strip(names: Sequence[str], registered: Mapping[str, object]) -> Markup:
    """Return a strip as an SVG element with a cell for each photograph, filled if it is in the map."""
    ordered = sorted(names)
    width = 1000 / max(len(ordered), 1)
    gap = min(1.5, width / 4)
    cells = "".join(
        f'<rect class="{"in" if name in registered else "out"}" x="{i * width:.2f}" y="0" '
        f'width="{width - gap:.2f}" height="18"><title>{escape(name)}'
        f"{'' if name in registered else ': left out'}</title></rect>"
        for i, name in enumerate(ordered)
    )
    inside = sum(name in registered for name in ordered)
    return Markup(
        f'<svg class="strip" viewBox="0 0 1000 18" preserveAspectRatio="none" role="img" '
        f'aria-label="{inside} of {len(ordered)} images in the map">{cells}</svg>'
    )


def _paths(poses: Mapping[str, Pose]) -> list[Floats]:
    """Return a path of centres for each folder, in the order of names."""
    return [np.array([poses[name].center for name in names]) for names in names_by_folder(poses).values()]


def _horizontal_axes(centers: Floats, up: Floats) -> Floats:
    """Return right and down of a view from above, (2, 3), the path's longer extent to the right."""
    flat = centers - centers.mean(axis=0)
    flat = flat - np.outer(flat @ up, up)
    right = np.linalg.svd(flat, full_matrices=False)[2][0]
    right = right - (right @ up) * up
    length = np.linalg.norm(right)
    if length < 1e-9:
        right = np.cross(up, np.eye(3)[int(np.argmin(np.abs(up)))])
        length = np.linalg.norm(right)
    right = right / length
    if flat[-1] @ right < flat[0] @ right:
        right = -right
    return np.stack([right, np.cross(right, up)])


def _decades(values: Sequence[float]) -> tuple[int, int]:
    if not values:
        return -1, 0
    low = int(np.floor(np.log10(np.percentile(values, 2))))
    high = int(np.ceil(np.log10(max(values))))
    return low, max(high, low + 1)


def _power(exponent: int) -> str:
    return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"
