import pytest
import torch

from sfm.learning.losses import (
    RECIPES,
    distances,
    hardest_in_batch,
    quadratic_triplet,
    relative_distance,
    second_order_similarity,
    triplet_margin_with_swap,
)


def unit(n, d=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, d, generator=generator), dim=1)


def near(rows, noise, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(rows + noise * torch.randn(rows.shape, generator=generator), dim=1)


def test_distances_are_euclidean():
    a, b = unit(5), unit(7, seed=3)
    assert torch.allclose(distances(a, b), torch.cdist(a, b), atol=1e-3)


def test_quadratic_triplet_is_its_definition_written_out():
    a = unit(12)
    p = near(a, 0.2)
    expected = 0.0
    for i in range(12):
        others = [j for j in range(12) if j != i]
        negatives = [
            torch.dist(x, y)
            for j in others
            for x, y in ((a[i], p[j]), (p[i], a[j]), (a[i], a[j]), (p[i], p[j]))
        ]
        expected += max(0.0, 1 + torch.dist(a[i], p[i]) - min(negatives)) ** 2
    assert quadratic_triplet(a, p) == pytest.approx(float(expected) / 12, rel=1e-3)


@pytest.mark.parametrize("block", ["LR", "RL", "LL", "RR"])
def test_each_of_the_four_blocks_gives_negatives(block):
    """Move one descriptor of point 1 next to one of point 0: the loss must notice, whichever views they are."""
    a = torch.eye(8)[:4].clone()
    p = a.clone()
    before = quadratic_triplet(a, p)
    left, right = {"L": a, "R": p}[block[0]], {"L": a, "R": p}[block[1]]
    moved = torch.nn.functional.normalize(left[0] + 0.05 * torch.eye(8)[7], dim=0)
    right[1] = moved
    assert quadratic_triplet(a, p) > before + 0.1


def test_hardnets_negatives_come_from_the_other_view_only():
    a = torch.eye(8)[:4].clone()
    p = a.clone()
    # Points 0 and 1 coincide in the left view; their right views stay apart from each other and from both.
    a[1] = a[0]
    p[0], p[1] = torch.eye(8)[5], torch.eye(8)[6]
    d = distances(a, p)
    assert hardest_in_batch(a, p) == pytest.approx(
        float((1 + d.diagonal() - (d + 9 * torch.eye(4)).amin(1)).clamp(min=0).mean()), abs=1e-3
    )


@pytest.mark.parametrize("loss", [quadratic_triplet, hardest_in_batch, relative_distance])
def test_patches_of_one_point_are_not_each_others_negatives(loss):
    a = unit(6)
    a[1] = a[0]
    p = near(a, 0.05)
    same = torch.eye(6, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    assert loss(a, p, same) < loss(a, p) - 0.05


def test_triplet_margin_takes_the_harder_anchor():
    a = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    p = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    # Row 0: positive 1, negative p[1] is 3 from a[0] and 2 from p[0]: 1 + 1 - 2 = 0.
    # Row 1: positive 0, negative p[0] is 2 from both: 1 + 0 - 2 < 0.
    assert triplet_margin_with_swap(a, p) == pytest.approx(0.0, abs=2e-3)
    assert triplet_margin_with_swap(2 * a / 3, 2 * p / 3) == pytest.approx((1 + 2 / 3 - 4 / 3) / 2, abs=2e-3)


def test_second_order_similarity_is_its_definition_written_out():
    a = unit(30)
    p = near(a, 0.3)
    k = 8
    total = 0.0
    for i in range(30):
        from_a = sorted((j for j in range(30) if j != i), key=lambda j: torch.dist(a[i], a[j]))[:k]
        from_p = sorted((j for j in range(30) if j != i), key=lambda j: torch.dist(p[i], p[j]))[:k]
        differences = [
            (torch.dist(a[i], a[j]) - torch.dist(p[i], p[j])) ** 2 for j in set(from_a) | set(from_p)
        ]
        total += torch.stack(differences).sum().sqrt()
    assert second_order_similarity(a, p, k) == pytest.approx(float(total) / 30, rel=1e-3)


def test_second_order_similarity_ignores_a_rotation_of_one_view():
    a = unit(20)
    rotation, _ = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(2)))
    assert second_order_similarity(a, a @ rotation) < 2e-3
    assert second_order_similarity(a, near(a, 0.3)) > 0.1


@pytest.mark.parametrize("name", RECIPES)
def test_gradients_are_finite_even_where_descriptors_coincide(name):
    rows = unit(10)
    rows[3] = rows[2]
    left = rows.clone().requires_grad_()
    right = rows.clone().requires_grad_()
    loss = RECIPES[name].first_order(left, right, None) + second_order_similarity(left, right)
    loss.backward()
    assert torch.isfinite(left.grad).all()
    assert torch.isfinite(right.grad).all()


@pytest.mark.parametrize("name", RECIPES)
def test_every_loss_falls_when_it_is_followed(name):
    left = unit(40, seed=5).requires_grad_()
    right = unit(40, seed=6).requires_grad_()
    optimizer = torch.optim.Adam([left, right], lr=0.02)

    def loss():
        a, b = (torch.nn.functional.normalize(rows, dim=1) for rows in (left, right))
        return RECIPES[name].first_order(a, b, None)

    before = loss().item()
    for _ in range(100):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < 0.8 * before


def test_only_sosnet_has_a_second_order_term():
    assert {name for name, recipe in RECIPES.items() if recipe.second_order_weight} == {"sosnet"}
    assert RECIPES["triplet"].first_order is RECIPES["sosnet"].first_order
