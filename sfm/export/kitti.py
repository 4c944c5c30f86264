"""The KITTI odometry format: the rows of the (3, 4) matrix world_from_cam, 12 numbers a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfm.errors import InputError
from sfm.export.context import ExportContext, Exporter
from sfm.files import write_text
from sfm.mapping.sparse_map import SparseMap


class KittiExporter(Exporter):
    """Writes `trajectory.kitti` and, because the format has no names, `trajectory.names.txt`.

    The format has one line a frame and no way to leave one out or to comment on it. Images that are not
    registered have no line, and no pose is made up for them; the companion file gives frame number and name
    of each line, so that a reader knows which frames are missing.
    """

    description = "KITTI trajectory, with the image names in a file of their own"
    files = ("trajectory.kitti", "trajectory.names.txt")

    def write(self, sparse_map: SparseMap, folder: Path, context: ExportContext) -> list[Path]:
        """Write both files into `folder`."""
        numbers = context.frame_numbers(sparse_map)
        poses = sparse_map.poses
        rows, names = [], []
        for name, pose in poses.items():
            if len(name.splitlines()) != 1:
                raise InputError(
                    f"Image name {name!r} has a line break: a text file cannot hold it. Rename it."
                )
            world_from_cam = np.column_stack([pose.rotation.T, pose.center])
            rows.append(" ".join(f"{value:.12g}" for value in world_from_cam.ravel()))
            names.append(f"{numbers[name]} {name}")
        missing = len(numbers) - len(poses)
        if missing:
            context.progress.warn(
                f"{missing} of {len(numbers)} images are not in the map and have no line in "
                "trajectory.kitti: its line numbers are not frame numbers. trajectory.names.txt gives the "
                "frame of each line."
            )
        path, companion = folder / "trajectory.kitti", folder / "trajectory.names.txt"
        write_text(path, "".join(f"{row}\n" for row in rows))
        write_text(companion, "".join(f"{name}\n" for name in names))
        return [path, companion]
