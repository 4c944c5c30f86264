import numpy as np
import pytest

from sfm.rendering import painting, textures

MATERIALS = {
    "brick": lambda rng: textures.brick(rng, 200, 240, 100.0, [(150, 70, 50), (120, 60, 50)]),
    "plaster": lambda rng: textures.plaster(rng, 200, 240, 100.0, (220, 200, 160)),
    "cobbles": lambda rng: textures.cobbles(rng, 200, 240, 100.0),
    "slabs": lambda rng: textures.slabs(rng, 200, 240, 100.0),
    "wood": lambda rng: textures.wood(rng, 200, 240, 100.0, (150, 110, 70)),
    "tiles": lambda rng: textures.tiles(rng, 200, 240, 100.0, (150, 80, 60)),
    "leaves": lambda rng: textures.leaves(rng, 200, 240, 100.0, (80, 120, 50)),
    "metal": lambda rng: textures.metal(rng, 200, 240, 100.0, (60, 90, 60)),
    "poster": lambda rng: painting.poster(rng, 200, 240),
}


@pytest.mark.parametrize("name", MATERIALS)
def test_material_has_detail_everywhere_and_never_repeats(name):
    make = MATERIALS[name]
    image = make(np.random.default_rng(1))
    assert image.shape == (200, 240, 3)
    assert image.dtype == np.float32
    tiles = textures.to_uint8(image).mean(axis=2).reshape(5, 40, 6, 40).swapaxes(1, 2)
    assert (tiles.std(axis=(2, 3)) > 1.5).all()
    assert np.array_equal(image, make(np.random.default_rng(1)))
    assert np.abs(image - make(np.random.default_rng(2))).mean() > 2


@pytest.mark.parametrize("coarse_px", [1.0, 7.3, 64.0])
def test_noise_has_unit_strength(coarse_px):
    noise = textures.fractal_noise(np.random.default_rng(0), 700, 900, coarse_px)
    assert noise.shape == (700, 900)
    assert abs(noise.mean()) < 0.4
    assert 0.6 < noise.std() < 1.7


def test_lettering_writes_ink_inside_the_ground():
    ground = np.full((60, 200, 3), 255, np.float32)
    painting.lettering("BOOKS & MAPS OF THE WORLD", 50, (0, 0, 0), ground)
    assert 0.02 < (ground < 100).mean() < 0.5
    assert (ground[:, [0, -1]] == 255).all()
