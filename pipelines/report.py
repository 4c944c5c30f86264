"""The report of a finished run, gathered from what lies in its folder."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sfm.errors import InputError
from sfm.features.keypoints import Keypoints
from sfm.files import refuse_suffix
from sfm.images.decode import load_rgb
from sfm.images.photo_set import Photo, orientations_of
from sfm.mapping.database import VerifiedPair
from sfm.mapping.model_files import model_digest
from sfm.mapping.stored_matches import StoredMatches
from sfm.options import flag_of
from sfm.outputs import refuse_to_write_over
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.map_and_features import refuse_other_keypoints
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.progress import SILENT, Progress
from sfm.report.content import GalleryPair, ReportContent
from sfm.report.page import is_report_of, write_report
from sfm.report.scene import MAX_SHOWN_POINTS
from sfm.workspace import digest_of

_GALLERY_SIZE = 1120
_MAX_LEFT_OUT_PAIRS = 2


def report(
    map_path: Path | str,
    out: Path | str | None = None,
    images: Path | str | None = None,
    max_points: int = MAX_SHOWN_POINTS,
    progress: Progress = SILENT,
) -> Path:
    """Write the HTML report of a map with all its run knows.

    Parameters
    ----------
    map_path
        Output folder of a finished run, or a COLMAP model folder (then only with the map itself).
    out
        The file; default `report.html` in the run's folder.
    images
        Folder of the photographs, if it has moved or the run does not know it.
    max_points
        Larger clouds are thinned to this many points for display; the page says so.
    progress
        Hears what could not be shown.

    Returns
    -------
    The file written.

    Raises
    ------
    InputError
        If there is no map, or features or database beside it are of another.
    """
    run = FinishedRun.open(Path(map_path), Path(images) if images is not None else None)
    path = Path(out) if out is not None else (run.root or run.model) / "report.html"
    if path.is_dir():
        path = path / "report.html"
    refuse_suffix(path, ".html", ".htm")
    refuse_to_write_over(run.pieces, [path])
    write_report(gather(run, progress), path, max_points=max_points, made_of=_made_of(run))
    return path


def current_report(
    map_path: Path | str, images: Path | str | None = None, progress: Progress = SILENT
) -> Path:
    """Return the report beside a map, written anew if there is none, or it is not whole or of another map.

    Parameters and errors are those of `report`.
    """
    run = FinishedRun.open(Path(map_path), Path(images) if images is not None else None)
    path = (run.root or run.model) / "report.html"
    if is_report_of(path, _made_of(run)):
        progress.say(f"Reused: {path}.")
        return path
    return report(map_path, None, images, progress=progress)


def _made_of(run: FinishedRun) -> str:
    return digest_of([model_digest(run.model), run.record])


def gather(run: FinishedRun, progress: Progress = SILENT) -> ReportContent:
    """Collect what the report shows; what is missing beside the map is left out of it.

    Raises `InputError` if what is beside the map belongs to another.
    """
    refuse_other_keypoints(run)
    record = run.record
    pairs = _verified_pairs(record)
    left_out = {**record.get("left_out", {}), **record.get("skipped", {})}
    shown = {key: value for key, value in record.items() if key not in ("pairs", "left_out", "skipped")}
    if record:
        shown["command"] = command_of(record)
    return ReportContent(
        title=title_of(Path(str(record.get("images") or run.root or run.model))),
        sparse_map=run.sparse_map,
        further_models=[model["images"] for model in record.get("models", ())[1:]],
        pairs=pairs,
        left_out=left_out,
        warnings=problems_of(record),
        orientations=orientations_of(run.photo_set),
        gallery=gallery_of(run, pairs_to_show(pairs, left_out), progress),
        run=shown,
    )


def command_of(record: Mapping[str, Any]) -> str:
    """Return the command line that makes a recorded run again: the images and all options off their defaults."""
    words = ["sfm", "reconstruct", str(record.get("images", "IMAGES"))]
    return shlex.join([*words, *option_words(record.get("options", {}))])


def option_words(options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the flags and values of recorded options, by stage, that are off their defaults."""
    words: list[str] = []
    defaults = ReconstructOptions()
    for stage in dataclasses.fields(defaults):
        recorded = options.get(stage.name, {})
        for field in dataclasses.fields(getattr(defaults, stage.name)):
            value = recorded.get(field.name, field.default)
            if value == field.default or value is None or not field.metadata:
                continue
            if isinstance(value, bool):
                words.append(flag_of(field.name if value else f"no_{field.name}"))
            else:
                words += [flag_of(field.name), str(value)]
    return words


def pairs_to_show(
    pairs: Sequence[VerifiedPair], left_out: Mapping[str, str]
) -> list[tuple[VerifiedPair, str]]:
    """Choose a few pairs worth looking at, each with the reason: the best, the usual and the doubtful ones."""
    accepted = sorted((pair for pair in pairs if pair.accepted), key=lambda pair: -pair.inliers)
    rejected = sorted((pair for pair in pairs if not pair.accepted), key=lambda pair: -pair.inliers)
    chosen: dict[tuple[str, str], tuple[VerifiedPair, str]] = {}

    def choose(candidates: Sequence[VerifiedPair], why: str) -> None:
        if candidates:
            chosen.setdefault((candidates[0].name1, candidates[0].name2), (candidates[0], why))

    choose(accepted, "most inliers")
    choose(accepted[len(accepted) // 2 :], "typical")
    choose(accepted[::-1], "fewest inliers of the accepted")
    choose([pair for pair in rejected if pair.matches], "rejected: no more inliers than chance explains")
    for name in sorted(left_out)[:_MAX_LEFT_OUT_PAIRS]:
        best = [pair for pair in (*accepted, *rejected) if name in (pair.name1, pair.name2) and pair.matches]
        choose(best, f"best pair of {name}, which was left out")
    return list(chosen.values())


def gallery_of(
    run: FinishedRun, chosen: Sequence[tuple[VerifiedPair, str]], progress: Progress = SILENT
) -> list[GalleryPair]:
    """Return those chosen pairs, each with the reason, whose photographs, keypoints and matches are all there."""
    database = run.root / "database.db" if run.root else None
    if database is None or not database.is_file() or not chosen:
        return []
    if run.photo_set is None:
        progress.warn("The photographs are not where the run found them: the report shows no matches.")
        return []
    photos = {photo.name: photo for photo in run.photo_set.photos}
    keypoints = run.keypoints
    gallery: list[GalleryPair] = []
    try:
        matches, verified = StoredMatches(database), StoredMatches(database, verified=True)
        for pair, why in chosen:
            photo1, photo2 = photos.get(pair.name1), photos.get(pair.name2)
            if photo1 and photo2:
                gallery.append(_gallery_pair(photo1, photo2, matches, verified, keypoints, why))
    except InputError as error:
        progress.warn(f"The report does not show all matches: {error}")
    return gallery


def _gallery_pair(
    photo1: Photo,
    photo2: Photo,
    matches: StoredMatches,
    verified: StoredMatches,
    keypoints: Mapping[str, Keypoints],
    why: str,
) -> GalleryPair:
    # The database keeps a pair in the order of its image ids, which need not be that of the names.
    if (photo1.name, photo2.name) not in matches and (photo2.name, photo1.name) in matches:
        photo1, photo2 = photo2, photo1
    pair = photo1.name, photo2.name
    index = matches[pair] if pair in matches else np.empty((0, 2), np.uint32)
    agreeing = verified[pair] if pair in verified else np.empty((0, 2), np.uint32)
    if not (pair[0] in keypoints and pair[1] in keypoints):
        raise InputError(f"the keypoints of {pair[0]} or {pair[1]} are missing.")
    return GalleryPair(
        *pair,
        load_rgb(photo1, _GALLERY_SIZE),
        load_rgb(photo2, _GALLERY_SIZE),
        (photo1.width, photo1.height),
        (photo2.width, photo2.height),
        keypoints[pair[0]].xy[index[:, 0]],
        keypoints[pair[1]].xy[index[:, 1]],
        # A keypoint has one match at most, so the first column names a match.
        np.isin(index[:, 0], agreeing[:, 0]),
        why,
        photo1.exif.orientation,
        photo2.exif.orientation,
    )


def title_of(folder: Path) -> str:
    """Return what to call the map of the photographs in `folder`."""
    return folder.parent.name if folder.name.lower() in ("images", "photos", "jpg") else folder.name


def problems_of(record: Mapping[str, Any]) -> list[str]:
    """Return what a run's self-check found against its map, one sentence each."""
    return [_sentence(problem) for problem in record.get("self_check", {}).get("problems", ())]


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:].rstrip(".") + "."


def _verified_pairs(record: Mapping[str, Any]) -> list[VerifiedPair]:
    try:
        return [VerifiedPair(**pair) for pair in record.get("pairs", ())]
    except TypeError as error:
        raise InputError("The pairs in run.json are damaged: run `sfm reconstruct` again.") from error
