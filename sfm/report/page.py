"""The pages: one HTML file each, which holds all it needs and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sfm.files import write_text
from sfm.json_values import json_text
from sfm.mapping.sparse_map import SparseMap
from sfm.options import flag_of
from sfm.report.content import ReportContent
from sfm.report.figures import Histogram, angle_histogram, error_histogram, track_length_histogram
from sfm.report.gallery import jpeg_data_uri, match_figure
from sfm.report.graph_drawing import ViewGraphDrawing
from sfm.report.pictures import draw_map
from sfm.report.scene import MAX_SHOWN_POINTS, pack_scene
from sfm.report.statistics import triangulation_angles_deg
from sfm.words import listed

_STILL_SIZE = (1280, 720)
Number = tuple[str, str, str]  # value, what it is a part of, meaning


def write_report(
    content: ReportContent, path: Path, *, max_points: int = MAX_SHOWN_POINTS, made_of: str = ""
) -> None:
    """Write the report of a map as one HTML file.

    Parameters
    ----------
    content
        What to show.
    path
        The file.
    max_points
        Larger clouds are thinned to this many points for display; the page says so.
    made_of
        Digest of what the page shows, its last line: a whole page has it. Without one there is no such line.
    """
    write_text(path, render_report(content, max_points=max_points) + _last_line(made_of))


def is_report_of(path: Path, made_of: str) -> bool:
    """Whether a file is a whole report that `write_report` made of what has this digest."""
    try:
        return path.read_bytes().endswith(_last_line(made_of).encode())
    except OSError:
        return False


def _last_line(made_of: str) -> str:
    return f"\n<!-- made of {made_of} -->\n" if made_of else ""


def render_report(content: ReportContent, *, max_points: int = MAX_SHOWN_POINTS) -> str:
    """Return the report of a map as HTML; see `write_report`."""
    sparse_map = content.sparse_map
    scene = pack_scene(sparse_map, content.pairs, max_points=max_points, orientations=content.orientations)
    graph = None
    if content.pairs:
        graph = ViewGraphDrawing(content.image_names, content.pairs, sparse_map.poses)
    return render_page(
        "report.html",
        ("viewer.js", "controls.js", "cameras.js", "report.js"),
        title=content.title,
        eyebrow=" · ".join(["Sparse map", *_made_by(content.run)]),
        numbers=_numbers(content),
        warnings=content.warnings,
        picture=jpeg_data_uri(draw_map(sparse_map, _STILL_SIZE, orientations=content.orientations)),
        scene=scene,
        cameras=scene["cameras"],
        thinned=thinned_note(scene),
        left_out=sorted(content.left_out.items()),
        left_out_lede=_left_out_lede(content),
        further_models=_further_models(content.further_models),
        histograms=_histograms(content),
        graph=graph,
        graph_lede=_graph_lede(graph, content),
        gallery=[match_figure(pair) for pair in content.gallery],
        check_rows=_check_rows(content.run),
        run=content.run,
        again_lede=f"Mapped {content.run['mapped']}." if content.run.get("mapped") else "",
        command=content.run.get("command", ""),
        options=option_rows(content.run),
        stages=stage_rows(content.run),
        versions=list(content.run.get("versions", {}).items()),
        run_json=json_text(content.run),
    )


def render_page(
    template: str, scripts: Sequence[str], *, asks_its_server: bool = False, **values: Any
) -> str:
    """Render a template of this package with its style sheet and scripts inlined.

    The page's own content security policy names these by their hashes and forbids everything else, requests
    to anywhere included, unless the page has to ask the server it comes from.
    """
    style, script = asset("page.css"), "\n".join(asset(name) for name in scripts)
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash_source(style)}; script-src {_hash_source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    if asks_its_server:
        policy += "; connect-src 'self'"
    return (
        _templates()
        .get_template(template)
        .render(policy=policy, style=Markup(style), script=Markup(script), **values)
    )


def asset(name: str) -> str:
    """Return the text of a style sheet or script of this package."""
    return files("sfm.report").joinpath("assets", name).read_text(encoding="utf-8")


def thinned_note(scene: Mapping[str, Any]) -> str:
    """Return what to say of a cloud that is not shown whole; empty if it is."""
    points = scene["points"]
    if points["shown"] == points["total"]:
        return ""
    return (
        f"Shown are {points['shown']:,} of {points['total']:,} points, evenly chosen; the map holds them all."
    )


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("sfm.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _hash_source(text: str) -> Markup:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return Markup(f"'sha256-{digest}'")


def headline_numbers(sparse_map: SparseMap, total: int) -> list[Number]:
    """Return the numbers of a map of `total` images that stand above everything else."""
    return [
        (f"{len(sparse_map.images):,}", f"of {total:,}", "images in the map"),
        (f"{len(sparse_map.xyz):,}", "", "points"),
        (f"{sparse_map.mean_track_length:.2f}", "", "images see a point"),
        (f"{sparse_map.mean_error_px:.2f}", "px", "reprojection error"),
    ]


def _numbers(content: ReportContent) -> list[Number]:
    numbers = headline_numbers(content.sparse_map, len(content.image_names))
    accepted = sum(pair.accepted for pair in content.pairs)
    if content.pairs:
        numbers.append((f"{accepted:,}", f"of {len(content.pairs):,}", "pairs verified"))
    return numbers


def _left_out_lede(content: ReportContent) -> str:
    count = len(content.left_out)
    return f"{count:,} of {len(content.image_names):,} images." if count else ""


def _further_models(sizes: Sequence[int]) -> str:
    if not sizes:
        return ""
    models = "One smaller model was" if len(sizes) == 1 else f"{len(sizes)} smaller models were"
    return f"{models} made besides, of {_listed(f'{size:,}' for size in sizes)} images."


def _graph_lede(graph: ViewGraphDrawing | None, content: ReportContent) -> str:
    if graph is None:
        return ""
    parts = len(graph.components)
    told = f"{graph.graph.number_of_edges():,} of {len(content.pairs):,} pairs verified."
    told += " They connect all images." if parts == 1 and not graph.loose else ""
    if parts > 1:
        told += f" They make {parts} components."
    if graph.loose:
        told += f" {len(graph.loose):,} {'image has' if len(graph.loose) == 1 else 'images have'} no verified pair."
    return told


def _histograms(content: ReportContent) -> list[Histogram]:
    sparse_map = content.sparse_map
    if not len(sparse_map.xyz):
        return []
    histograms = [track_length_histogram(sparse_map.track_length), error_histogram(sparse_map.error_px)]
    angles = triangulation_angles_deg(sparse_map)
    return [*histograms, angle_histogram(angles)] if len(angles) else histograms


def _made_by(run: Mapping[str, Any]) -> list[str]:
    """Return what is worth saying above the title: the descriptor and the day."""
    return [str(run[key]).partition("T")[0] for key in ("descriptor", "started") if run.get(key)]


def _check_rows(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the self-check found, for a table: the finding and its number."""
    check = run.get("self_check") or {}
    rows = [
        (f"Focal length of camera {camera}, share of what EXIF says", f"{ratio:.3f}")
        for camera, ratio in check.get("focal_ratios", {}).items()
    ]
    if gps := check.get("gps"):
        rows.append(
            ("Distance to GPS positions, rms", f"{gps['rms_m']:.1f} m of {gps['spread_m']:.0f} m spread")
        )
    if check.get("pairs"):
        rows.append(
            ("Verified pairs that contradict the map", f"{check['contradicting_pairs']} of {check['pairs']}")
        )
    if misplaced := check.get("misplaced"):
        rows.append(("Images that no pair which agrees with the map holds in place", listed(misplaced)))
    return rows


def option_rows(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the options of all stages as flags and values; what was left open is not listed."""
    options = run.get("options") or {}
    return [
        (flag_of(name), _told(value))
        for stage in options.values()
        if isinstance(stage, Mapping)
        for name, value in stage.items()
        if value is not None
    ]


def stage_rows(run: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, time and counts of each stage."""
    rows = []
    for name, stage in (run.get("stages") or {}).items():
        counts = [_counted(value, key) for key, value in stage.items() if _is_count(value)]
        rows.append((name.capitalize(), f"{stage.get('seconds', float('nan')):.1f} s", ", ".join(counts)))
    return rows


def _counted(count: int, things: str) -> str:
    return f"{count:,} {things.removesuffix('s') if count == 1 else things}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
