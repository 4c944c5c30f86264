import numpy as np
import pytest

from sfm.rendering.relief import Relief
from sfm.rendering.surfaces import MIP_LEVELS, SurfaceBuilder, facet_coordinates

RIGHT = np.array([1.0, 0.0, 0.0])
UP = np.array([0.0, 0.0, 1.0])


def blank(height=20, width=30, value=200):
    return np.full((height, width, 3), value, np.uint8)


def relief_facets(relief, ppm=10.0):
    builder = SurfaceBuilder()
    painting = builder.texture(blank(round(relief.height * ppm), round(relief.width * ppm)))
    relief.emit(builder, painting, np.array([0.0, 0.0, relief.height]), RIGHT, ppm)
    return builder.build()


def area(surfaces):
    return np.linalg.norm(np.cross(surfaces.side_a, surfaces.side_b), axis=1)


def test_textures_do_not_overlap_and_halve_without_bleeding():
    rng = np.random.default_rng(0)
    builder = SurfaceBuilder()
    sizes = rng.integers(3, 300, (40, 2))
    for number, (height, width) in enumerate(sizes):
        texture = builder.texture(blank(height, width, number + 1))
        builder.facet(texture, (0, 0, 0), (1, 0, 0), (0, 1, 0))
    surfaces = builder.build()
    reach = 2 ** (MIP_LEVELS - 1)
    for number, ((x, y), (height, width)) in enumerate(
        zip(surfaces.texture_origin.astype(int), sizes, strict=True)
    ):
        around = surfaces.atlas[y - reach : y + height + reach, x - reach : x + width + reach]
        assert (around == number + 1).all()


def test_box_faces_look_outwards_and_enclose_it():
    builder = SurfaceBuilder()
    builder.box(builder.texture(blank()), np.zeros(3), np.eye(3), (1.0, 2.0, 3.0))
    box = builder.build()
    middles = box.origin + (box.side_a + box.side_b) / 2
    assert (np.einsum("ij,ij->i", middles - [0, 0, 1.5], box.normals) > 0).all()
    assert area(box).sum() == pytest.approx(2 * 3 * 1 + 2 * 3 * 2 + 1 * 2)


def test_lathe_faces_look_away_from_its_axis():
    builder = SurfaceBuilder()
    builder.lathe(builder.texture(blank()), np.zeros(3), [(0.2, 1.0), (0.5, 0.5), (0.4, 0.0)], 12)
    lathe = builder.build()
    middles = (lathe.origin + lathe.opposite) / 2
    assert len(lathe) == 24
    assert (np.einsum("ij,ij->i", middles[:, :2], lathe.normals[:, :2]) > 0).all()


def test_facet_coordinates_of_the_corners():
    triangle = np.array([0, 0, 0, 1, 1, 1])
    uv = np.array([[0, 0], [1, 0], [0, 1], [0, 0], [1, 0], [0, 1]], float)
    facet, a, b = facet_coordinates(triangle, uv)
    assert (facet == 0).all()
    assert np.column_stack([a, b]).tolist() == [[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]]


def test_a_flat_relief_is_one_rectangle():
    flat = relief_facets(Relief(3.0, 2.0))
    assert len(flat) == 1
    assert flat.normals[0] == pytest.approx(np.cross(RIGHT, UP))


@pytest.mark.parametrize("depth", [-0.2, 0.3])
def test_a_part_gets_four_walls_that_close_the_surface(depth):
    relief = Relief(3.0, 2.0)
    relief.add(1.0, 0.5, 2.0, 1.25, depth)
    surfaces = relief_facets(relief)
    outward = np.cross(RIGHT, UP)
    front = surfaces.normals @ outward > 0.99
    assert area(surfaces)[front].sum() == pytest.approx(3.0 * 2.0)
    assert area(surfaces)[~front].sum() == pytest.approx(2 * (1.0 + 0.75) * abs(depth))
    middle = np.array([1.5, 0.0, 2.0 - 0.875]) + depth / 2 * outward
    walls = surfaces.origin[~front] + (surfaces.side_a[~front] + surfaces.side_b[~front]) / 2
    towards = np.einsum("ij,ij->i", middle - walls, surfaces.normals[~front])
    # The reveal of a recess looks inwards, the flank of a ledge outwards.
    assert (np.sign(towards) == (1 if depth < 0 else -1)).all()


def test_later_parts_override_earlier_ones():
    relief = Relief(2.0, 2.0)
    relief.add(0.0, 0.0, 2.0, 1.0, 0.1)
    relief.add(0.5, 0.5, 5.0, 5.0, -0.1)
    xs, ys, depth = relief.depths()
    assert xs.tolist() == [0.0, 0.5, 2.0]
    assert ys.tolist() == [0.0, 0.5, 1.0, 2.0]
    assert depth.tolist() == [[0.1, 0.1], [0.1, -0.1], [0.0, -0.1]]
