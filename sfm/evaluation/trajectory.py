"""Reference camera paths, and where they are read from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfm.errors import InputError
from sfm.files import read_text
from sfm.geometry.pose import Pose
from sfm.mapping.colmap_io import read_poses

# The comment by which this project's own TUM files name the image of the pose that follows.
TUM_NAME_COMMENT = "# image: "
_SAME_TIME_S = 0.02


@dataclass(frozen=True)
class Trajectory:
    """Known poses of images.

    Attributes
    ----------
    poses
        `cam_from_world` by image name.
    source
        Where they come from, for messages.
    """

    poses: dict[str, Pose]
    source: str = "the ground truth"


def read_trajectory(
    path: Path, image_names: Sequence[str] = (), timestamps_s: Mapping[str, float] | None = None
) -> Trajectory:
    """Read a reference from a COLMAP model folder (text or binary) or a TUM file.

    Parameters
    ----------
    path
        A folder with cameras, images and points3D files, or a text file in the TUM format.
    image_names, timestamps_s
        See `read_tum`.

    Raises
    ------
    InputError
        If there is nothing to read, it is damaged, or its poses cannot be told to which images they belong.
    """
    if path.is_dir():
        poses = read_poses(path)
        if not poses:
            raise InputError(f"The COLMAP model in {path} has no registered image: give one with poses.")
        return Trajectory(poses, str(path))
    if path.is_file():
        return read_tum(path, image_names, timestamps_s)
    raise InputError(f"{path} does not exist: give a COLMAP model folder or a TUM trajectory file.")


def read_tum(
    path: Path, image_names: Sequence[str] = (), timestamps_s: Mapping[str, float] | None = None
) -> Trajectory:
    """Read a TUM file: `timestamp tx ty tz qx qy qz qw` a line, the pose as `world_from_cam`.

    The format has no image names. Whose pose a line is, is told by the first of these that applies:

    1. a comment `# image: NAME` right before the line, as this project's TUM export writes it;
    2. the nearest capture time in `timestamps_s`, no further than 0.02 s;
    3. a timestamp that is a frame number, an integer: it counts from 0 in `image_names`, sorted;
    4. the order of lines, if there are as many as images, sorted by name.

    Rules 2 to 4 must explain all lines without a comment or are not used; 2 and 4 choose among the images that no
    comment names.

    Parameters
    ----------
    image_names
        Names of all images of the set, registered or not.
    timestamps_s
        Capture time by image name, in the clock of the file (our export: seconds since 1970 UTC).
    """
    rows, given = _parse_tum(path)
    named = {name for name in given if name is not None}
    nameless = [row[0] for row, name in zip(rows, given, strict=True) if name is None]
    found = iter(_match_times(nameless, named, sorted(image_names), timestamps_s or {}, path))
    poses: dict[str, Pose] = {}
    for row, comment in zip(rows, given, strict=True):
        name = next(found) if comment is None else comment
        if name in poses:
            raise InputError(f"{path} gives two poses for image {name}: keep one.")
        qx, qy, qz, qw = row[4:]
        world_from_cam = Pose.from_quaternion(np.array([qw, qx, qy, qz]), np.array(row[1:4]))
        poses[name] = world_from_cam.inverse()
    return Trajectory(poses, str(path))


def _parse_tum(path: Path) -> tuple[list[list[float]], list[str | None]]:
    lines = read_text(path, "the TUM trajectory").split("\n")
    rows: list[list[float]] = []
    names: list[str | None] = []
    name: str | None = None
    for number, line in enumerate(lines, start=1):
        if line.startswith(TUM_NAME_COMMENT):
            name = line[len(TUM_NAME_COMMENT) :].rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            row = []
        if len(row) != 8 or not all(map(math.isfinite, row)) or math.hypot(*row[4:]) < 1e-6:
            raise InputError(f"{path}, line {number}: expected `timestamp tx ty tz qx qy qz qw`.")
        rows.append(row)
        names.append(name)
        name = None
    if not rows:
        raise InputError(f"{path} holds no pose: each line is `timestamp tx ty tz qx qy qz qw`.")
    return rows, names


def _match_times(
    times: list[float],
    named: set[str],
    image_names: list[str],
    timestamps_s: Mapping[str, float],
    path: Path,
) -> list[str]:
    """Return the image name of each line of a TUM file that has no comment, given the names that comments have."""
    known = sorted(timestamps_s.keys() - named, key=lambda name: (timestamps_s[name], name))
    if known:
        stamps = np.array([timestamps_s[name] for name in known])
        nearest = [int(np.argmin(np.abs(stamps - time))) for time in times]
        if all(abs(stamps[i] - time) <= _SAME_TIME_S for i, time in zip(nearest, times, strict=True)):
            return [known[i] for i in nearest]
    if all(time == int(time) and 0 <= time < len(image_names) for time in times):
        return [image_names[int(time)] for time in times]
    free = [name for name in image_names if name not in named]
    if len(times) == len(free):
        return free
    clock = ""
    if timestamps_s:
        stamps = np.array(sorted(timestamps_s.values()))
        clock = f", taken at {stamps[0]:.3f} to {stamps[-1]:.3f} s"
    raise InputError(
        f"Cannot tell which image each pose of {path} belongs to: it has {len(times)} poses without a name at "
        f"{min(times):.3f} to {max(times):.3f} s, the map's set has {len(image_names)} images{clock}. "
        f"Put a line `{TUM_NAME_COMMENT}NAME` before each pose."
    )
