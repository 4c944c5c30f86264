"""Keep what a run writes for its user in step with its map."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfm.errors import SfmError
from sfm.export import ExportContext, export
from sfm.export.ply import write_cameras, write_points
from sfm.files import being_replaced, restore_folder, scratch_folder, sync_folder, write_json
from sfm.mapping.colmap_io import read_map
from sfm.mapping.model_files import model_digest, model_state
from sfm.mapping.sparse_map import SparseMap
from sfm.pipelines.run_record import read_object
from sfm.workspace import Workspace, digest_of, held_folder, is_workspace

# What the products are written like; raised whenever that changes.
PRODUCTS_VERSION = 1
PRODUCTS_NAME = "products.json"

Write = Callable[[Path, SparseMap, ExportContext], Any]
_WRITERS: dict[str, Write] = {
    "points.ply": lambda root, m, _: write_points(root / "points.ply", m.xyz, m.rgb),
    "cameras.ply": lambda root, m, _: write_cameras(root / "cameras.ply", m),
    "trajectory.tum": lambda root, m, context: export(m, "tum", root, context),
}
PRODUCTS = tuple(_WRITERS)


@dataclass(frozen=True)
class Renewal:
    """What `renew_products` found: the products that were there as they should be, and what was wrong with others."""

    reused: tuple[str, ...]
    damaged: dict[str, str]


def renew_products(root: Path, model: Path, sparse_map: SparseMap, context: ExportContext) -> Renewal:
    """Write those products of a run that are not there, not whole, or of another map.

    `products.json` tells of each which model and frame it was made of, and its checksum. If one cannot be written, all
    of them stay as they are.

    Parameters
    ----------
    root
        The run's folder.
    model
        Folder of its largest model.
    sparse_map
        What that model holds.
    context
        Names and times of all images, which the trajectory depends on.
    """
    made_of = model_digest(model)
    images = {"names": sorted(context.image_names), "timestamps_s": dict(context.timestamps_s)}
    record = read_object(root / PRODUCTS_NAME)
    known = record.get("files") if _source(record) == (PRODUCTS_VERSION, made_of, digest_of(images)) else None
    wrong = (
        {name: _damage(root / name, known.get(name)) for name in PRODUCTS}
        if isinstance(known, dict)
        else None
    )
    renewed = [name for name in PRODUCTS if wrong is None or wrong[name]]
    if renewed or record.get("state") != model_state(model):
        document = {
            "version": PRODUCTS_VERSION,
            "made_of": made_of,
            "state": model_state(model),
            "images": images,
        }
        with scratch_folder(root) as new:
            for name in renewed:
                _WRITERS[name](new, sparse_map, context)
            files = {name: _checksum((new if name in renewed else root) / name) for name in PRODUCTS}
            write_json(new / PRODUCTS_NAME, {**document, "files": files})
            # Only now, so that a full disk leaves all of them as they were; the record last, so that a kill shows.
            for name in (*renewed, PRODUCTS_NAME):
                (new / name).replace(root / name)
            sync_folder(root)
    reused = tuple(name for name in PRODUCTS if name not in renewed)
    return Renewal(reused, {name: told for name, told in (wrong or {}).items() if told})


def put_right(path: Path) -> None:
    """Complete what a killed process left undone between a run's new model and its products.

    `path` is what was given for a map. Nothing happens where another process is at work, or nothing may be written.
    """
    if being_replaced(path.absolute()):
        _restore_alone(path.absolute())
    for root in _runs_around(path):
        if being_replaced(root / "sparse", root / "sparse" / "0") or _seems_behind(root):
            try:
                with Workspace(root).lock():
                    if _is_behind(root):
                        _catch_up(root)
            except SfmError:
                continue


def _restore_alone(model: Path) -> None:
    """Put right a model folder of other origin, which no run's lock guards."""
    with suppress(OSError), held_folder(model.parent, alone=True):
        restore_folder(model)


def recorded_context(root: Path) -> ExportContext:
    """Return the names and times of all images of a run, as they were when its products were written."""
    images = read_object(root / PRODUCTS_NAME).get("images")
    if not isinstance(images, dict):
        return ExportContext()
    names, times = images.get("names"), images.get("timestamps_s")
    return ExportContext(
        image_names=[name for name in names if isinstance(name, str)] if isinstance(names, list) else (),
        timestamps_s=(
            {name: time_s for name, time_s in times.items() if isinstance(time_s, (int, float))}
            if isinstance(times, dict)
            else {}
        ),
    )


def _runs_around(path: Path) -> list[Path]:
    """Return the run's folder that `path` means, be it that folder or its model's."""
    here = path.absolute()
    return [root for root in (here, here.parent, here.parent.parent) if is_workspace(root)][:1]


def _seems_behind(root: Path) -> bool:
    """Whether the products may be those of another model, at a look that another process may disturb."""
    try:
        return _is_behind(root)
    except OSError:  # it was replaced meanwhile: whoever gets the lock looks again
        return True


def _is_behind(root: Path) -> bool:
    """Whether the products there are those of another model."""
    record, model = read_object(root / PRODUCTS_NAME), root / "sparse" / "0"
    if not record or not model.is_dir() or record.get("state") == model_state(model):
        return False
    return bool(record.get("made_of") != model_digest(model))


def _catch_up(root: Path) -> None:
    model = root / "sparse" / "0"
    renew_products(root, model, read_map(model), recorded_context(root))


def _source(record: dict[str, Any]) -> tuple[Any, Any, str]:
    return record.get("version"), record.get("made_of"), digest_of(record.get("images"))


def _damage(path: Path, checksum: Any) -> str:
    """Return what is wrong with a product; empty if nothing is."""
    if not path.is_file():
        return "missing"
    return "" if _checksum(path) == checksum else "damaged or was changed"


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
