"""Incremental mapping with bundle adjustment, by COLMAP.

J. Schoenberger and J.-M. Frahm, "Structure-from-Motion Revisited", CVPR 2016.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pycolmap
from numpy.typing import NDArray

from sfm.errors import WorkError
from sfm.files import writing
from sfm.mapping.colmap_io import write_binary
from sfm.progress import Step

Model: TypeAlias = pycolmap.Reconstruction


@dataclass(frozen=True)
class MapperSettings:
    """How one run of the mapper is set up.

    Attributes
    ----------
    walk
        Suit a way along which the camera looks: begin with a pair of small triangulation angle that may lie
        ahead of each other, let images in by fewer points, keep points of smaller angle. Otherwise COLMAP's defaults.
    held_cameras
        Ids of cameras whose intrinsics stay as they are.
    min_model_size
        Smallest number of images of a model worth keeping.
    threads
        Number of threads, -1 for all cores.
    """

    walk: bool = False
    held_cameras: frozenset[int] = frozenset()
    min_model_size: int = 3
    threads: int = -1


def run_mapper(database: Path, out: Path, settings: MapperSettings, seed: int, step: Step) -> list[Model]:
    """Build as many models as the database's verified pairs give, largest first.

    Parameters
    ----------
    database
        COLMAP's database with verified pairs.
    out
        Scratch folder for the mapper; removed afterwards.
    settings
        How to go about it.
    seed
        Of every random choice.
    step
        Hears of every registered image.

    Returns
    -------
    The models by falling number of registered images, then points; empty if no pair starts one. Which number
    COLMAP gave a model says nothing of its size.
    """
    with writing(out):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
    try:
        models = pycolmap.incremental_mapping(
            database,
            # Colours are taken afterwards, by this project's own decoding; no pixels are read here.
            image_path=out,
            output_path=out,
            options=_options(settings, seed),
            initial_image_pair_callback=lambda: step.advance(2),
            next_image_callback=lambda: step.advance(1),
        )
    except (RuntimeError, ValueError) as error:
        raise WorkError(f"The mapper stopped: {str(error).splitlines()[0]}.") from error
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return sorted(models.values(), key=lambda m: (-m.num_reg_images(), -m.num_points3D()))


def _options(settings: MapperSettings, seed: int) -> pycolmap.IncrementalPipelineOptions:
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = seed
    options.num_threads = settings.threads
    options.extract_colors = False
    options.min_model_size = settings.min_model_size
    options.constant_cameras = set(settings.held_cameras)
    if settings.walk:
        options.mapper.init_min_tri_angle = 4.0
        options.mapper.init_max_forward_motion = 1.0
        options.mapper.abs_pose_min_num_inliers = 15
        options.mapper.filter_min_tri_angle = 1.0
        options.triangulation.min_angle = 1.0
    return options


def write_models(models: Collection[Model], folder: Path, records: Mapping[str, str]) -> None:
    """Write models as `folder`/0, 1, ... and text files by name beside them; the folder is replaced as a whole."""
    new, old = folder.with_name(f".{folder.name}.part.new"), folder.with_name(f".{folder.name}.part.old")
    with writing(folder):
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        new.mkdir(parents=True)
        for i, model in enumerate(models):
            (new / str(i)).mkdir()
            write_binary(model, new / str(i))
        for name, text in records.items():
            (new / name).write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def set_colors(model: Model, point_ids: NDArray[np.int64], rgb: NDArray[np.uint8]) -> None:
    """Give the points `point_ids` (P,) of a model the colours `rgb` (P, 3)."""
    for point_id, color in zip(point_ids, rgb, strict=True):
        model.point3D(int(point_id)).color = color
