"""Reference camera paths, and where they are read from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfm.errors import InputError
from sfm.files import read_text
from sfm.geometry.pose import Pose
from sfm.images.photo_set import natural_key
from sfm.mapping.colmap_io import read_poses
from sfm.plain_numbers import plain_float

# The comment by which this project's own TUM files name the image of the pose that follows.
TUM_NAME_COMMENT = "# image: "
_SAME_TIME_S = 0.02
# EXIF often counts whole seconds, so that two intervals may differ by one.
_SAME_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Trajectory:
    """Known poses of images.

    Attributes
    ----------
    poses
        `cam_from_world` by image name.
    source
        Where they come from, for messages.
    note
        How images were guessed from lines that do not name them, in a sentence; empty if none was.
    """

    poses: dict[str, Pose]
    source: str = "the ground truth"
    note: str = ""


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
    4. a clock of its own, if there are as many lines as images: by the order of capture times, if the images have
       them and the same time passes between any two, else by the order of names. Lines must be in the order of
       their times. This is a guess, and `Trajectory.note` says so.

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
    matched, note = _match_times(nameless, named, sorted(image_names), timestamps_s or {}, path)
    found = iter(matched)
    poses: dict[str, Pose] = {}
    for row, comment in zip(rows, given, strict=True):
        name = next(found) if comment is None else comment
        if name in poses:
            raise InputError(f"{path} gives two poses for image {name}: keep one.")
        qx, qy, qz, qw = row[4:]
        world_from_cam = Pose.from_quaternion(np.array([qw, qx, qy, qz]), np.array(row[1:4]))
        poses[name] = world_from_cam.inverse()
    return Trajectory(poses, str(path), note)


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
            row = [plain_float(word) for word in line.split()]
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
) -> tuple[list[str], str]:
    """Return the image of each line of a TUM file without a comment, and a note if it is a guess."""
    known = sorted(timestamps_s.keys() - named, key=lambda name: (timestamps_s[name], name))
    if known:
        stamps = np.array([timestamps_s[name] for name in known])
        nearest = [int(np.argmin(np.abs(stamps - time))) for time in times]
        if all(abs(stamps[i] - time) <= _SAME_TIME_S for i, time in zip(nearest, times, strict=True)):
            return [known[i] for i in nearest], ""
    if all(time == int(time) and 0 <= time < len(image_names) for time in times):
        return [image_names[int(time)] for time in times], ""
    free = [name for name in image_names if name not in named]
    if times and len(times) == len(free):
        return _by_order(times, free, timestamps_s, path)
    if not times:
        return [], ""
    clock = ""
    if timestamps_s:
        stamps = np.array(sorted(timestamps_s.values()))
        clock = f", taken at {stamps[0]:.3f} to {stamps[-1]:.3f} s"
    raise InputError(
        f"Cannot tell which image each pose of {path} belongs to: it has {len(times)} poses without a name at "
        f"{min(times):.3f} to {max(times):.3f} s, the map's set has {len(image_names)} images{clock}. "
        f"Put a line `{TUM_NAME_COMMENT}NAME` before each pose."
    )


def _by_order(
    times: list[float], names: list[str], timestamps_s: Mapping[str, float], path: Path
) -> tuple[list[str], str]:
    """Give the lines of a clock of its own to as many images, by the order of capture or else of names."""
    if any(later < earlier for earlier, later in itertools.pairwise(times)):
        raise InputError(
            f"Cannot tell which image each pose of {path} belongs to: its times are of another clock than the "
            f"photographs' and its lines not in their order. Put a line `{TUM_NAME_COMMENT}NAME` before each pose."
        )
    if all(name in timestamps_s for name in names):
        names = sorted(names, key=lambda name: (timestamps_s[name], natural_key(name)))
        ahead = [time - timestamps_s[name] for time, name in zip(times, names, strict=True)]
        if max(ahead) - min(ahead) > _SAME_INTERVAL_S:
            raise InputError(
                f"Cannot tell which image each pose of {path} belongs to: other times pass between its poses than "
                f"between the photographs. Put a line `{TUM_NAME_COMMENT}NAME` before each pose."
            )
        return (
            names,
            f"The clock of {path} is not the photographs': its poses are matched by the time between them.",
        )
    return (
        sorted(names, key=natural_key),
        f"The times in {path} are not the photographs': its poses are taken in the order of the images' names. "
        f"If that is wrong, put a line `{TUM_NAME_COMMENT}NAME` before each pose.",
    )
