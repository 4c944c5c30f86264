"""The export formats by name."""

from __future__ import annotations

from pathlib import Path

from sfm.errors import InputError
from sfm.export.colmap import ColmapExporter
from sfm.export.context import ExportContext, Exporter
from sfm.export.geojson import GeojsonExporter
from sfm.export.hloc import HlocExporter
from sfm.export.kitti import KittiExporter
from sfm.export.nerfstudio import NerfstudioExporter
from sfm.export.ply import PlyExporter
from sfm.export.tum import TumExporter
from sfm.mapping.sparse_map import SparseMap

EXPORTERS: dict[str, Exporter] = {
    "ply": PlyExporter(),
    "tum": TumExporter(),
    "kitti": KittiExporter(),
    "colmap-text": ColmapExporter(text=True),
    "colmap-bin": ColmapExporter(text=False),
    "nerfstudio": NerfstudioExporter(),
    "hloc": HlocExporter(),
    "geojson": GeojsonExporter(),
}
FORMATS = tuple(EXPORTERS)


def export(sparse_map: SparseMap, format: str, out: Path, context: ExportContext | None = None) -> list[Path]:
    """Write a map in one of `FORMATS`.

    Parameters
    ----------
    sparse_map
        What to write.
    format
        Name of the format.
    out
        Folder for the files, made if missing; files of the same names are replaced.
    context
        What is known beside the map.

    Returns
    -------
    The files written.

    Raises
    ------
    InputError
        If the format is unknown, cannot hold the map, or needs what the context lacks; if `out` cannot be
        written.
    """
    if format not in EXPORTERS:
        raise InputError(f"Export format {format}: choose one of {', '.join(FORMATS)}.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder to export into.")
    return EXPORTERS[format].write(sparse_map, out, context or ExportContext())
