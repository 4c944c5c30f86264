"""The TUM trajectory format: `timestamp tx ty tz qx qy qz qw`, world_from_cam."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sfm.errors import InputError
from sfm.evaluation.trajectory import TUM_NAME_COMMENT
from sfm.export.context import ExportContext, Exporter
from sfm.files import write_text
from sfm.mapping.sparse_map import SparseMap


class TumExporter(Exporter):
    """Writes `trajectory.tum`: camera centres and orientations in the order of time.

    Timestamps are capture times if every registered image has one, else frame numbers; the header says which.
    The format has no names, so a comment before each pose gives its image's.
    """

    description = "TUM trajectory"
    files = ("trajectory.tum",)

    def write(self, sparse_map: SparseMap, folder: Path, context: ExportContext) -> list[Path]:
        """Write `trajectory.tum` into `folder`."""
        times, clock = _timestamps(sparse_map, context)
        lines = [
            "# Camera poses as world_from_cam: t is the camera's centre, q turns the camera's axes",
            "# (x right, y down, z forward) into the map's.",
            f"# Timestamps: {clock}",
            "# timestamp tx ty tz qx qy qz qw",
        ]
        for name, pose in sorted(sparse_map.poses.items(), key=lambda item: (times[item[0]], item[0])):
            if len(name.splitlines()) != 1:
                raise InputError(
                    f"Image name {name!r} has a line break: a text file cannot hold it. Rename it."
                )
            world_from_cam = pose.inverse()
            w, x, y, z = world_from_cam.quaternion_wxyz
            numbers = " ".join(f"{value:.12g}" for value in (*world_from_cam.translation, x, y, z, w))
            lines += [f"{TUM_NAME_COMMENT}{name}", f"{times[name]:.6f} {numbers}"]
        path = folder / "trajectory.tum"
        write_text(path, "\n".join(lines) + "\n")
        return [path]


def _timestamps(sparse_map: SparseMap, context: ExportContext) -> tuple[Mapping[str, float], str]:
    """Return a time for each registered image, and what kind of time it is."""
    names = list(sparse_map.poses)
    with_time = [name for name in names if name in context.timestamps_s]
    if names and len(with_time) == len(names):
        clock = "capture times from EXIF, in seconds since 1970-01-01"
        distinct = len({context.timestamps_s[name] for name in names})
        if distinct < len(names):
            clock += f"; {len(names)} images share {distinct} times, because EXIF often counts whole seconds"
        return context.timestamps_s, clock
    numbers = context.frame_numbers(sparse_map)
    clock = f"frame numbers, counted from 0 in the sorted names of {len(numbers)} images"
    if with_time:
        clock += f"; EXIF has capture times for only {len(with_time)} of {len(names)} registered images"
        context.progress.warn(f"The trajectory has {clock}.")
    else:
        clock += "; no capture times are known"
    return numbers, clock
