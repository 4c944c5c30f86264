"""A street that is rendered, photographed, mapped, and compared with the truth."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.evaluation.poses import Evaluation
from sfm.evaluation.trajectory import read_trajectory
from sfm.files import replaced_folder, write_image, write_json
from sfm.geometry.similarity import align_points
from sfm.options import as_recorded
from sfm.pipelines.compare import Comparison, compare
from sfm.pipelines.evaluate import evaluate
from sfm.pipelines.reconstruct import Reconstruction, reconstruct
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.progress import SILENT, Progress
from sfm.rendering.walk import StreetOptions, render_street
from sfm.report.pictures import draw_map
from sfm.workspace import Recipe, Workspace

Floats = NDArray[np.float64]

STREET_VERSION = 1
NIGHT = 1.0
# Few, because that is where descriptors differ; and three maps are soon made.
COMPARED_KEYPOINTS = 2000


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes
    ----------
    scene
        Folder of the photographs (images/) and of the truth (ground_truth/, a COLMAP model).
    reconstruction
        The map made of the photographs.
    evaluation
        How far it is from the truth, in metres and degrees.
    picture
        The map with the camera path in red and the true path in blue.
    """

    scene: Path
    reconstruction: Reconstruction
    evaluation: Evaluation
    picture: Path


def demo(
    out: Path | str = "sfm-demo",
    street: StreetOptions | None = None,
    options: ReconstructOptions | None = None,
    progress: Progress = SILENT,
) -> Demo:
    """Render a small street, reconstruct it from the pictures alone and measure the result.

    Parameters
    ----------
    out
        Output folder: new, empty or of an earlier demo.
    street
        What is rendered.
    options
        How it is reconstructed.
    progress
        Hears of the work.
    """
    out, street = Path(out), street or StreetOptions()
    scene = out / "scene"
    with Workspace(out).lock():
        _render_once(scene, street, progress)
        result = reconstruct(scene / "images", out / "map", options, progress)
        truth = scene / "ground_truth"
        evaluation = evaluate(result.out, truth)
        picture = out / "map.png"
        write_image(picture, draw_map(result.map, truth=_true_path(result, truth)))
    return Demo(scene, result, evaluation, picture)


def compare_by_night(
    out: Path | str = "sfm-demo",
    street: StreetOptions | None = None,
    options: ReconstructOptions | None = None,
    progress: Progress = SILENT,
) -> Comparison:
    """Map the street, every second photograph taken at night, with SIFT and the networks that ship.

    Photographs of day and night are hard to match with each other: descriptors differ where they do not by day.

    Parameters
    ----------
    out
        Output folder of the demo; the maps, compare.html and compare.png go into `compare` in it.
    street, progress
        As for `demo`.
    options
        As for `demo`, without the descriptor. Default: 2,000 keypoints a photograph.
    """
    out, street = Path(out), replace(street or StreetOptions(), darkness=NIGHT)
    scene = out / "scene-by-night"
    with Workspace(out).lock():
        _render_once(scene, street, progress)
        return compare(
            scene / "images",
            out / "compare",
            ground_truth=scene / "ground_truth",
            options=options or ReconstructOptions.of(max_keypoints=COMPARED_KEYPOINTS),
            progress=progress,
        )


def _render_once(scene: Path, street: StreetOptions, progress: Progress) -> None:
    """Render the scene unless an earlier run made it with the same options."""
    recipe = Recipe("street", STREET_VERSION, as_recorded(street), {})
    mark = scene / "recipe.json"
    with suppress(OSError, ValueError):
        if json.loads(mark.read_text(encoding="utf-8"))["digest"] == recipe.digest:
            progress.say("Reused: the rendered photographs.")
            return
    if scene.exists() and not mark.is_file():
        raise InputError(
            f"{scene} was not made by `sfm demo`: move it away, or choose another folder with --out."
        )
    with replaced_folder(scene) as new:
        render_street(new, street, progress)
        write_json(new / mark.name, {"digest": recipe.digest, "options": as_recorded(street)})


def _true_path(result: Reconstruction, truth: Path) -> Floats:
    """Return the true camera centres in the order of capture, (N, 3), in the frame of the map."""
    poses = read_trajectory(truth).poses
    registered = result.map.poses
    common = sorted(registered.keys() & poses.keys())
    map_from_truth = align_points(
        np.array([poses[name].center for name in common]),
        np.array([registered[name].center for name in common]),
    ).sim3
    return map_from_truth.apply(np.array([poses[name].center for name in sorted(poses)]))
