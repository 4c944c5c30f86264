"""Localise cropped, resized, squeezed and turned photographs, and compare sigma with the error.

    python benchmarks/localize_changed_photographs.py ../shared/cases/scenes.py ../shared/scenes/fountain-P11 \
        ../shared/scenes/castle-P19

Every other photograph of a scene is mapped (RootSIFT, intrinsics given), the others are the queries: as they are
and changed in each way of `CHANGES`, with EXIF (of the map's photographs too) and without. EXIF is what a camera
would have written of the whole photograph; changes keep it, as many programs do. Truth is the scene's own, after the
best similarity between the map and it. A Python file given as a scene has a function `room(folder)` that renders one.
Maps lie in --work and are reused; the results of scenes measured earlier are kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sfm.evaluation.poses import evaluate_poses
from sfm.evaluation.trajectory import read_trajectory
from sfm.files import write_json
from sfm.geometry.pose import Pose, rotation_angle_deg
from sfm.geometry.similarity import Sim3
from sfm.mapping.colmap_io import read_cameras_txt
from sfm.pipelines.localizer import Localization, Localizer
from sfm.pipelines.reconstruct import reconstruct

RESULTS = Path(__file__).resolve().parent / "results"
Picture = Image.Image
_FILM_DIAGONAL_MM = float(np.hypot(36, 24))


def crop(left: float, top: float, right: float, bottom: float) -> Callable[[Picture], Picture]:
    """Return a change that keeps a part, its borders in shares of the width and the height."""

    def change(picture: Picture) -> Picture:
        w, h = picture.size
        return picture.crop((round(left * w), round(top * h), round(right * w), round(bottom * h)))

    return change


def resize(width: float, height: float) -> Callable[[Picture], Picture]:
    """Return a change of the size by two shares."""

    def change(picture: Picture) -> Picture:
        size = round(width * picture.width), round(height * picture.height)
        return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=None)

    return change


def turn(quarters: int) -> Callable[[Picture], Picture]:
    """Return a turn by quarters."""
    return lambda picture: picture.rotate(90 * quarters, expand=True)


def to_old_size(change: Callable[[Picture], Picture]) -> Callable[[Picture], Picture]:
    """Return a change after which the picture is resized to the size it had."""
    return lambda picture: change(picture).resize(picture.size, Image.Resampling.LANCZOS)


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "whole": lambda picture: picture,
    "half size": resize(0.5, 0.5),
    "turned by 90 degrees": turn(1),
    "middle cut out": crop(0.2, 0.2, 0.8, 0.8),
    "upper left cut out": crop(0, 0, 0.6, 0.6),
    "lower right cut out": crop(0.45, 0.45, 1, 1),
    "left half": crop(0, 0, 0.5, 1),
    "strip": crop(0, 0.1, 1, 0.6),
    "middle enlarged to the old size": to_old_size(crop(0.25, 0.25, 0.75, 0.75)),
    "upper right enlarged to the old size": to_old_size(crop(0.4, 0, 1, 0.6)),
    "square enlarged to the old size": to_old_size(crop(0.15, 0, 0.8, 1)),
    "squeezed to 75% of the width": resize(0.75, 1),
    "squeezed to 60% of the height": resize(1, 0.6),
}


# How a camera that took the changed picture would be turned; PIL turns counterclockwise.
TURNED = {"turned by 90 degrees": np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])}


def main() -> None:
    """Measure every scene, write the results and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", type=Path, nargs="+", help="folders with images/ and ground_truth/")
    parser.add_argument(
        "--work", type=Path, default=Path("localize-changed"), help="folder for maps and queries"
    )
    parser.add_argument(
        "--queries", type=int, default=None, help="take so many queries of each scene, evenly  [default: all]"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON file")
    arguments = parser.parse_args()
    out = arguments.results / "localize_changed_photographs.json"
    scenes = json.loads(out.read_text(encoding="utf-8"))["scenes"] if out.is_file() else {}
    for path in arguments.scenes:
        name, images, truth = scene_of(path, arguments.work)
        scenes[name] = list(measure(name, images, truth, arguments.work, arguments.queries))
        print_table(name, scenes[name])
        rows = [row for scene in scenes.values() for row in scene]
        summary = {name: summarize(scene) for name, scene in [*scenes.items(), ("all", rows)]}
        write_json(out, {"summary": summary, "scenes": scenes})
    print_table("all", rows)


def scene_of(path: Path, work: Path) -> tuple[str, Path, Path]:
    """Return the name of a scene, its images and its truth; rendered if `path` is a Python file."""
    if path.suffix != ".py":
        return path.name, path / "images", path / "ground_truth"
    folder = work / "room"
    if not folder.is_dir():
        spec = importlib.util.spec_from_file_location("scenes", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.room(str(folder))
    return "room", folder / "images", folder / "truth"


def measure(
    name: str, images: Path, truth_path: Path, work: Path, queries: int | None
) -> Iterator[dict[str, Any]]:
    """Yield a row for every query, change and kind of EXIF."""
    truth = read_trajectory(truth_path)
    for with_exif in (False, True):
        localizer = localizer_for(work / f"{name}-{'exif' if with_exif else 'plain'}", images, truth_path)
        evaluation = evaluate_poses(localizer.sparse_map.poses, truth)
        print(
            f"{name}: {len(localizer.sparse_map.images)} mapped, ATE {evaluation.ate_rmse:.4f} m", flush=True
        )
        exif, chosen = exif_of(truth_path, with_exif), evenly(photographs(images)[1::2], queries)
        for query, change, result in tries(localizer, chosen, work / f"{name}-queries", exif):
            yield {
                "query": query,
                "change": change,
                "exif": with_exif,
                **compare(result, evaluation.truth_from_map, truth.poses[query], change),
            }


def localizer_for(work: Path, images: Path, truth: Path) -> Localizer:
    """Map every other photograph, or take the map there is."""
    mapped = work / "images"
    if not mapped.is_dir():
        mapped.mkdir(parents=True)
        for path in photographs(images)[0::2]:
            save(Image.open(path), mapped / path.name, exif_of(truth, work.name.endswith("exif")))
    reconstruct(
        mapped,
        work / "map",
        descriptor="sift",
        intrinsics=truth / "cameras.txt",
    )
    return Localizer(work / "map")


def tries(
    localizer: Localizer, queries: list[Path], folder: Path, exif: Image.Exif | None
) -> Iterator[tuple[str, str, Localization]]:
    """Localise every query in every change."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in queries:
        for change, apply in CHANGES.items():
            query = folder / path.name
            with Image.open(path) as picture:
                save(apply(picture.convert("RGB")), query, exif)
            yield path.name, change, localizer.localize(query)


def photographs(images: Path) -> list[Path]:
    """Return the paths of a scene's photographs in order."""
    return sorted(path for path in images.iterdir() if path.suffix.lower() in (".jpg", ".png"))


def evenly(paths: list[Path], count: int | None) -> list[Path]:
    """Return `count` of some paths, evenly spaced; all for None."""
    if count is None or count >= len(paths):
        return paths
    return [paths[round((i + 0.5) * len(paths) / count - 0.5)] for i in range(count)]


def exif_of(truth: Path, wanted: bool) -> Image.Exif | None:
    """Return what a camera would have written of its whole photograph, its focal length in whole millimetres."""
    if not wanted:
        return None
    camera = next(iter(read_cameras_txt(truth / "cameras.txt").values()))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Test", "Camera"
    exif.get_ifd(0x8769)[0xA405] = round(
        camera.focal_px / np.hypot(camera.width, camera.height) * _FILM_DIAGONAL_MM
    )
    return exif


def save(picture: Picture, path: Path, exif: Image.Exif | None) -> None:
    """Write a JPEG of good quality."""
    picture.save(path, "JPEG", quality=95, subsampling=0, **({"exif": exif.tobytes()} if exif else {}))


def compare(result: Localization, truth_from_map: Sim3, true: Pose, change: str) -> dict[str, Any]:
    """Return the errors of a pose beside what it claims, in metres and degrees; of a refusal the reason."""
    pose, found = result.cam_from_world, result.found
    if pose is None or found is None or found.uncertainty is None:
        return {"refusal": result.refusal}
    in_truth = truth_from_map.transform_pose(pose)
    rotation = TURNED.get(change, np.eye(3)) @ true.rotation
    return {
        "refusal": None,
        "error_m": float(np.linalg.norm(in_truth.center - true.center)),
        "sigma_m": truth_from_map.scale * found.uncertainty.position,
        "sigma_deg": found.uncertainty.rotation_deg,
        "sigma_px": found.uncertainty.sigma_px,
        "error_deg": rotation_angle_deg(in_truth.rotation @ rotation.T),
        "inliers": result.inliers,
        "matches": found.matches,
        "camera": found.guess.source if found.guess else None,
        "params": list(result.camera.params) if result.camera else None,
    }


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return counts, quantiles of the error, and how many errors sigma covers."""
    found = [row for row in rows if row["refusal"] is None]
    errors, sigmas = (np.array([row[key] for row in found]) for key in ("error_m", "sigma_m"))
    if not found:
        return {"tries": len(rows), "found": 0}
    return {
        "tries": len(rows),
        "found": len(found),
        "median_error_m": float(np.median(errors)),
        "p90_error_m": float(np.quantile(errors, 0.9)),
        "largest_error_m": float(errors.max()),
        "median_sigma_m": float(np.median(sigmas)),
        "within_2_sigma": float(np.mean(errors <= 2 * sigmas)),
        "within_4_sigma": float(np.mean(errors <= 4 * sigmas)),
        "largest_error_in_sigmas": float((errors / sigmas).max()),
    }


def print_table(name: str, rows: list[dict[str, Any]]) -> None:
    """Print a row of the docs' table for every change."""
    print(f"\n{name}\n")
    print("| change | found | median, largest error (m) | median sigma (m) | within 2 sigma |")
    print("|---|---|---|---|---|")
    for change in [*CHANGES, "all"]:
        some = [row for row in rows if change in (row["change"], "all")]
        s = summarize(some)
        if not s["found"]:
            print(f"| {change} | 0 of {s['tries']} | | | |")
            continue
        print(
            f"| {change} | {s['found']} of {s['tries']} | {s['median_error_m']:.4f}, {s['largest_error_m']:.4f} "
            f"| {s['median_sigma_m']:.4f} | {s['within_2_sigma']:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
