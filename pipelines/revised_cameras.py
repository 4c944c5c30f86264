"""Revise which cameras took photographs, where their map speaks against EXIF and sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sfm.files import write_json
from sfm.geometry.camera import Camera
from sfm.images.cameras import CameraAssignment
from sfm.images.other_cameras import one_per_photograph, one_per_zoom, without_exif
from sfm.mapping.zooms import images_of_another_zoom
from sfm.pipelines.mapping import MappingResult
from sfm.pipelines.run_record import read_object
from sfm.progress import Progress
from sfm.words import count, listed
from sfm.workspace import Workspace, digest_of


@dataclass(frozen=True)
class Revision:
    """Cameras to match and map again by, and why, in a sentence."""

    cameras: CameraAssignment
    reason: str


def revise_without_map(cameras: CameraAssignment) -> Revision | None:
    """Return guesses in place of EXIF's focal lengths, for photographs that made no map; None if there are none."""
    guessed = without_exif(cameras)
    if guessed is None:
        return None
    return Revision(
        guessed,
        "There is no map by the focal lengths in EXIF, so they are taken for wrong, and guessed. If the map is right, "
        "remove them from EXIF.",
    )


def revise_by_map(cameras: CameraAssignment, mapping: MappingResult) -> Revision | None:
    """Return one camera a zoom, where photographs that were taken for one camera's were zoomed; None if all is well.

    First each photograph is given a camera of its own; their map tells which of them share one.
    """
    sparse_map = mapping.models[0]
    if not cameras.zoom_assumed:
        return None
    if _are_parted(cameras):
        focals_px = {i: camera.focal_px for i, camera in sparse_map.cameras.items()}
        merged = one_per_zoom(cameras, focals_px)
        return Revision(merged, f"Their map tells {count(len(merged.cameras), 'cameras')} by focal length.")
    other = [] if mapping.reused else images_of_another_zoom(sparse_map, cameras.zoom_assumed)
    if not other:
        return None
    return Revision(
        one_per_photograph(cameras),
        f"Photographs of one size were zoomed differently ({listed(other, 3)}): each is mapped with a camera of its "
        "own.",
    )


def keep_revision(workspace: Workspace, first: CameraAssignment, revision: Revision) -> None:
    """Write down revised cameras, so that another run begins with them."""
    now = revision.cameras
    kept = {
        "instead_of": _digest(first),
        "reason": revision.reason,
        "cameras": {str(i): vars(camera) for i, camera in now.cameras.items()},
        "camera_of": now.camera_of,
        "zoom_assumed": sorted(now.zoom_assumed),
    }
    write_json(workspace.revised_cameras, {"digest": digest_of(kept), **kept})


def revised_before(workspace: Workspace, first: CameraAssignment, progress: Progress) -> CameraAssignment:
    """Return the cameras that an earlier run revised these to; the same if it had no reason to."""
    kept = read_object(workspace.revised_cameras)
    whole = kept.pop("digest", None) == digest_of(kept)
    if not whole or kept.get("instead_of") != _digest(first):
        return first
    progress.warn(f"Cameras as an earlier run found them: {kept['reason']}")
    cameras = {int(i): Camera(**{**c, "params": tuple(c["params"])}) for i, c in kept["cameras"].items()}
    assumed = frozenset(kept["zoom_assumed"])
    return replace(first, cameras=cameras, camera_of=kept["camera_of"], zoom_assumed=assumed)


def _are_parted(cameras: CameraAssignment) -> bool:
    users = [i for i in cameras.camera_of.values() if i in cameras.zoom_assumed]
    return len(users) == len(cameras.zoom_assumed)


def _digest(cameras: CameraAssignment) -> str:
    told = {str(i): vars(camera) for i, camera in cameras.cameras.items()}
    return digest_of([told, cameras.camera_of, sorted(cameras.zoom_assumed)])
