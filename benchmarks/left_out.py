"""Photographs of a walk that were left out of the map, localised and compared with their own GPS position.

    python benchmarks/left_out.py ../shared/scenes/lund/images -o lund-left-out

Every fifth photograph is left out, beginning with each of the first five in turn; the others are mapped and aligned
with their GPS, and those left out are looked for in the map. Told is how far they are from their own positions, which
are good to some metres themselves.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import sfm
from sfm.geometry.geodesy import geodetic_to_enu
from sfm.images.photo_set import Photo, read_photo_set
from sfm.pipelines.localizer import Localization

NEAR_M = 10.0


def main() -> None:
    """Map, align and localise, once for each way of leaving photographs out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="folder of photographs with GPS positions in their EXIF")
    parser.add_argument("-o", "--work", type=Path, required=True, help="folder for the map")
    parser.add_argument("--every", type=int, default=5, help="leave every n-th out (default: %(default)s)")
    arguments = parser.parse_args()
    photos = read_photo_set(arguments.photos).photos
    print(
        "| first left out | mapped | residual, rms (m) | left out, found | distances (m) |\n|---|---|---|---|---|"
    )
    every_distance: list[float | None] = []
    for first in range(arguments.every):
        queries = photos[first :: arguments.every]
        mapped = [photo for photo in photos if photo not in queries]
        residual, distances = found(mapped, list(queries), arguments.work)
        every_distance += distances
        told = ", ".join("-" if d is None else f"{d:.1f}" for d in distances)
        located = sum(d is not None for d in distances)
        print(
            f"| {queries[0].name} | {len(mapped)} | {residual:.1f} | {located} of {len(queries)} | {told} |",
            flush=True,
        )
    near = sum(d is not None and d < NEAR_M for d in every_distance)
    print(f"\nWithin {NEAR_M:g} m: {near} of {len(every_distance)}")


def found(mapped: list[Photo], queries: list[Photo], work: Path) -> tuple[float, list[float | None]]:
    """Return the map's residual to GPS, and each query's horizontal distance from its own position in metres."""
    images = work / "images"
    images.mkdir(parents=True, exist_ok=True)
    for link in images.iterdir():
        link.unlink()
    for photo in mapped:
        (images / photo.name).symlink_to(photo.path.resolve())
    out = work / "map"
    sfm.reconstruct(images, out)
    alignment = sfm.align(out)
    localizer = sfm.Localizer(out)
    return alignment.rms, [distance_m(photo, localizer.localize(photo)) for photo in queries]


def distance_m(photo: Photo, result: Localization) -> float | None:
    """Return how far a photograph was placed from its GPS position; None where it was refused."""
    if result.place is None:
        return None
    origin = np.array([photo.exif.latitude_deg, photo.exif.longitude_deg, 0.0])
    place = np.array([[result.place.latitude_deg, result.place.longitude_deg, 0.0]])
    return float(np.hypot(*geodetic_to_enu(place, origin)[0, :2]))


if __name__ == "__main__":
    main()
