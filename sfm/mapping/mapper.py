"""From a database of verified pairs to refined models: by few matches first, then completed with all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sfm.mapping.incremental import (
    MapperSettings,
    Model,
    Watch,
    complete,
    largest_first,
    read_database,
    run_mapper,
)
from sfm.mapping.keypoint_adjustment import LoadView, Moved, adjust_keypoints, take_back_unobserving
from sfm.mapping.lens_model import fit_lens_model
from sfm.mapping.loose_images import drop_loose_images
from sfm.mapping.options import MappingOptions
from sfm.mapping.refinement import ROUNDS, refine_robustly, settle
from sfm.mapping.thinning import thin_out
from sfm.progress import Progress, Step

# A map with a smaller share of what its view graph connects is worth another attempt.
_ENOUGH = 0.8
# A part of the matches that is worth mapping by first, and completing afterwards: no more than this share.
_FEW = 0.45
# What errors are left once the model has followed its moved keypoints, as a share of those it has before.
_LEFT_ON_MOVED = 0.5


def are_enough(images: int, connected: int) -> bool:
    """Whether a map of so many images holds most of those that hang together in the view graph."""
    return images >= _ENOUGH * connected


@dataclass
class Mapper:
    """Maps databases of the same photographs, however often.

    Attributes
    ----------
    images
        Number of photographs, of which `connected` hang together.
    connected
        See there.
    scratch
        Folder for what is needed meanwhile. A run that was killed goes on from what it finds there.
    options
        How to go about it.
    progress
        Hears of it.
    load
        Gives the images whose keypoints are adjusted; None to leave them as they are.
    watch
        Is given the map now and then while it grows.
    """

    images: int
    connected: int
    scratch: Path
    options: MappingOptions
    progress: Progress
    load: LoadView | None = None
    watch: Watch | None = None
    _shares: dict[Path, float] = field(default_factory=dict)

    def models(self, database: Path, name: str, settings: MapperSettings, seed: int) -> list[Model]:
        """Map by a part of the matches, if these are much fewer and place enough images, else by all.

        Parameters
        ----------
        database
            COLMAP's database with verified pairs.
        name
            Of this attempt, unlike those of others.
        settings
            Of COLMAP's mapper.
        seed
            Of every random choice.

        Returns
        -------
        The models, largest first; empty if no pair starts one.
        """
        part = self._thinned(database)
        if part is not None:
            with self.progress.stage("Map", self.images) as step:
                models = self._mapped(part, self.scratch / name / "part", settings, seed, step)
                completed = self._completed(models, database, settings, seed, step)
            models = self._finished(completed, settings)
            if models and are_enough(models[0].num_reg_images(), self.connected):
                return models
            self.progress.say("A part of the matches places too few images: mapping by all of them.")
        with self.progress.stage("Map", self.images) as step:
            models = self._mapped(database, self.scratch / name / "all", settings, seed, step)
        return self._finished([(model, 0) for model in models], settings) if self.options.robust else models

    def _thinned(self, database: Path) -> Path | None:
        """Return a database with the matches to map by first; None where these would not be much fewer."""
        if not self.options.robust or self.options.mapper_share == 1:
            return None
        part = self.scratch / f"{database.stem}-part.db"
        if database not in self._shares:
            self._shares[database] = thin_out(database, part, self.options.mapper_share)
        return part if self._shares[database] <= _FEW else None

    def _mapped(
        self, database: Path, scratch: Path, settings: MapperSettings, seed: int, step: Step
    ) -> list[Model]:
        """Run COLMAP's mapper, and adjust its models robustly where that is wanted."""
        models = run_mapper(database, scratch, settings, seed, step, self.watch)
        if not self.options.robust:
            return models
        return self._held(
            [self._fitted(self._refined(model, settings), settings) for model in models], settings
        )

    def _fitted(self, model: Model, settings: MapperSettings) -> Model:
        """Adjust a refined model with further distortion coefficients, or a fisheye's, where it asks for them."""
        if not self.options.lens_model:
            return model
        fitted = fit_lens_model(model, settings.held_cameras, settings.threads)
        if fitted is None:
            return model
        names = sorted({camera.model.name for camera in fitted.cameras.values()})
        self.progress.say(
            f"One distortion coefficient does not explain the lens: mapped with {', '.join(names)}."
        )
        return self._refined(fitted, settings)

    def _completed(
        self, models: list[Model], database: Path, settings: MapperSettings, seed: int, step: Step
    ) -> list[tuple[Model, int]]:
        """Give models the matches that COLMAP's mapper did not see; return with each the rounds to adjust it in."""
        if not models:
            return []
        everything = read_database(database)
        completed = []
        for model in models:
            images = model.num_reg_images()
            model = complete(model, everything, settings, seed, step)
            # What the mapper placed has been refined already.
            completed.append((model, 1 if model.num_reg_images() == images else ROUNDS))
        return completed

    def _finished(self, models: list[tuple[Model, int]], settings: MapperSettings) -> list[Model]:
        """Move keypoints to where patches agree, and adjust each model for the last time, in so many rounds.

        Where keypoints have moved, it is adjusted at least once.
        """
        moved = self._keypoints_adjusted([model for model, _ in models])
        finished = []
        for (model, rounds), before in zip(models, moved, strict=True):
            if before:
                model = self._refined(model, settings, max(rounds, 1), _LEFT_ON_MOVED)
            elif rounds:
                model = self._refined(model, settings, rounds)
            if self.options.robust:
                settle(model, settings.held_cameras, settings.threads)
            finished.append(model)
        held = self._held(finished, settings)
        for model, before in zip(finished, moved, strict=True):
            take_back_unobserving(model, before)
        return held

    def _keypoints_adjusted(self, models: list[Model]) -> list[Moved]:
        """Move the keypoints of models to where patches agree; return where they were."""
        if self.load is None or not models or not self.options.adjust_keypoints:
            return [{} for _ in models]
        with self.progress.stage("Adjust keypoints", sum(model.num_reg_images() for model in models)) as step:
            return [adjust_keypoints(model, self.load, step) for model in models]

    def _held(self, models: list[Model], settings: MapperSettings) -> list[Model]:
        """Leave only images that points hold in their places, and models of enough images."""
        for model in models:
            drop_loose_images(model)
        return largest_first([m for m in models if m.num_reg_images() >= settings.min_model_size])

    def _refined(
        self, model: Model, settings: MapperSettings, rounds: int = ROUNDS, left: float = 1.0
    ) -> Model:
        return refine_robustly(
            model,
            settings.held_cameras,
            settings.max_error_px,
            settings.min_angle_deg,
            principal_point=self.options.principal_point,
            rounds=rounds,
            left=left,
            threads=settings.threads,
        )
