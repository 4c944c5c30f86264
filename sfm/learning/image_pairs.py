"""Pairs of photographs whose true relation is known: what is known, and the folders it is read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.geometry.camera import Camera
from sfm.geometry.epipolar import (
    essential_from_pose,
    fundamental_from_essential,
    sampson_error_sq,
)
from sfm.geometry.five_point import FivePointVerifier
from sfm.geometry.homography import transfer_error_sq
from sfm.geometry.pose import Pose, angle_between_deg, rotation_angle_deg
from sfm.geometry.two_view import VerificationOptions
from sfm.images.decode import read_gray_pixels

Floats = NDArray[np.float64]

CORRECT_PX = 3.0
FAILED_DEG = 180.0


class Truth(ABC):
    """What is known about a pair."""

    @abstractmethod
    def errors_px(self, xy1: Floats, xy2: Floats) -> Floats:
        """Return how far (M, 2) matches are from the truth, (M,) in pixels of the second image."""


@dataclass(frozen=True)
class PlaneTruth(Truth):
    """The second image is the first one through a homography.

    Attributes
    ----------
    H : (3, 3)
        Maps pixels of the first image to the second; the identity for a fixed camera.
    """

    H: Floats

    def errors_px(self, xy1: Floats, xy2: Floats) -> Floats:
        """Return the distances between where the homography takes `xy1` and `xy2`."""
        errors: Floats = np.sqrt(transfer_error_sq(self.H, xy1, xy2))
        return errors

    def estimate_error_px(self, xy1: Floats, xy2: Floats, size: tuple[int, int]) -> float:
        """Return how far a homography estimated from matches, the surest first, is from the true one.

        That is the mean distance of the corners of the first image, whose `size` is (width, height), after both
        homographies; infinite if none was found.
        """
        return self.corner_error_px(estimate_homography(xy1, xy2)[0], size)

    def corner_error_px(self, H: Floats | None, size: tuple[int, int]) -> float:
        """Return how far a homography moves the corners of the first image from the true one, as above."""
        if H is None:
            return float("inf")
        right, bottom = size[0] - 0.5, size[1] - 0.5
        corners = np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])
        return float(self.errors_px(corners, cv2.perspectiveTransform(corners[None], H)[0]).mean())


def estimate_homography(xy1: Floats, xy2: Floats) -> tuple[Floats | None, NDArray[np.bool_]]:
    """Estimate a homography from matches (M, 2), the surest first, by PROSAC (Chum and Matas, CVPR 2005) of OpenCV.

    Returns
    -------
    The (3, 3) homography, None if none was found, and which matches (M,) agree with it within 3 px.
    """
    if len(xy1) < 4:
        return None, np.zeros(len(xy1), bool)
    cv2.setRNGSeed(0)
    H, mask = cv2.findHomography(xy1, xy2, cv2.USAC_PROSAC, CORRECT_PX, maxIters=20_000, confidence=0.9999)
    if H is None:
        return None, np.zeros(len(xy1), bool)
    return np.asarray(H, np.float64), mask.ravel().astype(bool)


@dataclass(frozen=True)
class PoseTruth(Truth):
    """Both cameras and their relative pose are known.

    Attributes
    ----------
    camera1, camera2
        Intrinsics, without distortion.
    cam2_from_cam1
        Relative pose.
    """

    camera1: Camera
    camera2: Camera
    cam2_from_cam1: Pose

    def errors_px(self, xy1: Floats, xy2: Floats) -> Floats:
        """Return Sampson distances under the true fundamental matrix."""
        E = essential_from_pose(self.cam2_from_cam1)
        F = fundamental_from_essential(E, self.camera1.matrix, self.camera2.matrix)
        return np.sqrt(sampson_error_sq(F, xy1, xy2))

    def pose_error_deg(self, xy1: Floats, xy2: Floats) -> float:
        """Return the error of the relative pose estimated from matches, or 180 if none was found."""
        verifier = FivePointVerifier(VerificationOptions(verifier="five-point", max_error_px=2.0))
        estimate = verifier.verify(xy1, xy2, self.camera1, self.camera2).cam2_from_cam1
        if estimate is None or not np.any(estimate.translation):
            return FAILED_DEG
        rotation = rotation_angle_deg(estimate.rotation @ self.cam2_from_cam1.rotation.T)
        return max(rotation, angle_between_deg(estimate.translation, self.cam2_from_cam1.translation))


@dataclass(frozen=True)
class HandMadeTruth(Truth):
    """Some correspondences were marked by hand.

    Attributes
    ----------
    xy1, xy2 : (M, 2)
        The marked points.
    """

    xy1: Floats
    xy2: Floats

    def errors_px(self, xy1: Floats, xy2: Floats) -> Floats:
        """Return Sampson distances of the marks under the fundamental matrix of the matches `xy1`, `xy2`."""
        nothing = np.full(len(self.xy1), np.inf)
        if len(xy1) < 8:
            return nothing
        F, _ = cv2.findFundamentalMat(xy1, xy2, cv2.USAC_MAGSAC, 1.0, 0.9999, 20000)
        return nothing if F is None or F.shape != (3, 3) else np.sqrt(sampson_error_sq(F, self.xy1, self.xy2))


@dataclass(frozen=True)
class Pair:
    """Two images of a test.

    Attributes
    ----------
    first, second
        Files.
    truth
        How they are related.
    """

    first: Path
    second: Path
    truth: Truth


def homography_pairs(sequence: Path) -> list[Pair]:
    """Read a sequence: `img1.*` to `imgN.*` and `H_1_k.txt` (or `1.*` to `N.*` and `H_1_k`)."""
    pairs = []
    for path in sorted(sequence.glob("H_1_*")):
        number = path.stem.split("_")[-1]
        pairs.append(Pair(_numbered(sequence, "1"), _numbered(sequence, number), PlaneTruth(_matrix(path))))
    if not pairs:
        raise InputError(
            f"{sequence} holds no H_1_k.txt: give a folder with img1.* to imgN.* and homographies."
        )
    return pairs


def webcam_pairs(folder: Path, count: int = 8) -> list[Pair]:
    """Pair the `count` darkest with the `count` brightest frames of a fixed camera."""
    frames = _images(folder)
    if len(frames) < 2 * count:
        raise InputError(f"{folder} holds {len(frames)} frames: at least {2 * count} are needed.")
    brightness = [float(gray_pixels(path).mean()) for path in frames]
    order = np.argsort(brightness, kind="stable")
    truth = PlaneTruth(np.eye(3))
    return [Pair(frames[d], frames[b], truth) for d in order[:count] for b in order[-count:]]


def hand_made_pairs(folder: Path) -> list[Pair]:
    """Read all pairs below `folder`: two images and `corrs.txt` (x1 y1 x2 y2 in a line) each.

    Raises `InputError` if there are none, or one of them is incomplete.
    """
    pairs = []
    for path in sorted(folder.rglob("corrs.txt")):
        marks = _matrix(path)
        images = _images(path.parent)
        if len(images) < 2:
            raise InputError(
                f"{path.parent} has a corrs.txt, but {len(images)} of two images: put both beside it."
            )
        first, second = images[:2]
        pairs.append(Pair(first, second, HandMadeTruth(marks[:, :2], marks[:, 2:4])))
    if not pairs:
        raise InputError(f"{folder} holds no pairs with a corrs.txt.")
    return pairs


def posed_pairs(scene: Path, max_angle_deg: float = 60.0) -> list[Pair]:
    """Pair the images of a scene (images/ and ground_truth/, a COLMAP model) that look the same way.

    Pairs whose optical axes differ by more than `max_angle_deg` are left out: hardly anything is in both.
    """
    from sfm.mapping.colmap_io import read_map

    truth = read_map(scene / "ground_truth")
    images = truth.images_by_name
    pairs = []
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            relative = other.cam_from_world @ one.cam_from_world.inverse()
            if np.degrees(np.arccos(np.clip(relative.rotation[2, 2], -1, 1))) > max_angle_deg:
                continue
            cameras = truth.cameras[one.camera_id], truth.cameras[other.camera_id]
            first, second = scene / "images" / one.name, scene / "images" / other.name
            pairs.append(Pair(first, second, PoseTruth(*cameras, relative)))
    if not pairs:
        raise InputError(f"{scene}: no two images look the same way.")
    return pairs


def gray_pixels(path: Path) -> NDArray[np.uint8]:
    """Return the grey pixels (H, W) of an image file; raises `InputError` if there are none."""
    return read_gray_pixels(path)


def _matrix(path: Path) -> Floats:
    try:
        return np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a table of numbers.") from error


def _images(folder: Path) -> list[Path]:
    suffixes = (".jpg", ".jpeg", ".png", ".ppm", ".pgm")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def _numbered(folder: Path, number: str) -> Path:
    for path in _images(folder):
        if path.stem in (number, f"img{number}"):
            return path
    raise InputError(f"{folder} has a homography for image {number}, but no img{number}.*.")
