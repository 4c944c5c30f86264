"""`sfm describe`: keypoints and descriptors of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command, options_from
from sfm.features.choice import DescriptionOptions
from sfm.features.detectors import DetectionOptions
from sfm.features.orientation import OrientationOptions
from sfm.images.options import PhotoOptions
from sfm.options import from_mapping
from sfm.words import count


@command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Output folder. Default: NAME-sfm.")
@options_from(PhotoOptions, DetectionOptions, OrientationOptions, DescriptionOptions)
@common_options
def describe(console: Console, images: Path, out: Path | None, **values: Any) -> None:
    """Find and describe the keypoints of photographs, and stop there.

    Writes OUT/features/keypoints/NAME.safetensors (xy, scale, angle, response) and
    OUT/features/DESCRIPTOR/NAME.safetensors (descriptors, one row of unit length a keypoint).
    """
    from sfm.pipelines.describe import describe as run

    result = run(
        images,
        out,
        from_mapping(DetectionOptions, values),
        from_mapping(DescriptionOptions, values),
        console,
        from_mapping(PhotoOptions, values),
        from_mapping(OrientationOptions, values),
    )
    made = sum(image.described for image in result.features.images)
    console.print(
        f"{result.descriptor} descriptors of {count(len(result.features.images), 'images')}, {made} of them made now, "
        f"in {result.out / 'features' / result.descriptor}"
    )
    console.summary(
        {
            "out": result.out,
            "descriptor": result.descriptor,
            "images": result.features.names,
            "made_now": made,
            "skipped": {s.name: s.reason for s in result.features.skipped},
        }
    )
