import time

import pytest
import torch

from sfm.features import precision
from sfm.features.network_descriptor import NetworkDescriptor
from sfm.features.networks import NETWORKS

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh_trial():
    precision.is_faster.cache_clear()
    yield
    precision.is_faster.cache_clear()


def slower_by(factor):
    """Stand for hardware that needs `factor` times as long in half precision."""
    return lambda layer, pixels: 1e-3 * (1 if pixels.dtype == torch.float32 else factor)


def test_half_precision_is_chosen_where_it_is_faster(monkeypatch):
    monkeypatch.setattr(precision, "_seconds", slower_by(0.5))
    assert precision.precision_of("auto", CPU) == torch.bfloat16
    assert precision.multiplies_bfloat16(CPU)


@pytest.mark.parametrize("factor", [0.95, 1, 30])
def test_float32_where_it_is_not(monkeypatch, factor):
    monkeypatch.setattr(precision, "_seconds", slower_by(factor))
    assert precision.precision_of("auto", CPU) == torch.float32
    assert not precision.multiplies_bfloat16(CPU)


def test_float32_where_half_precision_is_not_implemented(monkeypatch):
    def not_implemented(layer, pixels):
        if pixels.dtype != torch.float32:
            raise RuntimeError("not implemented for 'BFloat16'")
        return 1e-3

    monkeypatch.setattr(precision, "_seconds", not_implemented)
    network = NETWORKS["sosnet"]()
    assert NetworkDescriptor("sosnet", network, "", device="cpu").identity["precision"] == "float32"


def test_the_trial_is_short_and_made_once():
    start = time.monotonic()
    first = precision.is_faster(torch.bfloat16, CPU)
    assert time.monotonic() - start < 5  # 0.05 s on an idle machine
    start = time.monotonic()
    assert precision.is_faster(torch.bfloat16, CPU) == first
    assert time.monotonic() - start < 0.01


def test_a_named_precision_is_taken_without_a_trial(monkeypatch):
    monkeypatch.setattr(precision, "_seconds", None)
    assert precision.precision_of("float32", CPU) == torch.float32
    assert precision.precision_of("bfloat16", CPU) == torch.bfloat16
