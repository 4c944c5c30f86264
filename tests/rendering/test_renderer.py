import numpy as np
import pytest

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.rendering.renderer import Renderer
from sfm.rendering.street import build_street, on_street
from sfm.rendering.surfaces import SurfaceBuilder
from sfm.rendering.walk import StreetOptions, camera_of, walk

CAMERAS = [
    Camera("SIMPLE_PINHOLE", 160, 120, (130.0, 79.5, 59.5)),
    Camera("SIMPLE_RADIAL", 160, 120, (130.0, 79.5, 59.5, -0.15)),
    Camera("OPENCV", 160, 120, (130.0, 124.0, 74.0, 63.0, 0.1, -0.05, 0.004, -0.003)),
    Camera("OPENCV_FISHEYE", 160, 120, (90.0, 90.0, 79.5, 59.5, 0.02, 0.0, 0.0, 0.0)),
]
# A board at x = 4 m, as wide as the view; the camera looks along +x.
FORWARD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
POSE = Pose(FORWARD, -FORWARD @ np.array([0.1, 0.2, -0.1]))


@pytest.fixture(scope="module")
def dots():
    """A dark board with white discs, and the discs' world positions."""
    ppm, width, height, radius = 100.0, 6.0, 5.0, 0.09
    y, x = (np.indices((int(height * ppm), int(width * ppm))) + 0.5) / ppm
    grid = np.stack(np.meshgrid(np.arange(1.6, 4.5, 0.55), np.arange(1.4, 3.7, 0.55)), axis=-1).reshape(-1, 2)
    paint = np.full((*x.shape, 3), 20, np.uint8)
    for u, v in grid:
        paint[(x - u) ** 2 + (y - v) ** 2 < radius**2] = 235
    builder = SurfaceBuilder()
    corner = np.array([4.0, width / 2, height / 2])
    builder.facet(builder.texture(paint), corner, (0, -width, 0), (0, 0, -height))
    world = corner + grid[:, :1] * [0, -1.0, 0] + grid[:, 1:] * [0, 0, -1.0]
    return Renderer(builder.build()), world


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.model)
def test_known_points_appear_where_the_camera_projects_them(dots, camera):
    renderer, world = dots
    rgb = renderer.render(camera, POSE, noise=0)
    brightness = rgb.astype(float).mean(axis=2)
    brightness -= brightness[brightness > 0].min()
    expected = camera.project(POSE.apply(world))
    half, errors = 6, []
    for x, y in expected:
        column, row = round(x), round(y)
        if not (half <= column < camera.width - half and half <= row < camera.height - half):
            continue
        patch = brightness[row - half : row + half + 1, column - half : column + half + 1]
        patch = np.where(patch > 0.25 * patch.max(), patch, 0)
        v, u = np.mgrid[row - half : row + half + 1, column - half : column + half + 1]
        errors.append([(patch * u).sum() / patch.sum() - x, (patch * v).sum() / patch.sum() - y])
    assert len(errors) >= 15
    # A principal point half a pixel off would show as 0.5.
    assert np.abs(np.mean(errors, axis=0)).max() < 0.03
    assert np.abs(errors).max() < 0.2


def test_depth_is_z_in_the_camera_frame(dots):
    depth = dots[0].depth(CAMERAS[1], POSE)
    assert depth[np.isfinite(depth)] == pytest.approx(3.9, abs=1e-4)


def test_sky_where_nothing_is_hit(dots):
    backwards = Pose(np.diag([-1.0, 1.0, -1.0]) @ FORWARD, np.zeros(3))
    assert np.isinf(dots[0].depth(CAMERAS[0], backwards)).all()
    rgb = dots[0].render(CAMERAS[0], backwards)
    assert rgb[:60, :, 2].mean() > rgb[:60, :, 0].mean()
    assert rgb[:60].mean() > 120


@pytest.fixture(scope="module")
def street():
    return build_street(0)


@pytest.fixture(scope="module")
def street_renderer(street):
    return Renderer(street.surfaces)


SMALL = camera_of(StreetOptions(width=160, height=120))


@pytest.mark.slow
def test_the_street_is_the_same_for_the_same_seed(street):
    again = build_street(0)
    for name in ("origin", "side_a", "side_b", "opposite", "texture_origin", "atlas"):
        assert np.array_equal(getattr(street.surfaces, name), getattr(again.surfaces, name))


def test_views_of_the_walk_are_lit_textured_and_deep(street_renderer):
    for pose in walk(4):
        rgb, depth = street_renderer.render(SMALL, pose), street_renderer.depth(SMALL, pose)
        assert rgb.shape == (120, 160, 3)
        assert 60 < rgb.mean() < 190
        assert (rgb.min(axis=2) > 250).mean() < 0.05
        tiles = rgb.mean(axis=2).reshape(6, 20, 8, 20).swapaxes(1, 2).std(axis=(2, 3))
        assert (tiles > 4).mean() > 0.6
        assert 0.6 < np.isfinite(depth).mean() < 0.95
        near, far = np.percentile(depth[np.isfinite(depth)], [5, 95])
        assert near > 1.0
        assert far > 3 * near


def test_rendering_repeats_exactly(street_renderer):
    pose = walk(5)[2]
    one, two = (street_renderer.render(SMALL, pose, seed=7) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, street_renderer.render(SMALL, pose, seed=8))


def test_two_views_show_the_same_surface_points(street_renderer):
    """Pixels of one view, carried into the other by depth and poses, have the same colour there."""
    camera = camera_of(StreetOptions(width=320, height=240))
    first, second = walk(20)[8:10]
    one, two = (street_renderer.render(camera, pose, noise=0).astype(float) for pose in (first, second))
    depth, depth_two = (street_renderer.depth(camera, pose) for pose in (first, second))
    y, x = np.nonzero(np.isfinite(depth))
    rays = np.column_stack([camera.normalize(np.column_stack([x, y])), np.ones(len(x))])
    points = (second @ first.inverse()).apply(rays * depth[y, x, None])
    xy = camera.project(points)
    inside = (np.abs(xy - [159.5, 119.5]) < [158, 118]).all(axis=1)
    column, row = xy[inside].round().astype(int).T
    visible = np.abs(depth_two[row, column] / points[inside, 2] - 1) < 0.01
    difference = np.abs(one[y, x][inside] - two[row, column]).mean(axis=1)[visible]
    assert visible.mean() > 0.8
    assert np.median(difference) < 8


def test_the_street_bends_to_the_left_and_keeps_its_width():
    assert on_street(0, 0) == pytest.approx([0, 0, 0])
    assert on_street(30, 0)[1] > 3
    assert np.linalg.norm(on_street(20, 4.4) - on_street(20, -4.4)) == pytest.approx(8.8)
