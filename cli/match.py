"""`sfm match`: two photographs, their verified matches and relative pose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command, given, options_from
from sfm.errors import InputError
from sfm.features.choice import DescriptionOptions
from sfm.features.detectors import DetectionOptions
from sfm.features.orientation import OrientationOptions
from sfm.geometry.two_view import VerificationOptions
from sfm.images.cameras import CameraOptions
from sfm.matching.options import MatchingOptions
from sfm.options import from_mapping


@command()
@click.argument("image1", metavar="A", type=click.Path(path_type=Path))
@click.argument("image2", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default="matches.jpg",
    show_default=True,
    help="Picture of the matches: verified green, rejected red.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Also write a page beside the picture: what descriptors see, and find nearest.",
)
@click.option(
    "--descriptors",
    metavar="NAME[=FILE],...",
    help="With --explain: what to compare. Default: sift, and those of triplet and sosnet whose weights ship.",
)
@click.option(
    "--points",
    type=click.IntRange(1, 100),
    default=8,
    show_default=True,
    help="With --explain: how many keypoints to show.",
)
@options_from(
    CameraOptions,
    DetectionOptions,
    OrientationOptions,
    DescriptionOptions,
    MatchingOptions,
    VerificationOptions,
)
@common_options
def match(
    console: Console,
    image1: Path,
    image2: Path,
    out: Path,
    explain: bool,
    descriptors: str | None,
    points: int,
    **values: Any,
) -> None:
    """Match two photographs: verified matches, relative pose, a picture.

    The rotation is the angle by which the camera turned from A to B. The direction is the unit vector from
    the camera of A to that of B: x right, y down, z ahead, as A sees it.

    \b
    sfm match a.jpg b.jpg
    sfm match a.jpg b.jpg --explain --descriptors sift,sosnet
    """  # noqa: D301 - click wants the backspace itself
    if descriptors is not None and not explain:
        raise InputError("--descriptors needs --explain; to match by another descriptor, use --descriptor.")
    if given({"points": points}) and not explain:
        raise InputError("--points needs --explain: add it, or leave --points out.")
    from sfm.features.choice import make_descriptor
    from sfm.files import PICTURE_SUFFIXES, refuse_suffix
    from sfm.mapping.colmap_verifier import make_verifier
    from sfm.outputs import refuse_to_write_over
    from sfm.pipelines.explain import explain_pair, make_descriptors
    from sfm.pipelines.match import match_pair, read_pair

    refuse_suffix(out, *PICTURE_SUFFIXES)
    detection, description = from_mapping(DetectionOptions, values), from_mapping(DescriptionOptions, values)
    cameras = from_mapping(CameraOptions, values)
    pages = [out.with_suffix(".html")] if explain else []
    refuse_to_write_over((image1, image2, cameras.intrinsics, description.weights), [out, *pages])
    matching = from_mapping(MatchingOptions, values)
    verifier = make_verifier(from_mapping(VerificationOptions, values))
    descriptor = make_descriptor(description, detection.max_size)
    names = None if descriptors is None else [text for text in descriptors.split(",") if text.strip()]
    compared = make_descriptors(names, description, detection) if explain else []
    pair = read_pair(
        image1,
        image2,
        detection,
        cameras,
        from_mapping(OrientationOptions, values),
        descriptor,
    )
    result = match_pair(pair, out, descriptor, matching, verifier)
    page = None
    if explain:
        page = explain_pair(pair, pages[0], compared, points, matching, verifier)
    geometry, direction = result.geometry, result.translation_direction
    angle = result.rotation_deg
    told_direction = None if direction is None else " ".join(f"{x:+.3f}" for x in direction)
    console.table(
        "",
        ["", ""],
        [
            ("keypoints", f"{result.keypoints[0]} and {result.keypoints[1]}"),
            ("matches", str(len(result.xy1))),
            ("verified", str(len(geometry.inliers))),
            ("orientation", f"{pair.orientations.way}, for {pair.orientations.reason}"),
            ("kind", geometry.kind),
            ("rotation (deg)", "unknown" if angle is None else f"{angle:.3f}"),
            ("direction (right, down, ahead)", told_direction or "unknown"),
            ("picture", str(result.picture)),
            *([("explained in", str(page))] if page else []),
        ],
    )
    if geometry.kind != "degenerate" and not result.verified.beyond_chance:
        console.warn("As many matches could agree by chance: do not rely on this relative pose.")
    pose = geometry.cam2_from_cam1
    console.summary(
        {
            "keypoints": result.keypoints,
            "matches": len(result.xy1),
            "verified": len(geometry.inliers),
            "kind": geometry.kind,
            "log10_nfa": result.verified.log10_nfa,
            "rotation_deg": angle,
            "translation_direction": direction,
            "rotation_matrix": None if pose is None else pose.rotation,
            "picture": result.picture,
            "page": page,
        }
    )
