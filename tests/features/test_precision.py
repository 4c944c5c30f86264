import subprocess
import sys

import pytest
import torch

from sfm.features import precision
from sfm.features.network_descriptor import NetworkDescriptor
from sfm.features.networks import NETWORKS

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def cpu_with(monkeypatch, *units):
    for test in ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_vnni_supported"):
        monkeypatch.setattr(torch.cpu, test, lambda test=test: test in units, raising=False)


@pytest.mark.parametrize("unit", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_half_precision_where_a_cpu_multiplies_it(monkeypatch, unit):
    cpu_with(monkeypatch, unit)
    assert precision.multiplies_bfloat16(CPU)
    assert precision.precision_of("auto", CPU) == torch.bfloat16


def test_int8_where_a_cpu_multiplies_it_and_the_network_allows_it(monkeypatch):
    cpu_with(monkeypatch, "_is_avx512_bf16_supported", "_is_vnni_supported")
    assert precision.precision_of("auto", CPU, can_be_int8=True) == torch.int8
    assert precision.precision_of("auto", CPU, can_be_int8=False) == torch.bfloat16
    for name, expected in (("sosnet", "int8"), ("hardnet", "int8"), ("tfeat", "bfloat16")):
        assert NetworkDescriptor(name, NETWORKS[name](), "", device="cpu").identity["precision"] == expected


def test_float32_where_it_does_not(monkeypatch):
    cpu_with(monkeypatch)
    assert not precision.multiplies_bfloat16(CPU)
    network = NETWORKS["sosnet"]()
    assert NetworkDescriptor("sosnet", network, "", device="cpu").identity["precision"] == "float32"


def test_float32_where_torch_does_not_tell(monkeypatch):
    cpu_with(monkeypatch)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert precision.precision_of("auto", CPU) == torch.float32


@pytest.mark.parametrize(
    ("capability", "expected"), [((6, 1), torch.float32), ((7, 0), torch.float16), ((9, 0), torch.float16)]
)
def test_gpus_with_tensor_cores(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision.precision_of("auto", CUDA) == expected


def test_a_named_precision_is_taken(monkeypatch):
    cpu_with(monkeypatch)
    assert precision.precision_of("float32", CPU) == torch.float32
    assert precision.precision_of("bfloat16", CPU) == torch.bfloat16


def test_every_process_decides_alike():
    code = (
        "import torch; from sfm.features.precision import *; print(precision_of('auto', torch.device('cpu')))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(precision.precision_of("auto", CPU))
