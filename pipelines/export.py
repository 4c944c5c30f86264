"""Write the map of a finished run for other tools."""

from __future__ import annotations

from pathlib import Path

from sfm.export import EXPORTERS
from sfm.export import export as write
from sfm.outputs import claimed, refuse_to_write_over
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.map_and_features import refuse_other_keypoints
from sfm.progress import SILENT, Progress


def export(
    map_path: Path | str,
    format: str,
    out: Path | str | None = None,
    images: Path | str | None = None,
    descriptor: str | None = None,
    progress: Progress = SILENT,
) -> list[Path]:
    """Write a map in one of `sfm.export.FORMATS` with all its run knows.

    Parameters
    ----------
    map_path
        Output folder of a finished run, or a COLMAP model folder (then without features and matches).
    format
        Name of the format.
    out
        Folder for the files; default `export/FORMAT` in the run's folder.
    images
        Folder of the photographs, if it has moved or the run does not know it.
    descriptor
        Whose rows to write, where the run's folder holds several descriptors.
    progress
        Hears what the format could not hold.

    Returns
    -------
    The files written.

    Raises
    ------
    InputError
        If there is no map, the format cannot hold it, or what the format needs is missing or of another map.
    """
    run = FinishedRun.open(Path(map_path), Path(images) if images is not None else None)
    folder = Path(out) if out is not None else (run.root or run.model) / "export" / format
    files = EXPORTERS[format].files if format in EXPORTERS else ()
    refuse_to_write_over(run.pieces, [folder / name for name in files])
    if format == "hloc":  # the one that holds features
        refuse_other_keypoints(run)
    with claimed(folder, files):
        return write(run.sparse_map, format, folder, run.context(descriptor, progress))
