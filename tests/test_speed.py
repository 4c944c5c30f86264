"""Guards against getting slower: ratios to the work that cannot be avoided, taken in turn, with generous bounds."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from benchmarks.kernels import FLOP_A_PATCH, in_turn, photographed_again, product_in, unit_rows
from sfm.features.network_descriptor import NetworkDescriptor
from sfm.features.networks import NETWORKS
from sfm.matching.cells import DescriptorCells, match_in_cells
from sfm.threads import one_thread_each

ROWS = 8192


@pytest.fixture(autouse=True)
def one_thread():
    with one_thread_each():
        yield


@pytest.mark.parametrize(
    ("exact", "bound"),
    [
        (False, 0.8),  # 0.3 on an idle machine
        (True, 2.2),  # 1.2; 2.7 where the whole matrix is read again
    ],
)
def test_matching_against_the_product(exact, bound):
    first = unit_rows(ROWS, 0)
    second = photographed_again(first, 1)
    whole = np.empty((ROWS, ROWS), np.float32)
    cells1, cells2 = (DescriptorCells.of(descriptors, exact) for descriptors in (first, second))
    matching, product = in_turn(
        lambda: match_in_cells(cells1, cells2), lambda: np.matmul(first, second.T, out=whole), rounds=3
    )
    assert matching < bound * product


def test_description_runs_near_the_rate_of_products():
    torch.manual_seed(0)
    network = NETWORKS["sosnet"]()
    network.initialise()
    descriptor = NetworkDescriptor("sosnet", network, "", device="cpu")
    patches = np.random.default_rng(0).integers(0, 256, (256, 1, 32, 32), np.uint8)
    for _ in range(4):  # until the size of a batch is settled
        descriptor.describe_patches(patches)
    product = product_in(str(descriptor.identity["precision"]), 1024)
    times = max(1, round(len(patches) * FLOP_A_PATCH / (2 * 1024**3)))
    describing, products = in_turn(
        lambda: descriptor.describe_patches(patches),
        lambda: [product() for _ in range(times)],
        rounds=4,
    )
    assert describing < 2.5 * products  # 1.1 on an idle machine; 3.7 without folding and channels last


def test_help_is_there_at_once():
    python = [sys.executable, "-c"]
    main = "import sys; sys.argv = ['sfm', '--help']; from sfm.cli.main import main; main()"
    told, nothing = in_turn(
        lambda: subprocess.run([*python, main], check=True, stdout=subprocess.DEVNULL),
        lambda: subprocess.run([*python, "pass"], check=True),
        rounds=4,
    )
    assert told < 15 * nothing  # 5 on an idle machine; importing torch alone takes 50
