import numpy as np
import pytest

from sfm.matching.codebook import train_codebook, word_affinity
from tests.localization.scene import unit


def test_a_codebook_repeats_and_keeps_to_what_there_is():
    rows = unit(np.random.default_rng(1).normal(size=(5000, 128)))
    codebook = train_codebook(rows, 64, seed=3)
    assert codebook.shape == (64, 128)
    np.testing.assert_array_equal(codebook, train_codebook(rows, 64, seed=3))
    assert len(train_codebook(rows[:40], 64)) == 5
    assert len(train_codebook(rows[:0], 64)) == 0


def test_words_are_in_the_middle_of_their_clusters():
    rng = np.random.default_rng(2)
    centres = unit(rng.normal(size=(8, 128)))
    rows = (centres[rng.integers(8, size=4000)] + rng.normal(0, 0.01, (4000, 128))).astype(np.float32)
    codebook = train_codebook(rows, 8, rows_per_word=100, iterations=20)
    nearest = np.linalg.norm(codebook[:, None] - centres, axis=2).min(axis=1)
    assert (nearest < 0.05).mean() > 0.5


def test_affinity_orders_words_by_distance():
    rng = np.random.default_rng(3)
    rows, codebook = (rng.normal(size=(count, 16)).astype(np.float32) for count in (50, 7))
    distance_sq = ((rows[:, None] - codebook) ** 2).sum(axis=2)
    expected = (rows**2).sum(axis=1, keepdims=True) / 2 - distance_sq / 2
    np.testing.assert_allclose(word_affinity(rows, codebook), expected, atol=1e-4)


def test_faiss_and_torch_live_in_one_process():
    torch = pytest.importorskip("torch")
    rows = unit(np.random.default_rng(4).normal(size=(3000, 128)))
    assert float(torch.nn.functional.conv2d(torch.ones(1, 1, 32, 32), torch.ones(4, 1, 3, 3)).sum()) > 0
    assert len(train_codebook(rows, 64)) == 64
    assert float(torch.ones(100, 100).matmul(torch.ones(100, 100)).sum()) == 1e6
