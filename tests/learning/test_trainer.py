import dataclasses
import json
import os

import numpy as np
import pytest
import torch

from sfm.errors import InputError, WorkError
from sfm.features import pretrained
from sfm.features.patch_window import PatchWindow
from sfm.learning import trainer
from sfm.learning.losses import RECIPES, LossRecipe
from sfm.learning.trainer import train
from sfm.learning.training_options import TrainingOptions
from tests.learning.patch_sets import small_patch_set
from tests.pipelines.progress import Heard

# TFeat is the smallest network: 0.6 million weights in three layers.
SMALL = TrainingOptions(
    loss="tfeat", steps=6, batch_size=24, warm_up=2, validation_every=3, checkpoint_every=2, device="cpu"
)


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    return small_patch_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(trained):
    return pretrained.load("tfeat", trained.weights).network.state_dict()


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["sosnet", "hardnet"])
def test_a_short_training_learns(patches, tmp_path, loss):
    options = TrainingOptions(
        loss=loss,
        steps=24,
        batch_size=48,
        learning_rate=3e-3,
        warm_up=4,
        validation_every=12,
        device="cpu",
    )
    trained = train(patches, tmp_path, options, validation_scenes=("harbour",))
    start, end = trained.history[0], trained.history[-1]
    assert (start.step, end.step) == (12, 24)
    assert end.loss < start.loss
    assert end.fpr95 < 0.15
    assert end.matched > 0.6
    report = json.loads((tmp_path / "history.json").read_text())
    assert report["options"]["validation_scenes"] == ["harbour"]
    assert pretrained.load(loss, trained.weights).window == PatchWindow(24.0)


def test_the_same_seed_gives_the_same_weights(patches, tmp_path):
    first = train(patches, tmp_path / "a", SMALL)
    second = train(patches, tmp_path / "b", SMALL)
    other = train(patches, tmp_path / "c", dataclasses.replace(SMALL, seed=1))
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))


def test_a_killed_run_goes_on_exactly(patches, tmp_path, monkeypatch):
    whole = train(patches, tmp_path / "whole", SMALL, validation_scenes=("harbour",))

    class Killed(BaseException):
        pass

    original = trainer._Run._train_step

    def killed_at_step_5(run):
        if run.step == 5:
            raise Killed
        return original(run)

    monkeypatch.setattr(trainer._Run, "_train_step", killed_at_step_5)
    with pytest.raises(Killed):
        train(patches, tmp_path / "killed", SMALL, validation_scenes=("harbour",))
    monkeypatch.undo()
    assert torch.load(tmp_path / "killed" / "checkpoint.pt", weights_only=True)["step"] == 4
    resumed = train(patches, tmp_path / "killed", SMALL, validation_scenes=("harbour",))
    assert same(weights(whole), weights(resumed))
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert dataclasses.replace(a, seconds=0) == dataclasses.replace(b, seconds=0)


def test_the_history_without_held_out_scenes_is_json(patches, tmp_path):
    train(patches, tmp_path, dataclasses.replace(SMALL, steps=1))
    (only,) = json.loads((tmp_path / "history.json").read_text())["history"]
    assert (only["fpr95"], only["matched"]) == (None, None)
    resumed = train(patches, tmp_path, dataclasses.replace(SMALL, steps=1))
    assert np.isnan(resumed.history[0].fpr95)


def test_batches_larger_than_the_set_are_told_and_recorded_as_they_are(patches, tmp_path):
    heard = Heard()
    options = dataclasses.replace(SMALL, batch_size=5000)
    train(patches, tmp_path, options, progress=heard)
    (warning,) = heard.warned
    assert f"only {patches.num_points} points" in warning
    assert "5000 (--batch-size)" in warning
    history = json.loads((tmp_path / "history.json").read_text())
    assert history["options"]["batch_size"] == patches.num_points
    again = Heard()
    train(patches, tmp_path, options, progress=again)
    assert "Going on after step 6" in again.said[0]


def test_sosnet_and_triplet_see_the_same_batches_and_start_alike(patches, tmp_path, monkeypatch):
    seen = {}

    def record(name):
        def loss(left, right, same_point=None):
            seen.setdefault(name, []).append(left.detach().clone())
            return RECIPES["hardnet"].first_order(left, right, same_point)

        return loss

    recipes = {name: LossRecipe(record(name), weight) for name, weight in (("sosnet", 1.0), ("triplet", 0.0))}
    monkeypatch.setattr(trainer, "RECIPES", RECIPES | recipes)
    for name in recipes:
        options = TrainingOptions(loss=name, steps=2, batch_size=16, warm_up=0, device="cpu")
        train(patches, tmp_path / name, options)
    assert torch.equal(seen["sosnet"][0], seen["triplet"][0])
    assert not torch.equal(seen["sosnet"][1], seen["triplet"][1])


def test_divergence_stops_with_the_step_and_keeps_the_checkpoint(patches, tmp_path, monkeypatch):
    original = trainer._Run._train_step
    monkeypatch.setattr(
        trainer._Run, "_train_step", lambda run: float("nan") if run.step == 4 else original(run)
    )
    with pytest.raises(
        WorkError, match=r"diverged: the loss is nan at step 5.*checkpoint\.pt is the last good"
    ):
        train(patches, tmp_path, SMALL)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4


def test_a_full_disk_leaves_the_last_checkpoint_whole(patches, tmp_path, monkeypatch):
    train(patches, tmp_path, dataclasses.replace(SMALL, steps=6))
    (tmp_path / "weights.safetensors").unlink()
    checkpoint = tmp_path / "checkpoint.pt"
    content = checkpoint.read_bytes()
    run = trainer._Run(patches, tmp_path, SMALL, (), None)

    def full(self, data):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(WorkError, match="disk is full"):
        run._save()
    assert checkpoint.read_bytes() == content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "history.json"]


def test_a_checkpoint_of_other_settings_is_refused(patches, tmp_path):
    train(patches, tmp_path, SMALL)
    with pytest.raises(InputError, match=r"other settings \(learning_rate\)"):
        train(patches, tmp_path, dataclasses.replace(SMALL, learning_rate=1e-3))


def test_a_damaged_checkpoint_is_refused(patches, tmp_path):
    train(patches, tmp_path, SMALL)
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        train(patches, tmp_path, SMALL)


def test_training_starts_from_given_weights(patches, tmp_path):
    first = train(patches, tmp_path / "a", SMALL)
    init = pretrained.load("tfeat", first.weights)
    still = train(patches, tmp_path / "b", dataclasses.replace(SMALL, learning_rate=0.0, steps=1), init=init)
    assert same(weights(first), weights(still))
    with pytest.raises(InputError, match="weights of tfeat cannot start a training of sosnet"):
        train(patches, tmp_path / "c", TrainingOptions(loss="sosnet", steps=1), init=init)


def test_a_share_of_the_given_weights_is_kept(patches, tmp_path):
    few = dataclasses.replace(SMALL, loss="triplet", steps=2)
    init = pretrained.load("triplet", train(patches, tmp_path / "init", few).weights)
    kept = {}
    for share in (0.0, 0.25, 1.0):
        options = dataclasses.replace(few, seed=5, keep_of_init=share)
        trained = train(patches, tmp_path / str(share), options, init=init)
        kept[share] = pretrained.load("triplet", trained.weights).network.state_dict()
    assert same(kept[1.0], init.network.state_dict())
    assert not same(kept[0.0], kept[1.0])
    for name, value in kept[0.25].items():
        expected = 0.25 * kept[1.0][name].double() + 0.75 * kept[0.0][name].double()
        assert torch.allclose(value.double(), expected, rtol=2e-3, atol=1e-3) or name.endswith(
            "num_batches_tracked"
        )
    with pytest.raises(InputError, match="--keep-of-init needs"):
        train(patches, tmp_path / "none", dataclasses.replace(few, keep_of_init=0.5))


@pytest.mark.parametrize("evens_light", [True, False])
def test_given_weights_go_on_as_they_were_trained(patches, tmp_path, evens_light):
    options = dataclasses.replace(SMALL, steps=1, local_contrast=evens_light)
    init = pretrained.load("tfeat", train(patches, tmp_path / "a", options).weights)
    assert init.network.evens_light == evens_light
    other = dataclasses.replace(options, local_contrast=not evens_light)
    trained = train(patches, tmp_path / "b", other, init=init)
    assert pretrained.load("tfeat", trained.weights).network.evens_light == evens_light
    history = json.loads((tmp_path / "b" / "history.json").read_text())
    assert history["options"]["local_contrast"] == evens_light


def test_validation_scenes_are_never_trained_on(patches, tmp_path):
    run = trainer._Run(patches, tmp_path, SMALL, ("market",), None)
    drawn = np.concatenate([run.sampler._draw_points(np.random.default_rng(k)) for k in range(20)])
    assert not np.isin(drawn, patches.points_of(["market"])).any()


def test_nothing_left_to_train_on(patches, tmp_path):
    with pytest.raises(InputError, match="Too few points"):
        train(patches, tmp_path, SMALL, validation_scenes=("harbour", "market"))


def test_the_step_size_rises_and_falls(patches, tmp_path):
    run = trainer._Run(patches, tmp_path, dataclasses.replace(SMALL, steps=100, warm_up=10), (), None)
    rates = []
    for step in range(100):
        run.step = step
        run._set_learning_rate()
        rates.append(run.optimizer.param_groups[0]["lr"])
    assert np.argmax(rates) == 10
    assert max(rates) == pytest.approx(SMALL.learning_rate)
    assert rates[0] == pytest.approx(SMALL.learning_rate / 11)
    assert rates[-1] == pytest.approx(SMALL.learning_rate / 90)
