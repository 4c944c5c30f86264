"""The training of a patch network, from a patch set to weights."""

from __future__ import annotations

import copy
import io
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfm.allocator import keep_freed_memory
from sfm.errors import InputError, WorkError
from sfm.features import pretrained
from sfm.features.network_descriptor import choose_device
from sfm.features.networks import NETWORKS, PatchNetwork, channels_last
from sfm.features.precision import multiplies_bfloat16
from sfm.files import atomic_path, write_json
from sfm.learning.batches import BatchSampler
from sfm.learning.losses import RECIPES, second_order_similarity
from sfm.learning.metrics import fpr_at_recall, nearest_is_own
from sfm.learning.patch_set import PatchSet
from sfm.learning.patch_surroundings import with_other_surroundings
from sfm.learning.training_options import TrainingOptions
from sfm.options import as_recorded, check
from sfm.progress import SILENT, Progress, Step

_VALIDATION_SEED = 1_000_003
_VALIDATION_BATCHES = 4
_VALIDATION_POINTS = 1024


@dataclass(frozen=True)
class Validation:
    """How well the network does on scenes it was not trained on.

    Attributes
    ----------
    step
        After how many batches.
    loss
        Mean training loss since the validation before.
    fpr95
        Share of wrong pairs accepted where 95% of the true ones are, 0 to 1.
    matched
        Share of points whose nearest neighbour among 1024 points of a second view is their own.
    seconds
        Time spent in training so far.
    """

    step: int
    loss: float
    fpr95: float
    matched: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """What a training run ends with.

    Attributes
    ----------
    weights
        Path of the weights, fp16 safetensors.
    history
        Validations in order.
    """

    weights: Path
    history: tuple[Validation, ...]


def train(
    patches: PatchSet,
    folder: Path,
    options: TrainingOptions,
    *,
    validation_scenes: tuple[str, ...] = (),
    init: pretrained.Pretrained | None = None,
    progress: Progress = SILENT,
) -> Trained:
    """Train a network and write its weights to `folder`, with checkpoints on the way.

    A folder with a checkpoint of the same options goes on where it stopped, exactly as if it had not.

    Parameters
    ----------
    patches
        The patch set.
    folder
        Where `checkpoint.pt`, `history.json` and `weights.safetensors` go.
    options
        The recipe.
    validation_scenes
        Scenes to validate on; none of their points are trained on.
    init
        Weights to start from, of the same network; None for new ones.
    progress
        Hears of the work, and of batches that are smaller than asked for because there are not so many points.

    Raises
    ------
    InputError
        If the patch set has no such scene or too few points, if there are no weights to keep a share of, or if the
        folder's checkpoint is of other options.
    WorkError
        If the loss is no longer finite, or the disk is full; the last checkpoint stays whole.
    """
    check(options)
    if options.keep_of_init and init is None:
        raise InputError("--keep-of-init needs weights to keep: give --init.")
    keep_freed_memory()
    run = _Run(patches, folder, options, validation_scenes, init)
    if run.sampler.batch_size < options.batch_size:
        progress.warn(
            f"There are only {run.sampler.batch_size} points to train on: batches are of so many, not of "
            f"{options.batch_size} (--batch-size)."
        )
    resumed = run.resume()
    if resumed:
        progress.say(f"Going on after step {run.step} of {folder}.")
    with progress.stage(f"Training {options.loss}", options.steps, "batches") as step:
        step.advance(run.step)
        run.to_the_end(step)
    weights = folder / "weights.safetensors"
    network = run.network if init is None else _mean(run.network, init.network, options.keep_of_init)
    pretrained.save(network, options.loss, weights, window=patches.window, orientation=patches.orientation)
    write_json(folder / "history.json", run.report())
    return Trained(weights, tuple(run.history))


class _Run:
    """The state of one training run."""

    def __init__(
        self,
        patches: PatchSet,
        folder: Path,
        options: TrainingOptions,
        validation_scenes: tuple[str, ...],
        init: pretrained.Pretrained | None,
    ) -> None:
        held_out = patches.points_of(validation_scenes)
        points = np.setdiff1d(np.arange(patches.num_points), held_out)
        if len(points) < 2:
            raise InputError("Too few points are left to train on: add sources or hold out fewer scenes.")
        self.options = options
        given = options.second_order_weight
        self.second_order_weight = RECIPES[options.loss].second_order_weight if given is None else given
        self.folder = folder
        self.sampler = BatchSampler(
            patches, points, options.batch_size, options.seed, options.scenes_per_batch
        )
        evens_light = init.network.evens_light if init else options.local_contrast
        self.identity = {
            **as_recorded(options),
            "local_contrast": evens_light,
            "batch_size": self.sampler.batch_size,
            "patch_set": {
                key: patches.manifest[key]
                for key in ("points", "patches", "patch_scale", "foveation", "orientation")
            },
            "validation_scenes": list(validation_scenes),
            "init": init.sha256 if init else None,
        }
        self.validation = (
            BatchSampler(patches, held_out, _VALIDATION_POINTS, _VALIDATION_SEED) if len(held_out) else None
        )
        self.device = choose_device(options.device)
        self.half = options.precision == "bfloat16" or (
            options.precision == "auto" and multiplies_bfloat16(self.device)
        )
        torch.manual_seed(options.seed)
        self.network = channels_last(_start(options.loss, evens_light, init).to(self.device))
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trainable, lr=options.learning_rate)
        self.step = 0
        self.losses: list[float] = []
        self.history: list[Validation] = []
        self.seconds = 0.0

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def resume(self) -> bool:
        """Load the folder's checkpoint, if there is one."""
        if not self.checkpoint.is_file():
            return False
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        except Exception as error:
            raise InputError(f"{self.checkpoint} is damaged: delete it to train from the start.") from error
        identity = json.loads(state["identity"])
        if identity != self.identity:
            changed = sorted(key for key in self.identity if identity.get(key) != self.identity[key])
            raise InputError(
                f"{self.folder} holds a run with other settings ({', '.join(changed)}): "
                "choose another output folder, or delete it."
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.losses = list(state["losses"])
        self.history = [Validation(**entry) for entry in json.loads(state["history"])]
        return True

    def to_the_end(self, progress: Step) -> None:
        """Train until the last step, validating and saving on the way."""
        options = self.options
        while self.step < options.steps:
            started = time.monotonic()
            loss = self._train_step()
            self.seconds += time.monotonic() - started
            if not np.isfinite(loss):
                raise WorkError(
                    f"Training diverged: the loss is {loss} at step {self.step + 1}. {self._kept()} "
                    "Try a smaller --learning-rate."
                )
            self.step += 1
            self.losses.append(loss)
            progress.advance(note=self._note())
            if self.step % options.validation_every == 0 or self.step == options.steps:
                self._validate()
            if self.step % options.checkpoint_every == 0 or self.step == options.steps:
                self._save()

    def report(self) -> dict[str, Any]:
        """Return what is worth keeping of the run, JSON-ready."""
        return {
            "options": self.identity,
            "precision": "bfloat16" if self.half else "float32",
            "seconds": round(self.seconds),
            "history": [asdict(entry) for entry in self.history],
        }

    def _train_step(self) -> float:
        options = self.options
        # A seed for every step, so that dropout does not depend on whether the run was interrupted.
        torch.manual_seed(options.seed * 1_000_003 + self.step)
        self._set_learning_rate()
        batch = torch.cat(self.sampler.draw(self.step))
        surroundings = torch.Generator().manual_seed(options.seed * 1_000_003 + self.step)
        self.network.train()
        batch = with_other_surroundings(batch, options.other_surroundings, surroundings)
        described = self._describe(batch)
        one, other = described.chunk(2)
        loss = RECIPES[options.loss].first_order(one, other, None)
        if self.second_order_weight > 0:
            loss = loss + self.second_order_weight * second_order_similarity(one, other, options.neighbours)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def _describe(self, patches: Tensor) -> Tensor:
        batch = patches.to(self.device).float().contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            described: Tensor = self.network(batch)
        return described.float()

    def _set_learning_rate(self) -> None:
        options = self.options
        rising = (self.step + 1) / (options.warm_up + 1)
        falling = (options.steps - self.step) / max(1, options.steps - options.warm_up)
        for group in self.optimizer.param_groups:
            group["lr"] = options.learning_rate * min(1.0, rising, falling)

    def _validate(self) -> None:
        fpr95 = matched = float("nan")
        if self.validation is not None:
            fpr95, matched = self._validation_figures(self.validation)
        last = self.history[-1].step if self.history else 0
        loss = float(np.mean(self.losses[last : self.step]))
        self.history.append(Validation(self.step, loss, fpr95, matched, round(self.seconds, 1)))

    def _validation_figures(self, sampler: BatchSampler) -> tuple[float, float]:
        """Return FPR95 and the share of points matched, over fixed batches of the held-out scenes."""
        self.network.eval()
        positive: list[NDArray[np.float32]] = []
        negative: list[NDArray[np.float32]] = []
        matched: list[NDArray[np.bool_]] = []
        for number in range(_VALIDATION_BATCHES):
            with torch.no_grad():
                one, other = (self._describe(batch).cpu() for batch in sampler.draw(number))
            left, right = (torch.nn.functional.normalize(rows, dim=1).numpy() for rows in (one, other))
            positive.append(np.linalg.norm(left - right, axis=1))
            # Batches are in random order: the next row is a random other point.
            negative.append(np.linalg.norm(left - np.roll(right, 1, axis=0), axis=1))
            matched.append(nearest_is_own(left, right))
        fpr95 = fpr_at_recall(np.concatenate(positive), np.concatenate(negative))
        return fpr95, float(np.concatenate(matched).mean())

    def _save(self) -> None:
        state = {
            "identity": json.dumps(self.identity),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "history": json.dumps([asdict(entry) for entry in self.history]),
        }
        # Through memory, because torch's own writer hides a full disk behind a RuntimeError.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with atomic_path(self.checkpoint) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def _note(self) -> str:
        note = f"loss {np.mean(self.losses[-20:]):.3f}"
        if self.history and np.isfinite(self.history[-1].fpr95):
            note += f", FPR95 {100 * self.history[-1].fpr95:.2f}%"
        return note

    def _kept(self) -> str:
        return f"{self.checkpoint} is the last good state." if self.checkpoint.is_file() else ""


def _mean(network: PatchNetwork, other: PatchNetwork, share: float) -> PatchNetwork:
    """Return a copy of a network with a share of another one's weights in it.

    M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022: where the one was trained on from the
    other, the mean keeps most of what either gains.
    """
    mean, others = copy.deepcopy(network), other.state_dict()
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.lerp_(others[name].to(value), share)
    return mean


def _start(loss: str, evens_light: bool, init: pretrained.Pretrained | None) -> PatchNetwork:
    """Return a new network, or a copy of `init`, which must be of the same kind."""
    network = NETWORKS[loss](evens_light=evens_light)
    if init is None:
        network.initialise()
    elif type(init.network) is not type(network):
        raise InputError(f"--init: weights of {init.name} cannot start a training of {loss}.")
    else:
        network.load_state_dict(init.network.state_dict())
    return network
