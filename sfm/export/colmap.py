"""COLMAP models, text and binary."""

from __future__ import annotations

from pathlib import Path

from sfm.errors import InputError
from sfm.export.context import ExportContext, Exporter
from sfm.mapping.model_files import MODEL_STEMS
from sfm.mapping.sparse_map import SparseMap
from sfm.words import count


class ColmapExporter(Exporter):
    """Writes COLMAP's files: rigs, cameras, frames, images, points3D."""

    def __init__(self, *, text: bool) -> None:
        self._text = text
        self.files = tuple(f"{stem}.{'txt' if text else 'bin'}" for stem in MODEL_STEMS)
        self.description = f"COLMAP model, {'text' if text else 'binary'}"

    def write(self, sparse_map: SparseMap, folder: Path, context: ExportContext) -> list[Path]:
        """Write the model into `folder`."""
        from sfm.mapping.colmap_io import write_map

        spaced = [image.name for image in sparse_map.images_by_name if len(image.name.split()) != 1]
        if self._text and spaced:
            raise InputError(
                f"{count(len(spaced), 'image names')} with spaces, like {spaced[0]!r}: COLMAP reads a name in a text "
                "model only up to the first one. Use colmap-bin, or rename the images."
            )
        return write_map(sparse_map, folder, text=self._text)
