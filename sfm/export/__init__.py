"""Finished maps in the formats of other tools."""

from sfm.export.context import ExportContext
from sfm.export.registry import EXPORTERS, FORMATS, export

__all__ = ["EXPORTERS", "FORMATS", "ExportContext", "export"]
