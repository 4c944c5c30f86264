"""How many photographs are localised in a map made by day, as it gets darker: the curve of docs/localization.md.

    python benchmarks/localize_at_night.py ../shared/scenes/castle-P19 -d sift -d triplet -d sosnet

Every other photograph of a surveyed scene is mapped with each descriptor, intrinsics given. The others are the
queries, as they are and rendered at growing darkness (`sfm.rendering.night`, the same nights for all descriptors).
A pose counts as right within 0.25 m and 2 degrees, after the best similarity between the map and the survey.
Maps lie in --work and are reused; every finished level is kept in the results, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.evaluation.poses import evaluate_poses
from sfm.evaluation.trajectory import read_trajectory
from sfm.features.choice import description_named
from sfm.files import write_json
from sfm.geometry.pose import Pose, rotation_angle_deg
from sfm.images.decode import load_rgb
from sfm.images.photo_set import Photo, read_photo_set
from sfm.localization.options import LocalizationOptions
from sfm.options import as_recorded
from sfm.pipelines.localizer import Localizer
from sfm.pipelines.reconstruct import reconstruct
from sfm.rendering.night import render_night
from sfm.workspace import digest_of

RESULTS = Path(__file__).resolve().parent / "results"
LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
WITHIN_M, WITHIN_DEG = 0.25, 2.0
# Raised when another night is rendered from the same number.
NIGHT_VERSION = 1


def main() -> None:
    """Measure, write the results and draw them."""
    arguments = parse()
    scene: Path = arguments.scene
    out = arguments.results / f"localize_at_night-{scene.name}.json"
    results = read_results(out, scene.name)
    photos = read_photo_set(scene / "images").photos
    for descriptor in arguments.descriptor:
        measured = measure(descriptor, scene, photos, arguments.work, results["descriptors"].get(descriptor))
        for state in measured:
            results["descriptors"][descriptor] = state
            write_json(out, results)
    print_table(results)
    draw(results, out.with_suffix(".png"))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "scene", type=Path, help="folder with images/ and ground_truth/, a COLMAP model in metres"
    )
    parser.add_argument(
        "-d",
        "--descriptor",
        action="append",
        required=True,
        metavar="NAME[+pooling]",
        help="a descriptor; may be given several times",
    )
    parser.add_argument("--work", type=Path, default=Path("localize-at-night"), help="folder for the maps")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder for the JSON file and the chart"
    )
    arguments = parser.parse_args()
    try:
        for name in arguments.descriptor:
            description_named(name)
    except InputError as error:
        parser.error(str(error))
    return arguments


def read_results(path: Path, scene: str) -> dict[str, Any]:
    """Return earlier results to go on from."""
    if path.is_file():
        earlier: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return earlier
    return {"scene": scene, "within_m": WITHIN_M, "within_deg": WITHIN_DEG, "descriptors": {}}


def measure(
    descriptor: str, scene: Path, photos: tuple[Photo, ...], work: Path, earlier: dict[str, Any] | None
) -> Any:
    """Yield the state of a descriptor's results after every level."""
    mapped, queries = photos[0::2], photos[1::2]
    localizer = Localizer(build(descriptor, scene, mapped, work))
    truth = read_trajectory(scene / "ground_truth")
    evaluation = evaluate_poses(localizer.sparse_map.poses, truth)
    key = digest_of([NIGHT_VERSION, dict(localizer.index.recipe), as_recorded(LocalizationOptions())])
    if earlier is not None and earlier["key"] == key:
        state = earlier
    else:
        state = {
            "key": key,
            "mapped": len(mapped),
            "registered": len(localizer.sparse_map.images),
            "points": len(localizer.sparse_map.xyz),
            "map_ate_rmse_m": evaluation.ate_rmse,
            "levels": {},
        }
    by_day: dict[str, Pose] = {}
    # By day first, for comparison; then the darkest, which tell descriptors apart soonest.
    for level in (LEVELS[0], *reversed(LEVELS[1:])):
        if str(level) in state["levels"] and level > 0:
            continue
        rows = {}
        for number, photo in enumerate(queries):
            image = render_night(load_rgb(photo), level, np.random.default_rng(number))
            pose = locate(localizer, image)
            if level == 0 and pose is not None:
                by_day[photo.name] = evaluation.truth_from_map.transform_pose(pose)
            rows[photo.name] = errors(
                pose and evaluation.truth_from_map.transform_pose(pose),
                truth.poses[photo.name],
                by_day.get(photo.name),
            )
        state["levels"][str(level)] = {"queries": rows, **shares(rows)}
        print(
            f"{descriptor}, darkness {level}: {state['levels'][str(level)]['localized']:.0%} localised",
            flush=True,
        )
        yield state
    yield state


def build(descriptor: str, scene: Path, photos: tuple[Photo, ...], work: Path) -> Path:
    """Map the photographs by day, or take the map there is."""
    images = work / f"{scene.name}-mapped"
    images.mkdir(parents=True, exist_ok=True)
    for photo in photos:
        if not (images / photo.name).exists():
            shutil.copy(photo.path, images / photo.name)
    out = work / f"{scene.name}-{descriptor}"
    chosen = description_named(descriptor)
    intrinsics = scene / "ground_truth" / "cameras.txt"
    reconstruct(images, out, descriptor=chosen.descriptor, pooling=chosen.pooling, intrinsics=intrinsics)
    return out


def locate(localizer: Localizer, image: NDArray[np.uint8]) -> Pose | None:
    """Return the pose in the map, None where the photograph is refused."""
    return localizer.localize(image).cam_from_world


def errors(pose: Pose | None, true: Pose, day: Pose | None) -> dict[str, float | None]:
    """Compare a pose in metres with the surveyed one, and with what the same map made of the photograph by day."""
    answer: dict[str, float | None] = {"localized": float(pose is not None)}
    for name, other in (("survey", true), ("day", day)):
        known = pose is not None and other is not None
        answer[f"{name}_m"] = float(np.linalg.norm(pose.center - other.center)) if known else None  # type: ignore[union-attr]
        answer[f"{name}_deg"] = rotation_angle_deg(pose.rotation @ other.rotation.T) if known else None  # type: ignore[union-attr]
    return answer


def shares(rows: dict[str, dict[str, float | None]]) -> dict[str, float]:
    """Return the share of queries localised at all, near the survey, and near their own pose by day."""

    def near(row: dict[str, float | None], name: str) -> bool:
        metres, degrees = row[f"{name}_m"], row[f"{name}_deg"]
        return metres is not None and degrees is not None and metres <= WITHIN_M and degrees <= WITHIN_DEG

    values = list(rows.values())
    return {
        "localized": float(np.mean([row["localized"] for row in values])),
        "near_survey": float(np.mean([near(row, "survey") for row in values])),
        "near_day": float(np.mean([near(row, "day") for row in values])),
    }


def print_table(results: dict[str, Any]) -> None:
    """Print the rows of the table in the docs."""
    print(f"| descriptor | map's ATE (m) | {' | '.join(map(str, LEVELS))} |")
    print(f"|---|---|{'---|' * len(LEVELS)}")
    for name, state in results["descriptors"].items():
        for kind, told in (
            ("localized", "found"),
            ("near_survey", "near the survey"),
            ("near_day", "near its day"),
        ):
            cells = [
                f"{state['levels'][str(level)][kind]:.0%}" if str(level) in state["levels"] else "not yet"
                for level in LEVELS
            ]
            print(f"| {name}, {told} | {state['map_ate_rmse_m']:.2f} | {' | '.join(cells)} |")


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the shares over darkness."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    titles = {"near_survey": "of the surveyed pose", "near_day": "of the same photograph's pose by day"}
    for axis, (kind, title) in zip(axes, titles.items(), strict=True):
        for name, state in results["descriptors"].items():
            levels = sorted(state["levels"], key=float)
            values = [100 * state["levels"][level][kind] for level in levels]
            axis.plot([float(level) for level in levels], values, marker="o", label=name)
        axis.set_title(f"within {WITHIN_M} m, {WITHIN_DEG:g}° {title}", fontsize=10)
        axis.set_xlabel("darkness")
        axis.set_ylim(-3, 103)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("queries localised (%)")
    axes[0].legend()
    figure.suptitle(
        f"{results['scene']}: every other photograph mapped by day, the others looked for", fontsize=11
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
