"""Options of mapping, apart from the mapper itself so that `--help` need not import it."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.options import option


@dataclass(frozen=True)
class MappingOptions:
    """How the map is made."""

    capture: str = option(
        "auto",
        "How the photographs were taken: a collection from all sides, or a walk that looks ahead, with large "
        "steps and small angles. auto reads it from the verified pairs.",
        choices=("auto", "collection", "walk"),
    )
    refine_intrinsics: str = option(
        "auto",
        "Whether bundle adjustment refines focal length and distortion. auto: yes, but an EXIF focal length is "
        "held on a walk, and where the map would contradict it, unless errors clearly ask for another.",
        choices=("auto", "always", "never"),
    )
    robust: bool = option(
        True,
        "Adjust the finished map once more with a loss that wrong matches cannot bend (Cauchy's, at the scale of the "
        "map's own errors), and without the distortion of cameras that took fewer than eight images and do not clearly "
        "show it. Because of it the mapper may adjust seldom: without it, --global-growth 1.1 --global-refinements 5 "
        "--local-refinements 2 are worth their time.",
    )
    adjust_keypoints: bool = option(
        True,
        "Before that adjustment, move the keypoints of each point onto the same place of the surface, by aligning the "
        "patches around them: what the detector found is a third of a pixel off.",
    )
    principal_point: bool = option(
        True,
        "Let that adjustment also find the principal point of a camera that took eight or more of the images and whose "
        "intrinsics are refined; it is taken over only where the images clearly say so.",
    )
    lens_model: bool = option(
        True,
        "Let that adjustment also take further distortion coefficients, or a fisheye's, for a camera that took "
        "eight or more of the images and whose intrinsics are refined, where errors clearly ask for them.",
    )
    second_map: bool = option(
        True,
        "Map once more without the verified pairs that contradict the first map, where they hold more than 3% of the "
        "matches: what looks alike elsewhere, the other windows of a facade, bends maps. If that map is smaller, once "
        "more from another start.",
    )
    min_model_size: int = option(
        3,
        "Drop models of fewer images, except where there are only two, or there would be no map. With 2, points are "
        "also made of what only two images see.",
        minimum=2,
    )
    mapper_share: float = option(
        0.1,
        "Place the images by this share of the verified matches of each pair (100 at least, 20 of weak pairs), those "
        "of the longest tracks, and make points of the others afterwards: maps as good in half the time. Where these "
        "are not much fewer, or place too few images, and with 1 or --no-robust: by all of them.",
        minimum=0,
        maximum=1,
    )
    global_growth: float = option(
        1.3, "Adjust the whole map whenever it has grown by this factor, in images or points.", minimum=1.01
    )
    global_refinements: int = option(
        1, "Most rounds of adjusting the whole map and filtering its points.", minimum=1
    )
    local_refinements: int = option(
        1, "Most rounds of adjusting the surroundings of a new image and filtering their points.", minimum=1
    )
    seed: int = option(0, "Seed of every random choice.", minimum=0)
