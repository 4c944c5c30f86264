"""How to go about mapping: read from the view graph, or as told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sfm.geometry.camera import Camera
from sfm.mapping.incremental import MapperSettings
from sfm.mapping.options import MappingOptions
from sfm.viewgraph.graph import Reading


@dataclass(frozen=True)
class Strategy:
    """One way to map: the mapper's settings, and words for people."""

    settings: MapperSettings
    words: str

    def told(self, how: str) -> Strategy:
        """Return the same way to map with more words about it."""
        return replace(self, words=f"{self.words}, {how}")

    def of_two(self) -> Strategy | None:
        """Return the same way to map with models of two images; None if it has these already.

        Then points count too that no third image sees.
        """
        if self.settings.min_model_size == 2:
            return None
        return replace(self, settings=replace(self.settings, min_model_size=2)).told("of two images")


def plan(
    reading: Reading, cameras: Mapping[int, Camera], options: MappingOptions, max_error_px: float
) -> list[Strategy]:
    """Return the ways to map in the order of trying; the first is the one that suits the view graph.

    Parameters
    ----------
    reading
        What the view graph tells of the capture.
    cameras
        Intrinsics before mapping, by camera id: which are given, which known from EXIF.
    options
        What the user decided.
    max_error_px
        Largest error of a verified match, which limits reprojection errors too.
    """
    # Of two photographs, a map of two is wanted.
    options = replace(options, min_model_size=min(options.min_model_size, reading.images))
    is_walk = options.capture == "walk" or (options.capture == "auto" and reading.is_walk)
    # On a walk focal length and depth are hard to tell apart: what EXIF knows is held from the start.
    ways = [(is_walk, is_walk), (is_walk, not is_walk)]
    if options.capture == "auto":
        ways += [(not is_walk, True), (not is_walk, False)]
    strategies = [
        _strategy(walk, _held(hold_known, cameras, options), cameras, options, max_error_px)
        for walk, hold_known in ways
    ]
    return list(dict.fromkeys(strategies))


def _strategy(
    walk: bool,
    held: frozenset[int],
    cameras: Mapping[int, Camera],
    options: MappingOptions,
    max_error_px: float,
) -> Strategy:
    style = "as a walk" if walk else "as a collection"
    if not held:
        intrinsics = "intrinsics refined"
    elif len(held) < len(cameras):
        intrinsics = f"intrinsics of {len(held)} of {len(cameras)} cameras held"
    elif all(camera.fixed for camera in cameras.values()):
        intrinsics = "intrinsics given"
    else:
        intrinsics = "intrinsics held"
    settings = MapperSettings(
        walk,
        held,
        max_error_px,
        options.min_model_size,
        global_growth=options.global_growth,
        global_refinements=options.global_refinements,
        local_refinements=options.local_refinements,
    )
    return Strategy(settings, f"{style}, {intrinsics}")


def _held(hold_known: bool, cameras: Mapping[int, Camera], options: MappingOptions) -> frozenset[int]:
    """Return the cameras whose intrinsics the mapper leaves as they are; given ones are always among them."""
    if options.refine_intrinsics == "never":
        return frozenset(cameras)
    hold_known = hold_known and options.refine_intrinsics == "auto"
    return frozenset(
        i for i, camera in cameras.items() if camera.fixed or (hold_known and camera.focal_is_known)
    )
