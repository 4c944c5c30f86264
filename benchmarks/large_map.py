"""How time and memory of mapping grow with the number of images: a made-up flight whose verified pairs are known.

python -m benchmarks.large_map 1000 4000 -o WORK

Photographs are not made, nor detected and matched: what each image sees of a ground with relief is projected, with
noise and some points that are far off, and the pairs of overlapping images are written into the database that mapping
starts from. So only mapping is measured, with everything that `sfm reconstruct` does there. A flight that was stopped
goes on where it was. Printed: seconds, peak memory, images, points, and the camera centres' distance from the truth
after the best similarity.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from benchmarks.machine import describe_machine
from benchmarks.peak_memory import forget_peak, peak_mib
from benchmarks.true_pairs import THRESHOLD_PX, true_pair
from sfm.alignment.fit import align_poses
from sfm.cli.console import Console
from sfm.files import write_json
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.images.exif import Exif
from sfm.images.photo_set import Photo
from sfm.mapping.database import ImageEntry, MapDatabase, VerifiedPair
from sfm.mapping.options import MappingOptions
from sfm.mapping.sparse_map import MapImage
from sfm.pipelines.mapping import build_map
from sfm.pipelines.matching import PairSet
from sfm.workspace import Workspace, digest_of

CAMERA = Camera("SIMPLE_RADIAL", 800, 600, (700.0, 399.5, 299.5, -0.02), focal_is_known=True)
EXIF_FOCAL_PX = 715.0
ROW = 64  # images
STEP_M, ROWS_APART_M, HEIGHT_M, RELIEF_M = 10.0, 18.0, 60.0, 12.0
POINTS_A_SQUARE_METRE, SEEN = 0.45, 0.6
NOISE_PX, FAR_OFF, FAR_OFF_PX = 0.5, 0.02, 4.0
# Images up to so many apart in their own row and in the next one make pairs, if they share so many points.
NEIGHBOURS, MIN_SHARED = 3, 50
RESULTS = Path(__file__).parent / "results" / "large_map.json"


def main() -> None:
    """Map flights of the given sizes and write what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=int, nargs="+", help="number of images of a flight")
    parser.add_argument("-o", "--work", type=Path, required=True, help="folder for the maps")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file for the figures")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"machine": describe_machine(), "flights": {}}
    for images in arguments.images:
        results["flights"][str(images)] = map_flight(images, Workspace(arguments.work / str(images)))
        write_json(arguments.results, results)
        print(images, json.dumps(results["flights"][str(images)]), flush=True)


def map_flight(images: int, workspace: Workspace) -> dict[str, Any]:
    """Make a flight, map it, and return what it took."""
    views = fly(images)
    prior = Camera.from_focal(CAMERA.model, CAMERA.width, CAMERA.height, EXIF_FOCAL_PX, focal_is_known=True)
    pairs = write_flight(views, workspace, prior)
    photos = [Photo(view.name, Path(view.name), CAMERA.width, CAMERA.height, Exif()) for view in views]
    truth = {view.name: view.cam_from_world for view in views}
    observations = sum(len(view.xy) for view in views)
    del views
    forget_peak()
    start, cpu = time.perf_counter(), time.process_time()
    result = build_map(
        photos,
        {1: prior},
        PairSet(tuple(pairs), 0, digest_of([vars(pair) for pair in pairs])),
        workspace,
        THRESHOLD_PX,
        max(CAMERA.width, CAMERA.height),
        MappingOptions(adjust_keypoints=False),  # there are no pixels
        Console(),
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    largest = result.models[0]
    names = sorted(largest.poses)
    alignment = align_poses([largest.poses[n] for n in names], [truth[n] for n in names])
    return {
        "pairs": len(pairs),
        "keypoints_an_image": round(observations / images),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "peak_mib": round(peak_mib()),
        "models": len(result.models),
        "registered": len(names),
        "points": len(largest.xyz),
        "ate_rmse_m": round(alignment.rmse, 4),
        "ate_max_m": round(float(alignment.residuals.max()), 4),
        "focal_px": round(largest.cameras[1].focal_px, 2),
        "chosen": result.chosen,
    }


def fly(images: int, seed: int = 0) -> list[MapImage]:
    """Return the views of a flight in rows, there and back, above ground with relief; z points up."""
    rng = np.random.default_rng(seed)
    rows = math.ceil(images / ROW)
    margin = HEIGHT_M
    low = np.array([-margin, -margin])
    high = np.array([ROW * STEP_M + margin, rows * ROWS_APART_M + margin])
    ground = rng.uniform(low, high, (int(np.prod(high - low) * POINTS_A_SQUARE_METRE), 2))
    xyz = np.column_stack([ground, rng.uniform(0, RELIEF_M, len(ground))])
    tree = cKDTree(ground)
    return [_look(f"{i:05d}.jpg", _pose(i, rng), xyz, tree, rng) for i in range(images)]


def _pose(i: int, rng: np.random.Generator) -> Pose:
    row, column = divmod(i, ROW)
    there = row % 2 == 0
    x = STEP_M * (column if there else ROW - 1 - column)
    center = np.array([x, ROWS_APART_M * row, HEIGHT_M]) + rng.normal(0, 0.5, 3)
    # Looking down, the top of the image ahead; wind shakes it.
    down = Rotation.from_matrix([[0, -1, 0], [-1, 0, 0], [0, 0, -1]])
    heading = Rotation.from_euler("z", 0 if there else 180, degrees=True)
    shaken = Rotation.from_rotvec(rng.normal(0, np.radians(2), 3))
    rotation = (shaken * down * heading.inv()).as_matrix()
    return Pose(rotation, -rotation @ center)


def _look(
    name: str, pose: Pose, xyz: NDArray[np.float64], tree: cKDTree, rng: np.random.Generator
) -> MapImage:
    near = np.array(sorted(tree.query_ball_point(pose.center[:2], HEIGHT_M)), np.int64)
    near = near[rng.random(len(near)) < SEEN]
    xy = CAMERA.project(pose.apply(xyz[near])) + rng.normal(0, NOISE_PX, (len(near), 2))
    far_off = rng.random(len(near)) < FAR_OFF
    xy[far_off] += rng.uniform(-FAR_OFF_PX, FAR_OFF_PX, (int(far_off.sum()), 2))
    inside = (xy > 0).all(axis=1) & (xy < [CAMERA.width - 1, CAMERA.height - 1]).all(axis=1)
    return MapImage(name, 1, pose, xy[inside], near[inside])


def write_flight(views: list[MapImage], workspace: Workspace, prior: Camera) -> list[VerifiedPair]:
    """Write the database that mapping starts from; return its pairs."""
    pairs = []
    with MapDatabase(workspace.database) as database:
        database.prepare(
            [ImageEntry(view.name, 1, "flight") for view in views],
            {1: prior},
            {view.name: view.xy.astype(np.float32) for view in views},
        )
        for i, view in enumerate(views):
            beside = [true_pair(view, other, "flight", MIN_SHARED) for other in _neighbours(i, views)]
            results = [result for result in beside if result.pair.accepted]
            database.write_pairs(results)
            pairs += [result.pair for result in results]
    return pairs


def _neighbours(i: int, views: list[MapImage]) -> Iterator[MapImage]:
    row, column = divmod(i, ROW)
    for j in range(i + 1, min(len(views), (row + 2) * ROW)):
        other_row, other_column = divmod(j, ROW)
        beside = other_column if other_row == row else ROW - 1 - other_column
        if abs(beside - column) <= NEIGHBOURS:
            yield views[j]


if __name__ == "__main__":
    main()
