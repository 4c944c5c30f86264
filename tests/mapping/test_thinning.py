"""Fewer matches for the mapper: which are left, and that maps come out whole."""

import sqlite3
from contextlib import closing
from itertools import chain, pairwise

import numpy as np
import pycolmap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm.errors import WorkError
from sfm.mapping.colmap_io import from_reconstruction
from sfm.mapping.incremental import MapperSettings, complete, read_database, run_mapper
from sfm.mapping.thinning import FEWEST, in_long_tracks, thin_out

from .mapper_contract import NAMES, MapperContract, Steps, assert_map_is
from .synthetic import along_a_wall, write_database


class TestMapperOfFewMatches(MapperContract):
    """Maps of thinned pairs, completed afterwards."""

    def run(self, database, out, settings, seed, step):
        thin = out.with_suffix(".db")
        thin_out(database, thin, 0.2)
        models = run_mapper(thin, out, settings, seed, step)
        everything = read_database(database)
        return [complete(model, everything, settings, seed, Steps()) for model in models]


def track(*images, keypoint=0):
    """A track through images, matched from each to the next."""
    return [(a, b, keypoint, keypoint) for a, b in pairwise(images)]


def as_pairs(matches):
    """(image1, image2, keypoint1, keypoint2) of each match, grouped by pair."""
    pairs = {}
    for a, b, i, j in matches:
        pairs.setdefault((a, b), []).append((i, j))
    return [(a, b, np.array(of_pair, np.uint32)) for (a, b), of_pair in pairs.items()]


def left(pairs, fewest, share=0.0):
    kept, _ = in_long_tracks(pairs, share, fewest)
    return {(a, b): matches[mask].tolist() for (a, b, matches), mask in zip(pairs, kept, strict=True)}


def test_the_longest_tracks_are_left():
    pairs = as_pairs(track(1, 2, keypoint=0) + track(1, 2, 3, keypoint=1) + track(1, 2, 3, 4, keypoint=2))
    assert left(pairs, 1) == {(1, 2): [[2, 2]], (2, 3): [[2, 2]], (3, 4): [[2, 2]]}
    assert left(pairs, 2)[1, 2] == [[1, 1], [2, 2]]
    assert left(pairs, 3)[1, 2] == [[0, 0], [1, 1], [2, 2]]


def test_a_pair_of_many_matches_keeps_more():
    pairs = as_pairs([m for k in range(40) for m in track(1, 2, keypoint=k)] + track(2, 3, keypoint=0))
    assert len(left(pairs, 4, share=0.5)[1, 2]) == 20
    assert len(left(pairs, 4, share=0.0)[1, 2]) == 4
    assert left(pairs, 4, share=0.5)[2, 3] == [[0, 0]]


def test_tracks_that_contradict_themselves_come_last():
    wrong = [(1, 2, 0, 0), (2, 3, 0, 0), (3, 1, 0, 9)]
    pairs = as_pairs([*wrong, (1, 2, 1, 1), (2, 3, 1, 1), (3, 1, 1, 1)])
    assert left(pairs, 1)[1, 2] == [[1, 1]]
    assert left(pairs, 2)[1, 2] == [[0, 0], [1, 1]]


def test_nothing_to_choose_from():
    assert in_long_tracks([], 0.25) == ([], 1.0)
    (mask,), share = in_long_tracks([(1, 2, np.empty((0, 2), np.uint32))], 0.25)
    assert mask.shape == (0,)
    assert share == 1


def test_what_three_images_see_counts():
    seen_by_all = [m for k in range(10) for m in track(1, 2, 3, keypoint=k)]
    pairs = as_pairs(seen_by_all + [m for k in range(10, 40) for m in track(1, 2, keypoint=k)])
    assert in_long_tracks(pairs, 0.0, fewest=4)[1] == 4 / 10
    assert in_long_tracks(pairs, 0.0, fewest=20)[1] == 1
    assert in_long_tracks(as_pairs(track(1, 2)), 1.0)[1] == 0


def test_of_pairs_weaker_than_others_of_both_images_fewer_are_left():
    strong = [m for a, b in ((1, 2), (3, 4)) for k in range(20) for m in track(a, b, keypoint=k)]
    weak = [m for k in range(20, 32) for m in track(2, 3, keypoint=k)]
    pairs = as_pairs(strong + weak)

    def numbers(**given):
        return [int(mask.sum()) for mask in in_long_tracks(pairs, 0.0, **given)[0]]

    assert numbers(fewest=8, fewest_of_weak=2, strongest=1) == [8, 8, 2]
    assert numbers(fewest=8, fewest_of_weak=2, strongest=2) == [8, 8, 8]
    # The only pair of an image is among its strongest, however weak it is for the other one.
    alone = as_pairs(strong + [m for k in range(20, 32) for m in track(2, 5, keypoint=k)])
    kept, _ = in_long_tracks(alone, 0.0, 8, 2, 1)
    assert [int(mask.sum()) for mask in kept] == [8, 8, 8]


def test_a_pair_of_short_tracks_alone_still_holds_two_halves_together():
    halves = [track(*images, keypoint=k) for images in ((1, 2, 3), (4, 5, 6)) for k in range(9)]
    pairs = as_pairs([*chain.from_iterable(halves), (3, 4, 20, 20), (3, 4, 21, 21)])
    assert left(pairs, 2)[3, 4] == [[20, 20], [21, 21]]
    assert len(left(pairs, 2)[1, 2]) == 2


@st.composite
def matched_images(draw):
    number = st.integers(0, 12)
    pairs = []
    for a in range(4):
        for b in range(a + 1, 4):
            matches = draw(st.lists(st.tuples(number, number), unique_by=(lambda m: m[0], lambda m: m[1])))
            pairs.append((a, b, np.array(matches, np.uint32).reshape(-1, 2)))
    return pairs


@given(matched_images(), st.integers(0, 6), st.floats(0, 1))
def test_pairs_keep_enough_and_tracks_stay_whole(pairs, fewest, share):
    kept, left = in_long_tracks(pairs, share, fewest)
    assert 0 <= left <= 1
    of_keypoint = {}
    for (a, b, matches), mask in zip(pairs, kept, strict=True):
        assert len(mask) == len(matches)
        assert mask.sum() >= max(share * len(matches), min(fewest, len(matches)))
        for (i, j), chosen in zip(matches.tolist(), mask, strict=True):
            of_keypoint.setdefault((a, i), set()).add(bool(chosen))
            of_keypoint.setdefault((b, j), set()).add(bool(chosen))
    # All matches of a keypoint are of one track.
    assert all(len(choices) == 1 for choices in of_keypoint.values())


def test_what_the_database_holds_is_copied_and_thinned(tmp_path):
    write_database(tmp_path / "whole.db", along_a_wall(NAMES, points=1500))
    for name in ("thin.db", "thin.db-journal"):
        (tmp_path / name).write_bytes(b"left by a run that was killed")
    before = (tmp_path / "whole.db").read_bytes()
    share = thin_out(tmp_path / "whole.db", tmp_path / "thin.db", 0.2)
    assert (tmp_path / "whole.db").read_bytes() == before
    of_pairs = {}
    for name in ("whole", "thin"):
        with pycolmap.Database.open(tmp_path / f"{name}.db") as database:
            ids, geometries = database.read_two_view_geometries()
            of_pairs[name] = dict(zip(ids, geometries, strict=True))
    assert of_pairs["thin"].keys() == of_pairs["whole"].keys()
    for pair, whole in of_pairs["whole"].items():
        few = {tuple(match) for match in of_pairs["thin"][pair].inlier_matches.tolist()}
        assert few <= {tuple(match) for match in whole.inlier_matches.tolist()}
        assert len(few) >= max(0.2 * len(whole.inlier_matches), min(FEWEST, len(whole.inlier_matches)))
        assert of_pairs["thin"][pair].config == whole.config
    total = {name: sum(len(pair.inlier_matches) for pair in of_pairs[name].values()) for name in of_pairs}
    assert total["thin"] < 0.5 * total["whole"]
    assert 0.1 < share < 0.5


def test_all_matches_become_points_afterwards(tmp_path):
    truth = along_a_wall(NAMES, points=1500)
    write_database(tmp_path / "whole.db", truth)
    thin_out(tmp_path / "whole.db", tmp_path / "thin.db", 0.2)
    settings = MapperSettings(threads=1)
    (of_all,) = run_mapper(tmp_path / "whole.db", tmp_path / "scratch", settings, 0, Steps())
    (few,) = run_mapper(tmp_path / "thin.db", tmp_path / "scratch", settings, 0, Steps())
    assert few.num_points3D() < 0.5 * of_all.num_points3D()
    poses = from_reconstruction(few).poses
    whole = complete(few, read_database(tmp_path / "whole.db"), settings, 0, Steps())
    assert whole.num_points3D() > 0.98 * of_all.num_points3D()
    assert whole.compute_num_observations() > 0.98 * of_all.compute_num_observations()
    assert_map_is(whole, truth, 0.03)
    for name, pose in from_reconstruction(whole).poses.items():
        np.testing.assert_array_equal(pose.translation, poses[name].translation)


def test_images_that_see_more_of_the_whole_are_added(tmp_path):
    truth = along_a_wall(NAMES, points=1500)
    write_database(tmp_path / "whole.db", truth)
    thin_out(tmp_path / "whole.db", tmp_path / "thin.db", 0.2)
    with closing(sqlite3.connect(tmp_path / "thin.db")) as rows, rows:
        (last,) = rows.execute("SELECT image_id FROM images WHERE name = ?", (NAMES[-1],)).fetchone()
        for (pair_id,) in rows.execute("SELECT pair_id FROM two_view_geometries").fetchall():
            if last in pycolmap.pair_id_to_image_pair(pair_id):
                rows.execute("DELETE FROM two_view_geometries WHERE pair_id = ?", (pair_id,))
    settings, step = MapperSettings(threads=1), Steps()
    (few,) = run_mapper(tmp_path / "thin.db", tmp_path / "scratch", settings, 0, step)
    assert few.num_reg_images() == step.done == len(NAMES) - 1
    whole = complete(few, read_database(tmp_path / "whole.db"), settings, 0, step)
    assert step.done == len(NAMES)
    assert_map_is(whole, truth, 0.03)


def test_a_full_disk_is_told(tmp_path, disk):
    write_database(tmp_path / "whole.db", along_a_wall(NAMES))
    with pytest.raises((WorkError, sqlite3.Error)):
        thin_out(tmp_path / "whole.db", disk(20) / "thin.db", 0.2)
