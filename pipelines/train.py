"""Training a descriptor on a patch set, or on the points of one's own maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.files import atomic_path
from sfm.learning.patch_set import PatchSet
from sfm.learning.patch_set_options import PatchSetOptions
from sfm.learning.trainer import Trained, Validation, train
from sfm.learning.training_options import TrainingOptions
from sfm.outputs import claimed, refuse_to_write_over
from sfm.pipelines.patch_sources import read_sources
from sfm.pipelines.patches import build_patch_set
from sfm.progress import SILENT, Progress

_FILES = ("checkpoint.pt", "weights.safetensors", "history.json", "curve.png")


@dataclass(frozen=True)
class TrainingRun:
    """What a training ends with.

    Attributes
    ----------
    trained
        Weights and history.
    curve
        Picture of the loss and of FPR95 on the held-out scenes.
    """

    trained: Trained
    curve: Path


def train_descriptor(
    patches: PatchSet,
    folder: Path,
    options: TrainingOptions,
    *,
    validation_scenes: Sequence[str] = (),
    init: pretrained.Pretrained | None = None,
    progress: Progress = SILENT,
) -> TrainingRun:
    """Train and draw the curve.

    Parameters
    ----------
    patches
        The patch set.
    folder
        Where everything goes; a run that was stopped there goes on.
    options
        The recipe.
    validation_scenes
        Scenes to hold out.
    init
        Weights to start from; None for new ones.
    progress
        Who is told.
    """
    trained = train(
        patches, folder, options, validation_scenes=tuple(validation_scenes), init=init, progress=progress
    )
    curve = folder / "curve.png"
    draw_curve(trained.history, curve)
    return TrainingRun(trained, curve)


@contextmanager
def claimed_folder(folder: Path, inputs: Sequence[Path | None]) -> Iterator[None]:
    """Raise `InputError` if a training in `folder` would write over its inputs, or over what no training made."""
    refuse_to_write_over(inputs, [folder / name for name in (*_FILES, "patches")])
    if any(path is not None and path.resolve() == folder.resolve() for path in inputs):
        raise InputError(f"{folder} was given as input: choose another output folder.")
    with claimed(folder, _FILES, known_by=_FILES[0]):
        yield


def map_patches(
    maps: Sequence[Path],
    folder: Path,
    init: pretrained.Pretrained | None = None,
    progress: Progress = SILENT,
) -> PatchSet:
    """Collect the patches of the points of finished maps: what `--from-map` trains on.

    They show what the patches did that `init` was trained on, if it is known.
    """
    options = PatchSetOptions(synthetic_views=0)
    if init is not None and init.window is not None:
        options = replace(options, patch_scale=init.window.scale, foveation=init.window.foveation)
    return build_patch_set(read_sources(maps), folder, options, progress)


def load_init(init: str, loss: str) -> pretrained.Pretrained:
    """Load weights to start from, by packaged name or by file. Raises `InputError` if they do not fit."""
    if init in pretrained.available():
        return pretrained.load(init)
    return pretrained.load(loss, Path(init))


def draw_curve(history: Sequence[Validation], path: Path) -> None:
    """Draw the loss, and the errors on the held-out scenes, over the steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    steps = [entry.step for entry in history]
    figure, left = pyplot.subplots(figsize=(7, 4))
    left.plot(steps, [entry.loss for entry in history], "o-", color="tab:blue", markersize=3)
    left.set_xlabel("step")
    left.set_ylabel("training loss", color="tab:blue")
    right = left.twinx()
    right.plot(steps, [100 * entry.fpr95 for entry in history], "s-", color="tab:red", label="FPR95")
    unmatched = [100 * (1 - entry.matched) for entry in history]
    right.plot(steps, unmatched, "^-", color="tab:orange", label="not matched")
    right.set_ylabel("errors on held-out scenes (%)")
    right.legend()
    right.set_ylim(bottom=0)
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    pyplot.close(figure)
