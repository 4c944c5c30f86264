"""The comparison as one HTML file, of the same make as a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sfm.files import write_text
from sfm.json_values import json_text
from sfm.report.comparison import (
    Arm,
    Cell,
    CommonFrame,
    ComparisonContent,
    Metric,
)
from sfm.report.comparison_picture import draw_arms
from sfm.report.gallery import MatchFigure, jpeg_data_uri, match_figure
from sfm.report.page import option_rows, render_page, stage_rows, thinned_note
from sfm.report.path_drawing import COLOURS, distance_chart, paths_from_above, registration_strip
from sfm.report.scene import pack_scene

_STILL_SIZE = (960, 720)
# All maps together are as heavy for the browser as the map of a report.
_MAX_POINTS_TOGETHER = 240_000


def write_comparison(content: ComparisonContent, path: Path) -> None:
    """Write the comparison as one HTML file."""
    write_text(path, render_comparison(content))


def render_comparison(content: ComparisonContent) -> str:
    """Return the comparison as HTML; see `write_comparison`."""
    colours = {arm.name: i % COLOURS for i, arm in enumerate(content.arms)}
    frame = content.frame
    stages = _stages(content, colours)
    return render_page(
        "compare.html",
        ("viewer.js", "controls.js", "compare.js"),
        title=content.title,
        eyebrow=f"Comparison of {len(content.arms)} maps of {len(content.image_names):,} photographs",
        arms=[
            (
                arm,
                colours[arm.name],
                len(arm.sparse_map.images) if arm.sparse_map else None,
                _correct_told(arm),
            )
            for arm in content.arms
        ],
        total=len(content.image_names),
        rows=[
            (metric, [_cell_texts(metric, cell) for cell in cells])
            for metric, cells in content.table
            if any(cell.count for cell in cells)
        ],
        table_lede=_table_lede(content),
        stages=stages,
        frame_lede=_frame_lede(frame),
        paths=paths_from_above(frame, colours, content.orientations)
        if frame and _comparable(frame)
        else None,
        distances=distance_chart(frame, content.image_names, colours)
        if frame and _has_distances(frame)
        else None,
        distance_rows=_distance_rows(frame, colours),
        distance_unit=frame.unit if frame else "",
        reference=frame.reference if frame else "",
        strips=[
            (arm.name, colours[arm.name], registration_strip(content.image_names, arm.sparse_map.poses))
            for arm in content.arms
            if arm.sparse_map
        ],
        gallery=_gallery(content.arms),
        colours=colours,
        run=content.run,
        command=content.run.get("command", ""),
        options=option_rows(content.run),
        run_stages=stage_rows(content.run),
        versions=list(content.run.get("versions", {}).items()),
        run_json=json_text(content.run),
        scenes=[stage["scene"] for stage in stages if stage["scene"]],
    )


def _correct_told(arm: Arm) -> str:
    """Return how many images are in a correct model, in words; empty where that is not known."""
    known = [value for value in arm.samples.get("correct_images", ()) if np.isfinite(value)]
    if not known or not arm.sparse_map:
        return ""
    return f"{np.median(known):g} in a correct model" if max(known) > 0 else "no model is correct"


def _cell_texts(metric: Metric, cell: Cell) -> tuple[str, str, bool]:
    """Return the median, the range if there is one, and whether to mark it."""
    if not cell.count:
        return "–", "", False
    median = f"{cell.median:,.{metric.digits}f}"
    if cell.count == 1 or cell.low == cell.high:
        return median, "", cell.best
    return median, f"{cell.low:,.{metric.digits}f} to {cell.high:,.{metric.digits}f}", cell.best


def _table_lede(content: ComparisonContent) -> str:
    repeats = max((len(values) for arm in content.arms for values in arm.samples.values()), default=0)
    if repeats < 2:
        return "One run each: how far runs differ is not known, so nothing is marked as better."
    return (
        f"Medians and ranges of {repeats} runs each. Marked is what is better in every run, by more than the "
        "runs of either map spread."
    )


def _stages(content: ComparisonContent, colours: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return what is shown of each arm, and why there is no map where there is none."""
    frame = content.frame
    aligned = {arm.arm.name: arm for arm in frame.arms} if frame else {}
    stills = draw_arms(content, _STILL_SIZE)
    stages = []
    for arm in content.arms:
        stage: dict[str, Any] = {
            "arm": arm,
            "colour": colours[arm.name],
            "scene": None,
            "notes": list(arm.warnings),
        }
        if frame and arm.name in aligned:
            shown = aligned[arm.name]
            scene = pack_scene(
                shown.sparse_map,
                max_points=_MAX_POINTS_TOGETHER // len(aligned),
                frame=frame.largest if shown.aligned else None,
                orientations=content.orientations,
            )
            stage |= {"scene": scene, "picture": jpeg_data_uri(stills[arm.name])}
            if note := thinned_note(scene):
                stage["notes"].append(note)
            if not shown.aligned:
                stage["notes"].append(
                    "Shown in a frame of its own: it has too few images in common with the others."
                )
        stages.append(stage)
    return stages


def _frame_lede(frame: CommonFrame | None) -> str:
    if frame is None:
        return ""
    return f"All in one frame, aligned with {frame.reference}. Turning one turns all."


def _comparable(frame: CommonFrame) -> bool:
    return any(arm.aligned for arm in frame.arms)


def _has_distances(frame: CommonFrame) -> bool:
    return any(arm.distances and arm.arm.name != frame.reference for arm in frame.arms)


def _distance_rows(
    frame: CommonFrame | None, colours: Mapping[str, int]
) -> list[tuple[str, int, int, str, str, str]]:
    """Return name, colour, number of images, rmse, median and largest distance of each aligned arm."""
    rows = []
    for arm in frame.arms if frame else ():
        if arm.distances and arm.arm.name != (frame.reference if frame else ""):
            values = np.array(list(arm.distances.values()))
            numbers = (math.sqrt(float((values**2).mean())), float(np.median(values)), float(values.max()))
            rmse, median, most = (f"{number:.3g}" for number in numbers)
            rows.append((arm.arm.name, colours[arm.arm.name], len(values), rmse, median, most))
    return rows


def _gallery(arms: Sequence[Arm]) -> list[tuple[str, str, str, list[tuple[str, MatchFigure]]]]:
    """Return the pairs of the galleries with the figure of each arm that has it."""
    pairs: dict[tuple[str, str], list[tuple[str, MatchFigure]]] = {}
    notes: dict[tuple[str, str], str] = {}
    for arm in arms:
        for pair in arm.gallery:
            key = (pair.name1, pair.name2)
            pairs.setdefault(key, []).append((arm.name, match_figure(pair)))
            notes.setdefault(key, pair.note)
    return [(*key, notes[key], figures) for key, figures in pairs.items()]
