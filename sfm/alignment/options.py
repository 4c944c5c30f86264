"""Options of alignment. Light to import: the command line is made from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sfm.options import option


@dataclass(frozen=True)
class AlignmentOptions:
    """What a map is aligned to."""

    to: str = option(
        "gps",
        "What to align to: the photographs' GPS, positions in a file (csv), another map of the same images (model), "
        "or only the vertical (gravity).",
        choices=("gps", "csv", "model", "gravity"),
    )
    reference: Path | None = option(
        None,
        "The file for --to csv: columns name,x,y,z in metres, or name,latitude,longitude[,altitude]. "
        "The map for --to model: a run's folder, a COLMAP model, or a TUM file.",
    )
