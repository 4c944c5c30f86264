"""Options of `sfm patches build`, apart from the work because torch and others are slow to import."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.features.patch_window import PatchWindow
from sfm.options import option


@dataclass(frozen=True)
class PatchSetOptions:
    """How patches are collected."""

    patch_scale: float = option(
        56.0, "Side of a patch through its middle, in sigmas of its keypoint.", minimum=1.0
    )
    foveation: float = option(
        1.3,
        "How much closer than on average a patch's samples lie in its middle; 0 spreads them evenly.",
        minimum=0.0,
    )
    orientation: str = option(
        "image",
        "How keypoints are turned. image: all of one as it is turned against the others of its scene, a photograph "
        "by itself upright, give or take what is left over. gradient: each to the strongest gradient around it.",
        choices=("image", "gradient"),
    )
    keypoints_per_image: int = option(3000, "Detect at most this many keypoints in an image.", minimum=10)
    pairs_per_scene: int = option(500, "Match at most this many pairs of a scene's photographs.", minimum=1)
    points_per_scene: int = option(20000, "Keep at most this many real points of a scene.", minimum=1)
    synthetic_views: int = option(
        4, "Warp and relight every photograph this many times; 0 for none.", minimum=0
    )
    points_per_photo: int = option(500, "Keep at most this many synthetic points of a photograph.", minimum=1)
    seed: int = option(0, "Seed of every random choice.")
    workers: int = option(2, "Threads at work.", minimum=1, affects_result=False)

    @property
    def window(self) -> PatchWindow:
        """What a patch shows."""
        return PatchWindow(self.patch_scale, self.foveation)
