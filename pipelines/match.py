"""Two photographs: verified matches, relative pose and a picture of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.features.choice import DescriptionOptions, make_descriptor
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.features.orientation import OrientationOptions, oriented
from sfm.files import PICTURE_SUFFIXES, refuse_suffix, write_image
from sfm.geometry.camera import Camera
from sfm.geometry.pose import rotation_angle_deg
from sfm.geometry.two_view import TwoViewGeometry, VerificationOptions, Verifier
from sfm.images.cameras import CameraOptions
from sfm.images.decode import exif_turn_deg, load_rgb
from sfm.images.gray import GrayImage
from sfm.images.photo_set import Photo
from sfm.images.single_photo import camera_of, read_gray, read_photo
from sfm.mapping.colmap_io import read_cameras_txt
from sfm.mapping.colmap_verifier import make_verifier
from sfm.matching.cells import DescriptorCells
from sfm.matching.options import MatchingOptions
from sfm.matching.two_view import DescribedView, VerifiedMatches, match_views
from sfm.outputs import refuse_to_write_over
from sfm.pipelines.features import describe_keypoints
from sfm.report.pictures import draw_matches
from sfm.threads import pool_of_cores
from sfm.viewgraph.orientations import ImageOrientations
from sfm.viewgraph.roll_votes import orientations_of_few


@dataclass(frozen=True)
class MatchResult:
    """How two photographs relate.

    Attributes
    ----------
    keypoints
        Number of keypoints of each.
    xy1, xy2 : (M, 2) float32
        Positions of the putative matches, in pixels of the original images.
    verified
        The two-view geometry with the verified matches, and how far it is from chance.
    picture
        Where the picture of the matches is.
    """

    keypoints: tuple[int, int]
    xy1: NDArray[np.float32]
    xy2: NDArray[np.float32]
    verified: VerifiedMatches
    picture: Path

    @property
    def geometry(self) -> TwoViewGeometry:
        """The two-view geometry."""
        return self.verified.geometry

    @property
    def rotation_deg(self) -> float | None:
        """Angle by which the camera turned, in degrees; None if the relative pose is not known."""
        pose = self.geometry.cam2_from_cam1
        return None if pose is None else rotation_angle_deg(pose.rotation)

    @property
    def translation_direction(self) -> NDArray[np.float64] | None:
        """Unit vector from the first camera's centre to the second's, in the first camera's axes; None if unknown.

        x points right, y down, z ahead.
        """
        pose = self.geometry.cam2_from_cam1
        if pose is None or not pose.translation.any():
            return None
        center = pose.center
        return center / np.linalg.norm(center)


def match(
    image1: Path | str,
    image2: Path | str,
    picture: Path | str = "matches.jpg",
    detection: DetectionOptions | None = None,
    description: DescriptionOptions | None = None,
    matching: MatchingOptions | None = None,
    verification: VerificationOptions | None = None,
    cameras: CameraOptions | None = None,
    orientation: OrientationOptions | None = None,
) -> MatchResult:
    """Match two photographs, verify the matches and draw them.

    Parameters
    ----------
    image1, image2
        The photographs.
    picture
        Where the picture of the matches is written, .jpg or .png.
    detection, description, matching, verification, cameras, orientation
        What is chosen.

    Raises
    ------
    InputError
        If a photograph or an option cannot be used.
    """
    refuse_suffix(Path(picture), *PICTURE_SUFFIXES)
    detection, description = detection or DetectionOptions(), description or DescriptionOptions()
    cameras = cameras or CameraOptions()
    refuse_to_write_over((image1, image2, cameras.intrinsics, description.weights), [Path(picture)])
    descriptor = make_descriptor(description, detection.max_size)
    pair = read_pair(
        image1,
        image2,
        detection,
        cameras,
        orientation or OrientationOptions(),
        descriptor,
    )
    return match_pair(
        pair,
        picture,
        descriptor,
        matching or MatchingOptions(),
        make_verifier(verification or VerificationOptions()),
    )


@dataclass(frozen=True)
class PhotoPair:
    """Two photographs with their keypoints: what is the same for every descriptor.

    Attributes
    ----------
    photos
        The photographs.
    cameras
        Their intrinsics.
    images
        Their pixels, as looked at.
    keypoints
        Their keypoints.
    orientations
        What these are turned to.
    """

    photos: tuple[Photo, Photo]
    cameras: tuple[Camera, Camera]
    images: tuple[GrayImage, GrayImage]
    keypoints: tuple[Keypoints, Keypoints]
    orientations: ImageOrientations

    def described_by(self, descriptor: Descriptor, exact: bool) -> tuple[DescribedView, DescribedView]:
        """Describe the keypoints of both; with `exact`, to be compared with no regard to cells."""
        with pool_of_cores() as pool:
            first, second = (
                DescribedView(
                    keypoints,
                    DescriptorCells.of(describe_keypoints(image, keypoints, descriptor, pool), exact),
                    camera,
                )
                for keypoints, image, camera in zip(self.keypoints, self.images, self.cameras, strict=True)
            )
        return first, second


def read_pair(
    image1: Path | str,
    image2: Path | str,
    detection: DetectionOptions,
    cameras: CameraOptions,
    orientation: OrientationOptions,
    descriptor: Descriptor,
) -> PhotoPair:
    """Read two photographs, detect their keypoints and turn them, as the matches of `descriptor` tell.

    Parameters and errors are those of `match`.
    """
    instead = "give two images, or use `sfm reconstruct` on the folder"
    first, second = (read_photo(Path(path), instead) for path in (image1, image2))
    intrinsics = None if cameras.intrinsics is None else read_cameras_txt(cameras.intrinsics)
    images = read_gray(first, detection.max_size), read_gray(second, detection.max_size)
    detector = DogDetector(detection)
    with pool_of_cores() as pool:
        detected = dict(zip("AB", pool.map(detector.detect, images), strict=True))
    orientations = orientations_of_few(
        detected,
        [("A", "B")],
        lambda side, keypoints: descriptor.describe(images["AB".index(side)], keypoints),
        {
            side: exif_turn_deg(photo.exif.orientation)
            for side, photo in zip("AB", (first, second), strict=True)
        },
        orientation.orientation,
    )
    return PhotoPair(
        (first, second),
        (camera_of(first, cameras, intrinsics), camera_of(second, cameras, intrinsics)),
        images,
        (
            oriented(detected["A"], orientations.of("A"), detection.max_keypoints),
            oriented(detected["B"], orientations.of("B"), detection.max_keypoints),
        ),
        orientations,
    )


def match_pair(
    pair: PhotoPair,
    picture: Path | str,
    descriptor: Descriptor,
    matching: MatchingOptions,
    verifier: Verifier,
) -> MatchResult:
    """Match a pair by one descriptor, verify the matches and draw them; see `match`."""
    matching = matching.suited_to(descriptor.ratio_tests)
    views = pair.described_by(descriptor, matching.exact)
    found = match_views(*views, verifier, matching)
    xy1, xy2 = (view.keypoints.xy[found.index[:, i]] for i, view in enumerate(views))
    verified = np.isin(np.arange(len(found.index)), found.geometry.inliers)
    drawn = draw_matches(load_rgb(pair.photos[0]), load_rgb(pair.photos[1]), xy1, xy2, verified)
    write_image(Path(picture), drawn)
    counts = len(views[0].keypoints), len(views[1].keypoints)
    return MatchResult(counts, xy1, xy2, found, Path(picture))
