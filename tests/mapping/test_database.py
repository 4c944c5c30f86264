import multiprocessing
import os
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pycolmap
import pytest

from sfm.errors import InputError, WorkError
from sfm.geometry.camera import Camera
from sfm.geometry.two_view import TwoViewGeometry, VerificationOptions
from sfm.mapping import database as database_module
from sfm.mapping.colmap_io import camera_from_colmap, xy_from_colmap
from sfm.mapping.colmap_verifier import make_verifier, to_colmap_two_view
from sfm.mapping.database import ImageEntry, MapDatabase, PairResult, VerifiedPair, image_digest
from sfm.mapping.stored_matches import StoredMatches
from tests.geometry.synthetic import make_scene

CAMERA = Camera("SIMPLE_RADIAL", 1536, 1024, (1380.0, 767.5, 511.5, -0.05), focal_is_known=True)
OTHER = Camera("PINHOLE", 1536, 1024, (1300.0, 1310.0, 760.25, 512.0))
CAMERAS = {1: CAMERA, 2: OTHER}
NAMES = ("a.jpg", "b/ü 日本.jpg", "c'\"d.jpg")
SCENE = make_scene(num_matches=60, outliers=0.3)


def entries(names=NAMES, keypoints="k1", cameras=CAMERAS, camera_of=None):
    camera_of = camera_of or {name: 1 + i % 2 for i, name in enumerate(names)}
    return [
        ImageEntry(name, camera_of[name], image_digest(keypoints, camera_of[name], cameras[camera_of[name]]))
        for name in names
    ]


class Keypoints(dict):
    """Positions by name, the scene's from both sides; counts who was asked for."""

    def __init__(self, names=NAMES):
        super().__init__(
            {
                name: (SCENE.xy1 if i % 2 == 0 else SCENE.xy2).astype(np.float32)
                for i, name in enumerate(names)
            }
        )
        self.asked = []

    def __getitem__(self, name):
        self.asked.append(name)
        return super().__getitem__(name)


def result(name1=NAMES[0], name2=NAMES[1], accepted=True, digest="d1"):
    """A verified pair, the first image with points `xy1` of the scene, the second with `xy2`."""
    matches = np.column_stack([np.arange(60), np.arange(60)]).astype(np.int32)
    geometry = make_verifier(VerificationOptions(verifier="five-point")).verify(
        SCENE.xy1, SCENE.xy2, CAMERA, CAMERA
    )
    assert len(geometry.inliers) > 30
    pair = VerifiedPair(name1, name2, 60, len(geometry.inliers), geometry.kind, -40.5, 0.25, accepted)
    return PairResult(pair, matches, geometry, digest)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "database.db"


@pytest.fixture
def filled(path):
    """A database with all images and two pairs, one accepted."""
    with MapDatabase(path) as database:
        assert database.prepare(entries(), CAMERAS, Keypoints())
        database.write_pairs([result(), result(NAMES[0], NAMES[2], accepted=False)])
        database.set_options({"ratio": 0.8})
    return path


def colmap_pairs(path):
    with pycolmap.Database.open(path) as colmap:
        ids, _ = colmap.read_two_view_geometries()
        return {
            tuple(sorted(colmap.read_image(i).name for i in pycolmap.pair_id_to_image_pair(p))) for p in ids
        }


def rows_of(path, table):
    with sqlite3.connect(path) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def test_colmap_reads_what_was_written(filled):
    with pycolmap.Database.open(filled) as colmap:
        images = {image.name: image for image in colmap.read_all_images()}
        assert set(images) == set(NAMES)
        for i, name in enumerate(NAMES):
            assert images[name].camera_id == 1 + i % 2
            # Half a pixel is added exactly once.
            stored = colmap.read_keypoints(images[name].image_id)
            np.testing.assert_allclose(stored, Keypoints()[name] + 0.5, atol=1e-4)
            np.testing.assert_allclose(xy_from_colmap(stored), Keypoints()[name], atol=1e-4)
        for camera_id, camera in CAMERAS.items():
            stored = colmap.read_camera(camera_id)
            assert stored.params[-2 if camera is OTHER else 1] == camera.principal_point[0] + 0.5
            assert camera_from_colmap(stored) == camera
        assert len(colmap.read_all_rigs()) == 2
        assert len(colmap.read_all_frames()) == 3
        id1, id2 = images[NAMES[0]].image_id, images[NAMES[1]].image_id
        np.testing.assert_array_equal(colmap.read_matches(id1, id2), result().matches)
        np.testing.assert_array_equal(colmap.read_matches(id2, id1), result().matches[:, ::-1])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("verifier", ["colmap", "five-point", "eight-point"])
def test_the_rows_are_those_that_colmap_writes(path, turned, verifier):
    """The tables' columns and the layout of their blobs are COLMAP's own, also where ids descend."""
    geometry = make_verifier(VerificationOptions(verifier=verifier)).verify(
        SCENE.xy1, SCENE.xy2, CAMERA, CAMERA
    )
    name1, name2 = (NAMES[1], NAMES[0]) if turned else (NAMES[0], NAMES[1])
    matches = np.random.default_rng(0).permutation(60)
    matches = np.column_stack([np.arange(60), matches]).astype(np.int32)
    pair = VerifiedPair(name1, name2, 60, len(geometry.inliers), geometry.kind, -40.5, None, True)
    with MapDatabase(path) as database:
        database.prepare(entries(), CAMERAS, Keypoints())
        database.write_pairs([PairResult(pair, matches, geometry, "d")])
    reference = path.with_name("reference.db")
    with pycolmap.Database.open(reference) as colmap, pycolmap.Database.open(path) as written:
        for camera in written.read_all_cameras():
            colmap.write_camera(camera, use_camera_id=True)
        for rig in written.read_all_rigs():
            colmap.write_rig(rig, use_rig_id=True)
        for image in written.read_all_images():
            copy = pycolmap.Image(name=image.name, camera_id=image.camera_id, image_id=image.image_id)
            colmap.write_image(copy, use_image_id=True)
            colmap.write_keypoints(image.image_id, written.read_keypoints(image.image_id))
        for frame in written.read_all_frames():
            colmap.write_frame(frame, use_frame_id=True)
        ids = {image.name: image.image_id for image in written.read_all_images()}
        colmap.write_matches(ids[name1], ids[name2], matches.astype(np.uint32))
        colmap.write_two_view_geometry(ids[name1], ids[name2], to_colmap_two_view(geometry, matches))
    for table in ("cameras", "rigs", "rig_sensors", "frames", "frame_data", "images", "keypoints", "matches"):
        assert rows_of(path, table) == rows_of(reference, table)
    (mine,), (theirs,) = rows_of(path, "two_view_geometries"), rows_of(reference, "two_view_geometries")
    assert mine[:5] == theirs[:5]
    for own, expected in zip(mine[5:], theirs[5:], strict=True):
        assert (own is None) == (expected is None)
        if own is not None:
            np.testing.assert_allclose(np.frombuffer(own), np.frombuffer(expected), atol=1e-12)


@pytest.mark.parametrize("names", [NAMES[:2], NAMES[1::-1]])
def test_verified_points_come_back_in_pixels(path, names):
    with MapDatabase(path) as database:
        database.prepare(entries(), CAMERAS, {n: SCENE.xy1 if n == names[0] else SCENE.xy2 for n in NAMES})
        database.write_pairs([result(*names)])
        xy1, xy2 = database.verified_points(*names)
        back2, back1 = database.verified_points(*names[::-1])
    inliers = result().geometry.inliers
    np.testing.assert_allclose(xy1, SCENE.xy1[inliers], atol=1e-3)
    np.testing.assert_allclose(xy2, SCENE.xy2[inliers], atol=1e-3)
    np.testing.assert_array_equal(back1, xy1)
    np.testing.assert_array_equal(back2, xy2)


def test_a_copy_without_some_pairs_leaves_the_database_as_it_is(path, tmp_path):
    with MapDatabase(path) as database:
        database.prepare(entries(), CAMERAS, Keypoints())
        database.write_pairs([result(*NAMES[:2])])
        for _ in range(2):  # what an earlier run left is replaced
            database.copy_without([NAMES[1::-1]], tmp_path / "scratch" / "copy.db")
        assert len(database.verified_points(*NAMES[:2])[0]) > 0
    with pycolmap.Database.open(tmp_path / "scratch" / "copy.db") as copy:
        assert copy.num_images() == len(entries())
        assert copy.num_verified_image_pairs() == 0


def test_images_without_keypoints_and_pairs_without_matches(path):
    with MapDatabase(path) as database:
        database.prepare(entries(), CAMERAS, {name: np.empty((0, 2), np.float32) for name in NAMES})
        pair = VerifiedPair(NAMES[0], NAMES[1], 0, 0, "degenerate", 99.0, None, False)
        database.write_pairs(
            [PairResult(pair, np.empty((0, 2), np.int32), TwoViewGeometry.degenerate(4), "d")]
        )
        assert database.pairs() == {NAMES[:2]: pair}
    with pycolmap.Database.open(path) as colmap:
        assert colmap.num_images() == 3
        assert colmap.num_keypoints() == 0


def test_a_later_run_finds_everything(filled):
    with MapDatabase(filled) as database:
        keypoints = Keypoints()
        assert database.prepare(entries(), CAMERAS, keypoints)
        assert keypoints.asked == []
        assert database.pairs() == {
            NAMES[:2]: result().pair,
            (NAMES[0], NAMES[2]): result(NAMES[0], NAMES[2], accepted=False).pair,
        }
        assert database.pair_digests() == {NAMES[:2]: "d1", (NAMES[0], NAMES[2]): "d1"}
        assert database.options() == {"ratio": 0.8}
    assert colmap_pairs(filled) == {tuple(sorted(NAMES[:2]))}


def test_added_images_leave_the_rest_alone(filled):
    more = (*NAMES, "z.jpg")
    with MapDatabase(filled) as database:
        keypoints = Keypoints(more)
        assert database.prepare(entries(more), CAMERAS, keypoints)
        assert keypoints.asked == ["z.jpg"]
        assert len(database.pairs()) == 2
        database.write_pairs([result("z.jpg", NAMES[0])])
        assert len(database.pairs()) == 3


@pytest.mark.parametrize("removed", NAMES)
def test_removed_images_take_only_their_own_pairs_along(filled, removed):
    every_camera = {name: 1 + i % 2 for i, name in enumerate(NAMES)}
    left = [name for name in NAMES if name != removed]
    with MapDatabase(filled) as database:
        held = database.pairs()
        keypoints = Keypoints()
        assert database.prepare(entries(left, camera_of=every_camera), CAMERAS, keypoints)
        assert keypoints.asked == []
        assert database.pairs() == {pair: value for pair, value in held.items() if removed not in pair}
    with pycolmap.Database.open(filled) as colmap:
        images = {image.name: image.camera_id for image in colmap.read_all_images()}
        assert images == {name: every_camera[name] for name in left}
        assert {camera.camera_id for camera in colmap.read_all_cameras()} == set(images.values())
        assert {rig.rig_id for rig in colmap.read_all_rigs()} == set(images.values())
        assert {frame.frame_id for frame in colmap.read_all_frames()} == {
            image.image_id for image in colmap.read_all_images()
        }
    assert colmap_pairs(filled) == ({tuple(sorted(NAMES[:2]))} if removed == NAMES[2] else set())
    with MapDatabase(filled) as database:
        assert database.prepare(entries(), CAMERAS, keypoints)
        assert keypoints.asked == [removed]
        database.write_pairs([result()])
    assert colmap_pairs(filled) == {tuple(sorted(NAMES[:2]))}


@pytest.mark.parametrize(
    "now",
    [
        pytest.param((entries(keypoints="k2"), CAMERAS), id="other keypoints"),
        pytest.param((entries(cameras={1: CAMERA, 2: CAMERA}), {1: CAMERA, 2: CAMERA}), id="another camera"),
        pytest.param((entries(camera_of=dict.fromkeys(NAMES, 1)), CAMERAS), id="one camera for all"),
        pytest.param(
            (
                entries(cameras={1: replace(CAMERA, fixed=True), 2: OTHER}),
                {1: replace(CAMERA, fixed=True), 2: OTHER},
            ),
            id="intrinsics held",
        ),
    ],
)
def test_what_pairs_depend_on_makes_it_anew(filled, now):
    wanted, cameras = now
    with MapDatabase(filled) as database:
        assert not database.prepare(wanted, cameras, Keypoints())
        assert database.pairs() == {}
    with pycolmap.Database.open(filled) as colmap:
        images = {image.name: image.camera_id for image in colmap.read_all_images()}
        assert images == {entry.name: entry.camera_id for entry in wanted}
        assert colmap.num_matched_image_pairs() == 0
        for camera in colmap.read_all_cameras():
            assert (
                camera_from_colmap(camera, fixed=cameras[camera.camera_id].fixed) == cameras[camera.camera_id]
            )


def test_a_pair_is_replaced_as_a_whole(filled):
    with MapDatabase(filled) as database:
        database.write_pairs([result(accepted=False, digest="d2")])
        assert database.pair_digests()[NAMES[:2]] == "d2"
        assert not database.pairs()[NAMES[:2]].accepted
    assert colmap_pairs(filled) == set()
    with MapDatabase(filled) as database:
        database.write_pairs([result(NAMES[1], NAMES[0], digest="d3")])
        assert database.pair_digests() == {(NAMES[1], NAMES[0]): "d3", (NAMES[0], NAMES[2]): "d1"}
    assert len(rows_of(filled, "matches")) == 2


def test_writing_a_pair_takes_no_longer_where_there_are_many(filled):
    """Counted in SQLite's own instructions."""

    def instructions():
        count = 0

        def tick():
            nonlocal count
            count += 1

        with MapDatabase(filled) as database:
            database._rows.set_progress_handler(tick, 1)
            database.write_pairs([result(digest="d2")])
        return count

    among_few = instructions()
    with sqlite3.connect(filled) as connection:
        rows = [(f"{i}.jpg", f"{i + 1}.jpg", "d", 0, 0, "", 0.0, None, 0) for i in range(5000)]
        connection.executemany("INSERT INTO sfm_pairs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    assert instructions() < 1.5 * among_few


def test_only_pairs_that_are_wanted_stay(filled):
    with MapDatabase(filled) as database:
        database.keep_only([(NAMES[0], NAMES[2])])
        assert list(database.pairs()) == [(NAMES[0], NAMES[2])]
    assert colmap_pairs(filled) == set()
    assert len(rows_of(filled, "matches")) == 1


def _die_in(step, path, method):
    """Write a pair and an image, and die without a word where `method` is called for the `step`-th time."""
    calls = 0
    whole = getattr(MapDatabase, method)

    def dying(self, *arguments, **values):
        nonlocal calls
        calls += 1
        if calls == step:
            os._exit(9)
        return whole(self, *arguments, **values)

    setattr(MapDatabase, method, dying)
    database = MapDatabase(path)
    database.prepare(entries((*NAMES, "z.jpg")), CAMERAS, Keypoints((*NAMES, "z.jpg")))
    database.write_pairs([result(NAMES[1], NAMES[2], digest="new"), result(digest="new")])
    database.keep_only([])
    os._exit(0)


@pytest.mark.parametrize("step", [*range(1, 12, 2), 40])
def test_killed_between_any_two_rows(filled, step):
    """Whatever COLMAP's tables hold is what this project's tables vouch for."""
    process = multiprocessing.get_context("fork").Process(target=_die_in, args=(step, filled, "_insert"))
    process.start()
    process.join()
    assert process.exitcode == (9 if step < 20 else 0)
    with MapDatabase(filled) as database:
        digests = database.pair_digests()
        accepted = {tuple(sorted(names)) for names, pair in database.pairs().items() if pair.accepted}
        matched = {pycolmap.image_pair_to_pair_id(database._ids[a], database._ids[b]) for a, b in digests}
        assert matched == {row[0] for row in rows_of(filled, "matches")}
        assert {name for (name, _) in rows_of(filled, "sfm_images")} == set(database._ids)
        assert sorted(digests.values()) in ([], ["d1", "d1"], ["d1", "new", "new"])
    assert colmap_pairs(filled) == accepted
    with MapDatabase(filled) as database:
        assert database.prepare(entries((*NAMES, "z.jpg")), CAMERAS, Keypoints((*NAMES, "z.jpg")))
        assert database.pair_digests() == digests


def test_a_damaged_file_is_made_anew(filled):
    filled.write_bytes(os.urandom(5000))
    with MapDatabase(filled) as database:
        assert database.pairs() == {}
        database.prepare(entries(), CAMERAS, Keypoints())
        database.write_pairs([result()])
    assert colmap_pairs(filled) == {tuple(sorted(NAMES[:2]))}


def without_its_end(data):
    return data[:-100]


def without_its_last_page(data):
    return data[:-4096]


def with_a_page_of_zeros(data):
    return data[:8192] + bytes(4096) + data[12288:]


def with_nothing_but_its_first_page(data):
    return data[:4096] + bytes(len(data) - 4096)


DAMAGES = [without_its_end, without_its_last_page, with_a_page_of_zeros, with_nothing_but_its_first_page]


@pytest.mark.parametrize("damaged", DAMAGES)
def test_damage_anywhere_is_named_and_the_file_made_anew(filled, damaged):
    filled.write_bytes(damaged(filled.read_bytes()))
    with MapDatabase(filled) as database:
        assert not database.prepare(entries(), CAMERAS, Keypoints())
        assert database.damage
        assert database.pairs() == {}
        database.write_pairs([result()])
    assert colmap_pairs(filled) == {tuple(sorted(NAMES[:2]))}
    with MapDatabase(filled) as database:
        assert database.prepare(entries(), CAMERAS, Keypoints())
        assert not database.damage


def test_an_array_shorter_than_its_rows_is_damage(filled):
    with closing(sqlite3.connect(filled)) as rows, rows:
        rows.execute("UPDATE keypoints SET data = substr(data, 1, length(data) - 4) WHERE image_id = 1")
    with MapDatabase(filled) as database:
        assert not database.prepare(entries(), CAMERAS, Keypoints())
        assert database.damage == "rows of keypoints are not whole"


def test_a_database_without_its_end_is_not_read(filled):
    filled.write_bytes(without_its_end(filled.read_bytes()))
    with pytest.raises(InputError, match="its end is missing"):
        StoredMatches(filled)


def test_another_writer_is_waited_for_and_nothing_is_lost(filled, monkeypatch):
    monkeypatch.setattr(database_module, "_PATIENCE_S", 0.1)
    other = sqlite3.connect(filled)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WorkError, match="Another program is writing to"), MapDatabase(filled) as database:
        database.write_pairs([result(NAMES[1], NAMES[2])])
    other.rollback()
    other.close()
    with MapDatabase(filled) as database:
        assert len(database.pairs()) == 2


def test_a_full_disk_keeps_what_is_done(disk):
    path = disk(700) / "database.db"
    with MapDatabase(path) as database:
        database.prepare(entries(), CAMERAS, Keypoints())
        database.write_pairs([result()])
    ballast = path.with_name("ballast")
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"0" * 10**6)
    with pytest.raises(WorkError, match="The disk is full"), MapDatabase(path) as database:
        database.write_pairs([result(NAMES[1], NAMES[2])])
    ballast.unlink()
    with MapDatabase(path) as database:
        assert list(database.pairs()) == [NAMES[:2]]
        database.write_pairs([result(NAMES[1], NAMES[2])])


def test_a_full_disk_from_the_start(disk):
    folder = disk(40)
    with pytest.raises(WorkError, match="The disk is full"), MapDatabase(folder / "database.db"):
        pass
