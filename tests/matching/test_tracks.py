"""Matches are chained into tracks; a track that contradicts itself counts as seen by no image."""

import numpy as np

from sfm.matching.tracks import chain_matches


def test_images_that_see_a_track_are_counted():
    pairs = np.array([[0, 1], [1, 2]])
    tracks, images = chain_matches([3, 3, 3], pairs, [np.array([[0, 1], [2, 2]]), np.array([[1, 0]])])
    assert tracks[0][0] == tracks[1][1] == tracks[2][0]
    assert images[tracks[0][0]] == 3
    assert images[tracks[0][2]] == 2
    # Keypoints without matches are tracks of their own.
    alone = [tracks[0][1], tracks[1][0], tracks[2][1], tracks[2][2]]
    assert len(set(alone)) == 4
    assert (images[alone] == 1).all()
    assert len(images) == 6


def test_two_keypoints_in_one_image_contradict_each_other():
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    matches = [np.array([[0, 0]]), np.array([[0, 0]]), np.array([[1, 0]])]
    tracks, images = chain_matches([2, 1, 1], pairs, matches)
    assert images[tracks[0]].tolist() == [0, 0]


def test_matches_of_any_integers():
    (first, second), images = chain_matches([1, 1], np.array([[0, 1]]), [np.array([[0, 0]], np.uint32)])
    assert first.tolist() == second.tolist() == [0]
    assert images.tolist() == [2]


def test_nothing_to_chain():
    tracks, images = chain_matches([2, 0, 1], np.empty((0, 2), np.int64), [])
    assert [len(track) for track in tracks] == [2, 0, 1]
    assert images.tolist() == [1, 1, 1]
