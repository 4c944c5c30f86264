import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.alignment.fit import align_to_gps, align_to_gravity, align_to_map, align_to_positions
from sfm.alignment.gravity import Gravity, estimate_gravity
from sfm.errors import InputError
from sfm.evaluation.trajectory import Trajectory
from sfm.geometry.geodesy import enu_to_geodetic
from sfm.geometry.pose import Pose, angle_between_deg, rotation_angle_deg
from sfm.geometry.similarity import Sim3
from sfm.mapping.frame import MapFrame, place_of
from tests.alignment.test_gravity import LEVEL, held

ORIGIN = np.array([55.7, 13.19, 40.0])
MAP_FROM_ENU = Sim3(0.13, Rotation.random(random_state=5).as_matrix(), np.array([3.0, -1, 2]))
UNRELIABLE = Gravity(np.array([0.0, 0, 1]), 60.0, 0.0, 10)


def path(n=20, bend=15.0):
    t = np.linspace(-1, 1, n)
    return np.column_stack([40 * t, 30 * t + bend * t**2, 1.6 + 0.1 * np.sin(5 * t)])


def sparse_map_at(centers, seed=0, headings=None):
    """A map of cameras that stand at ENU positions and look along headings, in a frame of its own."""
    rng = np.random.default_rng(seed)
    n = len(centers)
    yaws = rng.uniform(-40, 60, n) if headings is None else 90 - np.asarray(headings)
    upright = held(yaws, rng.uniform(-5, 8, n), rng.normal(0, 0.8, n))
    images = {
        i: type(image)(image.name, 1, Pose(image.cam_from_world.rotation, -image.cam_from_world.rotation @ c))
        for (i, image), c in zip(upright.images.items(), centers, strict=True)
    }
    in_enu = type(upright)(upright.cameras, images)
    return in_enu, in_enu.transformed(MAP_FROM_ENU)


def gps_of(in_enu, noise_m=0.0, seed=1, altitude=True):
    rng = np.random.default_rng(seed)
    centers = np.array([pose.center for pose in in_enu.poses.values()])
    noisy = centers + rng.normal(0, 1, centers.shape) * noise_m
    rows = enu_to_geodetic(noisy, ORIGIN)
    if not altitude:
        rows[:, 2] = np.nan
    return {name: tuple(row) for name, row in zip(in_enu.poses, rows, strict=True)}


def turned_deg(found):
    return rotation_angle_deg(found.frame_from_map.rotation @ MAP_FROM_ENU.rotation)


class TestGps:
    def test_exact_positions_give_the_exact_frame(self):
        in_enu, sparse_map = sparse_map_at(path())
        found = align_to_gps(sparse_map, gps_of(in_enu), estimate_gravity(sparse_map), "gps")
        assert found.frame_from_map.scale == pytest.approx(1 / 0.13, rel=2e-3)
        assert turned_deg(found) < 1
        assert found.rms < 0.6
        assert found.outliers == ()
        assert found.frame.unit == "m"
        assert found.frame.z_up

    def test_noise_leaves_the_map_upright(self):
        """A free fit would roll with the noise of a path that is nearly straight."""
        in_enu, sparse_map = sparse_map_at(path(bend=4))
        for seed in range(5):
            found = align_to_gps(sparse_map, gps_of(in_enu, 4, seed), estimate_gravity(sparse_map), "gps")
            up = found.frame_from_map.rotation @ MAP_FROM_ENU.rotation @ [0, 0, 1]
            assert angle_between_deg(up, np.array([0, 0, 1.0])) < 2
            assert 3 < found.rms < 8

    def test_outliers_are_told_and_do_no_harm(self):
        in_enu, sparse_map = sparse_map_at(path())
        gps = gps_of(in_enu, 1.0)
        for name in ("3.jpg", "7.jpg", "12.jpg"):
            gps[name] = (gps[name][0] + 0.01, gps[name][1] - 0.02, 500.0)
        found = align_to_gps(sparse_map, gps, estimate_gravity(sparse_map), "gps")
        assert set(found.outliers) == {"3.jpg", "7.jpg", "12.jpg"}
        assert turned_deg(found) < 4
        assert found.median < 3

    def test_latitude_longitude_and_heading_come_back(self):
        headings = np.linspace(10, 350, 20)
        in_enu, sparse_map = sparse_map_at(path(), headings=headings)
        gps = gps_of(in_enu)
        found = align_to_gps(sparse_map, gps, estimate_gravity(sparse_map), "gps")
        aligned = sparse_map.transformed(found.frame_from_map)
        for heading, (name, pose) in zip(
            headings, sorted(aligned.poses.items(), key=lambda i: int(i[0][:-4])), strict=True
        ):
            place = place_of(found.frame, pose)
            assert place.latitude_deg == pytest.approx(gps[name][0], abs=1e-5)
            assert place.longitude_deg == pytest.approx(gps[name][1], abs=2e-5)
            assert abs((place.heading_deg - heading + 180) % 360 - 180) < 2

    def test_without_altitudes(self):
        in_enu, sparse_map = sparse_map_at(path())
        found = align_to_gps(sparse_map, gps_of(in_enu, altitude=False), estimate_gravity(sparse_map), "gps")
        assert turned_deg(found) < 1
        assert np.isnan(found.frame.origin[2]), "not a made-up zero"
        place = place_of(found.frame, next(iter(sparse_map.transformed(found.frame_from_map).poses.values())))
        assert place.altitude_m is None
        some = gps_of(in_enu, altitude=False)
        name = next(iter(some))
        some[name] = (*some[name][:2], 40.0)
        found = align_to_gps(sparse_map, some, estimate_gravity(sparse_map), "gps")
        assert found.frame.origin[2] == 40

    def test_cameras_on_one_line_are_told_and_turned_upright(self):
        in_enu, sparse_map = sparse_map_at(path(bend=0))
        found = align_to_gps(sparse_map, gps_of(in_enu, 0.5), estimate_gravity(sparse_map), "gps")
        assert "on one line" in found.frame.note
        assert "up vectors" in found.frame.note
        assert found.frame.orientation_known
        assert turned_deg(found) < 3

    def test_on_one_line_without_a_vertical_the_heading_is_unknown(self):
        in_enu, sparse_map = sparse_map_at(path(bend=0))
        found = align_to_gps(sparse_map, gps_of(in_enu, 0.5), UNRELIABLE, "gps")
        assert not found.frame.orientation_known
        assert "not observable" in found.frame.note
        place = place_of(found.frame, Pose(LEVEL.T, np.zeros(3)))
        assert place.heading_deg is None
        assert place.latitude_deg == pytest.approx(55.7, abs=1e-3)

    def test_stacked_positions_show_no_heading(self):
        tower = np.column_stack([np.zeros(10), np.zeros(10), np.linspace(0, 60, 10)])
        in_enu, sparse_map = sparse_map_at(tower)
        found = align_to_gps(sparse_map, gps_of(in_enu), estimate_gravity(sparse_map), "gps")
        assert not found.frame.orientation_known

    @pytest.mark.parametrize("kept", [0, 1, 3])
    def test_too_few_positions(self, kept):
        in_enu, sparse_map = sparse_map_at(path())
        gps = dict(list(gps_of(in_enu).items())[:kept])
        with pytest.raises(InputError, match=f"Only {kept} of the map's 20 images have a GPS position"):
            align_to_gps(sparse_map, gps, estimate_gravity(sparse_map), "gps")

    def test_one_position_for_all(self):
        in_enu, sparse_map = sparse_map_at(path())
        same = dict.fromkeys(in_enu.poses, (55.7, 13.2, 40.0))
        with pytest.raises(InputError, match="All GPS positions are the same"):
            align_to_gps(sparse_map, same, estimate_gravity(sparse_map), "gps")

    def test_across_the_date_line(self):
        in_enu, sparse_map = sparse_map_at(path())
        centers = np.array([pose.center for pose in in_enu.poses.values()])
        rows = enu_to_geodetic(centers, np.array([-17.0, 180.0, 0.0]))
        gps = {name: tuple(row) for name, row in zip(in_enu.poses, rows, strict=True)}
        assert np.ptp(rows[:, 1]) > 300
        found = align_to_gps(sparse_map, gps, estimate_gravity(sparse_map), "gps")
        assert found.rms < 0.6


class TestPositions:
    def positions(self, in_enu):
        return {name: tuple(pose.center) for name, pose in in_enu.poses.items()}

    def test_exact_positions_give_the_exact_frame_whatever_the_cameras_say(self):
        in_enu, sparse_map = sparse_map_at(path())
        found = align_to_positions(sparse_map, self.positions(in_enu), UNRELIABLE)
        assert turned_deg(found) < 1e-6
        assert found.rms < 1e-9
        assert found.frame == MapFrame("csv", "m", z_up=True)

    def test_a_line_is_turned_upright_about_itself(self):
        line = path(bend=0)
        line[:, 2] = np.linspace(0, 8, len(line))
        in_enu, sparse_map = sparse_map_at(line)
        found = align_to_positions(sparse_map, self.positions(in_enu), estimate_gravity(sparse_map))
        assert turned_deg(found) < 1
        assert found.rms < 1e-6
        assert "on one line" in found.frame.note
        assert not align_to_positions(sparse_map, self.positions(in_enu), UNRELIABLE).frame.orientation_known

    def test_names_that_do_not_fit(self):
        _, sparse_map = sparse_map_at(path())
        with pytest.raises(InputError, match=r"name them as the map does, like '1.jpg'"):
            align_to_positions(sparse_map, {"other.jpg": (0, 0, 0)}, UNRELIABLE)


class TestMap:
    @pytest.mark.parametrize("bend", [15.0, 0.0])
    def test_the_other_map_s_frame_is_taken_over(self, bend):
        in_enu, sparse_map = sparse_map_at(path(bend=bend) * [1, 1, 0])
        frame = MapFrame("gps", "m", (55.7, 13.19, 40.0), z_up=True)
        found = align_to_map(sparse_map, Trajectory(in_enu.poses), frame)
        assert turned_deg(found) < 1e-5
        assert found.rms < 1e-8
        assert found.frame.origin == frame.origin
        assert found.frame.aligned_to == "model"

    def test_maps_without_a_common_image(self):
        in_enu, sparse_map = sparse_map_at(path())
        with pytest.raises(InputError, match="share 0 images, and it takes 2"):
            align_to_map(sparse_map, Trajectory({"x.jpg": in_enu.poses["1.jpg"]}), None)


class TestGravity:
    def test_z_points_up_and_the_scale_stays(self):
        _, sparse_map = sparse_map_at(path())
        found = align_to_gravity(estimate_gravity(sparse_map))
        up = found.frame_from_map.rotation @ MAP_FROM_ENU.rotation @ [0, 0, 1]
        assert angle_between_deg(up, np.array([0, 0, 1.0])) < 1.5
        assert np.linalg.det(found.frame_from_map.rotation) == pytest.approx(1)
        assert found.frame_from_map.scale == 1
        assert place_of(found.frame, Pose.identity()) is None

    def test_cameras_that_do_not_agree(self):
        with pytest.raises(InputError, match="do not tell which way is up"):
            align_to_gravity(UNRELIABLE)


def block_map():
    """Nadir cameras of five strips, in a frame of the map's own, and their centres in metres."""
    rng = np.random.default_rng(4)
    x, y = np.meshgrid(np.arange(5) * 24.0 - 48, np.arange(7) * 13.0 - 39)
    centers = np.column_stack([x.ravel(), y.ravel(), np.full(35, 60.0)]) + rng.normal(0, 0.6, (35, 3))
    down = np.diag([1.0, -1, -1])
    in_enu, _ = sparse_map_at(centers)
    images = {
        i: type(image)(image.name, 1, Pose(down, -down @ c))
        for (i, image), c in zip(in_enu.images.items(), centers, strict=True)
    }
    in_enu = type(in_enu)(in_enu.cameras, images)
    return in_enu, in_enu.transformed(MAP_FROM_ENU)


class TestAbsurdPositions:
    def align_gps(self, gps):
        _, sparse_map = block_map()
        return align_to_gps(sparse_map, gps, estimate_gravity(sparse_map), "gps")

    @pytest.mark.parametrize("stuck", [2, 12, 20])
    def test_a_stuck_receiver_counts_once(self, stuck):
        gps = gps_of(block_map()[0])
        names = list(gps)
        gps |= dict.fromkeys(names[5 : 5 + stuck], gps[names[5]])
        found = self.align_gps(gps)
        assert found.frame_from_map.scale == pytest.approx(1 / 0.13, rel=1e-3)
        assert turned_deg(found) < 0.1

    @pytest.mark.parametrize("decimals", [2, 3])
    def test_degrees_cut_short_are_refused(self, decimals):
        cut = {
            n: (*np.trunc(np.array(p[:2]) * 10**decimals) / 10**decimals, p[2])
            for n, p in gps_of(block_map()[0]).items()
        }
        with pytest.raises(InputError, match=r"do not fit the map|only . different"):
            self.align_gps(cut)

    def test_latitude_and_longitude_exchanged_are_named(self):
        swapped = {n: (lon, lat, alt) for n, (lat, lon, alt) in gps_of(block_map()[0]).items()}
        with pytest.raises(InputError, match="With latitude and longitude exchanged they do"):
            self.align_gps(swapped)

    @pytest.mark.parametrize("seed", range(3))
    def test_shuffled_rows_are_refused(self, seed):
        gps = gps_of(block_map()[0])
        order = np.random.default_rng(seed).permutation(len(gps))
        shuffled = dict(zip(gps, [list(gps.values())[i] for i in order], strict=True))
        with pytest.raises(InputError, match="do not fit the map"):
            self.align_gps(shuffled)

    def test_one_altitude_that_is_missing_or_zero_harms_nobody(self):
        for altitude in (np.nan, 0.0):
            gps = gps_of(block_map()[0])
            gps["3.jpg"] = (*gps["3.jpg"][:2], altitude)
            found = self.align_gps(gps)
            assert turned_deg(found) < 0.05
            assert set(found.outliers) <= {"3.jpg"}

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda p: p[:, [1, 0, 2]], "x and y exchanged they do"),
            (lambda p: p * [1, 1, -1], "z counted downwards they do"),
            (lambda p: p[:, [0, 2, 1]], "y and z exchanged they do"),
            (lambda p: p[:, [1, 0, 2]] * [1, 1, -1], "x and y exchanged and z counted downwards"),
        ],
    )
    def test_mistaken_axes_are_named(self, change, told):
        in_enu, sparse_map = block_map()
        changed = change(np.array([pose.center for pose in in_enu.poses.values()]))
        positions = dict(zip(in_enu.poses, map(tuple, changed), strict=True))
        with pytest.raises(InputError, match=told):
            align_to_positions(sparse_map, positions, estimate_gravity(sparse_map))

    def test_names_of_other_images_are_refused(self):
        in_enu, sparse_map = block_map()
        order = np.random.default_rng(0).permutation(35)
        poses = dict(zip(in_enu.poses, [list(in_enu.poses.values())[i] for i in order], strict=True))
        with pytest.raises(InputError, match="Do its names mean the same images"):
            align_to_map(sparse_map, Trajectory(poses), None)
