"""Structure from Motion with learned patch descriptors.

>>> import sfm
>>> result = sfm.reconstruct("photos/")  # doctest: +SKIP
>>> result.map.xyz  # doctest: +SKIP

Every stage can also be called alone; docs/architecture.md says where each lives.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfm.mapping.colmap_io import read_map
    from sfm.mapping.sparse_map import SparseMap
    from sfm.pipelines.align import align
    from sfm.pipelines.compare import Comparison, compare
    from sfm.pipelines.describe import describe
    from sfm.pipelines.evaluate import evaluate
    from sfm.pipelines.localize import localize
    from sfm.pipelines.localizer import Localizer
    from sfm.pipelines.match import match
    from sfm.pipelines.reconstruct import Reconstruction, reconstruct
    from sfm.pipelines.stage_options import ReconstructOptions

# Imported when first used, so that `import sfm` and the command line's --help stay quick.
_HOMES = {
    "reconstruct": "sfm.pipelines.reconstruct",
    "Reconstruction": "sfm.pipelines.reconstruct",
    "ReconstructOptions": "sfm.pipelines.stage_options",
    "compare": "sfm.pipelines.compare",
    "Comparison": "sfm.pipelines.compare",
    "describe": "sfm.pipelines.describe",
    "match": "sfm.pipelines.match",
    "evaluate": "sfm.pipelines.evaluate",
    "align": "sfm.pipelines.align",
    "localize": "sfm.pipelines.localize",
    "Localizer": "sfm.pipelines.localizer",
    "read_map": "sfm.mapping.colmap_io",
    "SparseMap": "sfm.mapping.sparse_map",
}

__all__ = [
    "Comparison",
    "Localizer",
    "ReconstructOptions",
    "Reconstruction",
    "SparseMap",
    "align",
    "compare",
    "describe",
    "evaluate",
    "localize",
    "match",
    "read_map",
    "reconstruct",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sfm' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
