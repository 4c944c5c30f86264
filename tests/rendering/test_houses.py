from itertools import combinations

import numpy as np
import pytest

from sfm.rendering.clutter import THINGS, axes_at
from sfm.rendering.houses import Plot, build_house, build_wall
from sfm.rendering.surfaces import SurfaceBuilder

PLOT = Plot(np.array([1.0, 2.0, 0.0]), np.array([1.0, 0.0, 0.0]), 5.0, 6.0, 7, 40.0)


def built(make, seed):
    builder = SurfaceBuilder()
    make(builder, np.random.default_rng(seed), PLOT)
    return builder.build()


def test_the_same_seed_builds_the_same_house():
    one, two = (built(build_house, 3) for _ in range(2))
    assert np.array_equal(one.atlas, two.atlas)
    assert np.array_equal(one.origin, two.origin)


def test_every_house_is_another():
    facades = [built(build_house, seed).atlas[40:240, 40:220].astype(float) for seed in range(5)]
    for one, other in combinations(facades, 2):
        assert np.abs(one - other).mean() > 10


@pytest.mark.parametrize("seed", range(4))
def test_a_house_stands_on_its_plot_and_has_depth(seed):
    house = built(build_house, seed)
    corners = np.concatenate([house.origin, house.opposite])
    assert corners[:, 2].min() == pytest.approx(0, abs=1e-9)
    assert corners[:, 2].max() > PLOT.height
    # The street lies towards -y here: sills, steps and cornice stand out, windows lie back.
    assert corners[:, 1].min() < 2.0 - 0.2
    facing = house.normals[:, 1] < -0.99
    depths = np.unique(np.round(2.0 - house.origin[facing, 1], 2))
    assert len(depths) >= 5
    assert depths.min() <= -0.1


def test_a_garden_wall_has_a_tree_above_it():
    wall = built(build_wall, 0)
    assert wall.origin[:, 2].max() > PLOT.height - 1


@pytest.mark.parametrize("thing", dict.fromkeys(THINGS), ids=lambda thing: thing.__name__)
def test_clutter_stands_on_the_ground_and_fits_the_pavement(thing):
    builder = SurfaceBuilder()
    thing(builder, np.random.default_rng(1), np.array([3.0, 4.0, 0.1]), axes_at(0.4))
    surfaces = builder.build()
    corners = np.concatenate([surfaces.origin, surfaces.opposite]) - [3.0, 4.0, 0.1]
    assert -1e-9 <= corners[:, 2].min() < 0.05
    assert np.abs(corners[:, :2]).max() < 0.9
