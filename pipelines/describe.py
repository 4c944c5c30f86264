"""From photographs to keypoints and descriptors, and no further."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sfm.features.choice import DescriptionOptions, make_descriptor
from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.orientation import OrientationOptions
from sfm.images.options import PhotoOptions
from sfm.images.photo_set import read_photo_set
from sfm.options import check
from sfm.outputs import refuse_output_among_images
from sfm.pipelines.features import FeatureSet, extract_features
from sfm.pipelines.map_and_features import warn_of_replaced_map
from sfm.pipelines.photographs import choose_photographs, default_output
from sfm.progress import SILENT, Progress
from sfm.workspace import Workspace


@dataclass(frozen=True)
class Description:
    """What `describe` made: the output folder, and the photographs that have features there."""

    out: Path
    descriptor: str
    features: FeatureSet


def describe(
    images: Path | str,
    out: Path | str | None = None,
    detection: DetectionOptions | None = None,
    description: DescriptionOptions | None = None,
    progress: Progress = SILENT,
    photos: PhotoOptions | None = None,
    orientation: OrientationOptions | None = None,
) -> Description:
    """Detect and describe the keypoints of photographs.

    Parameters
    ----------
    images
        A folder of photographs, a text file that lists them, or a single one.
    out
        Output folder; `reconstruct` into the same one goes on from here. Default as there.
    detection, description, orientation
        What is chosen.
    progress
        Hears of the work.
    photos
        Which of the photographs are taken.

    Returns
    -------
    What was made: `out`/features/keypoints/NAME.safetensors and `out`/features/DESCRIPTOR/NAME.safetensors.

    Raises
    ------
    InputError
        If the images, an option or the output folder cannot be used.
    """
    detection, description = detection or DetectionOptions(), description or DescriptionOptions()
    photos, orientation = photos or PhotoOptions(), orientation or OrientationOptions()
    check(detection)
    check(orientation)
    check(photos)
    images, out = Path(images), default_output(Path(images)) if out is None else Path(out)
    refuse_output_among_images(images, out)
    descriptor = make_descriptor(description, detection.max_size)
    photo_set = choose_photographs(read_photo_set(images, progress), photos, progress)
    workspace, detector = Workspace(out), DogDetector(detection)
    with workspace.lock():
        warn_of_replaced_map(photo_set.photos, workspace, detector, progress, mapping=False)
        features = extract_features(
            photo_set.photos,
            workspace,
            detector,
            descriptor,
            detection.max_size,
            progress,
            orientation=orientation.orientation,
        )
    return Description(out, descriptor.name, features)
