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
from sfm.mapping.loose_images import drop_loose_images
from sfm.mapping.options import MappingOptions
from sfm.mapping.refinement import ROUNDS, refine_robustly
from sfm.mapping.thinning import thin_out
from sfm.progress import Progress, Step

# A map with a smaller share of what its view graph connects is worth another attempt.
_ENOUGH = 0.8
# A part of the matches that is worth mapping by first, and completing afterwards: no more than this share.
_FEW = 0.4


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
    watch
        Is given the map now and then while it grows.
    """

    images: int
    connected: int
    scratch: Path
    options: MappingOptions
    progress: Progress
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
                models = self._completed(models, database, settings, seed, step)
            if models and are_enough(models[0].num_reg_images(), self.connected):
                return models
            self.progress.say("A part of the matches places too few images: mapping by all of them.")
        with self.progress.stage("Map", self.images) as step:
            return self._mapped(database, self.scratch / name / "all", settings, seed, step)

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
        return self._held([self._refined(model, settings) for model in models], settings)

    def _completed(
        self, models: list[Model], database: Path, settings: MapperSettings, seed: int, step: Step
    ) -> list[Model]:
        """Give models the matches that COLMAP's mapper did not see."""
        if not models:
            return []
        everything = read_database(database)
        completed = []
        for model in models:
            images = model.num_reg_images()
            model = complete(model, everything, settings, seed, step)
            # What the mapper placed has been refined already.
            rounds = 1 if model.num_reg_images() == images else ROUNDS
            completed.append(self._refined(model, settings, rounds))
        return self._held(completed, settings)

    def _held(self, models: list[Model], settings: MapperSettings) -> list[Model]:
        """Leave only images that points hold in their places, and models of enough images."""
        for model in models:
            drop_loose_images(model)
        return largest_first([m for m in models if m.num_reg_images() >= settings.min_model_size])

    def _refined(self, model: Model, settings: MapperSettings, rounds: int = ROUNDS) -> Model:
        return refine_robustly(
            model,
            settings.held_cameras,
            settings.max_error_px,
            settings.min_angle_deg,
            principal_point=self.options.principal_point,
            rounds=rounds,
            threads=settings.threads,
        )
