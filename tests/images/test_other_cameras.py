"""Photographs change cameras as a map tells, and nothing else of them changes."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm.images.cameras import CameraOptions, assign_cameras
from sfm.images.exif import Exif
from sfm.images.other_cameras import one_per_photograph, one_per_zoom, without_exif
from sfm.images.photo_set import Photo, PhotoSet

PHONE = Exif(make="Apple", model="iPhone 4S", focal_35mm=600)


def assign(names, exif=None):
    photos = tuple(Photo(name, Path(name), 640, 480, exif or Exif()) for name in names)
    return assign_cameras(PhotoSet(Path(), photos), CameraOptions())


def test_focal_lengths_of_exif_become_guesses():
    told = assign("ab", PHONE)
    guessed = without_exif(told)
    assert guessed.camera_of == told.camera_of
    assert guessed.cameras[1].focal_px == pytest.approx(768)
    assert not guessed.cameras[1].focal_is_known
    assert without_exif(guessed) is None


def test_given_intrinsics_are_not_guessed():
    told = assign("ab", PHONE)
    fixed = replace(told, cameras={1: replace(told.cameras[1], fixed=True)})
    assert without_exif(fixed) is None


@given(st.lists(st.sampled_from([500.0, 700.0, 1000.0]), min_size=1, max_size=9), st.integers(0, 2**16))
def test_photographs_of_one_zoom_share_a_camera_again(zooms, seed):
    names = [f"{i}.jpg" for i in range(len(zooms) + 1)]
    parted = one_per_photograph(replace(assign(names), zoom_assumed=frozenset({1})))
    assert len(set(parted.camera_of.values())) == len(names)
    # Focal lengths scatter, and the last photograph is not in the map.
    found = {
        parted.camera_of[name]: f * (1 + 0.004 * ((seed >> i) % 3))
        for i, (name, f) in enumerate(zip(names, zooms, strict=False))
    }
    merged = one_per_zoom(parted, found)
    assert merged.zoom_assumed == frozenset()
    assert set(merged.cameras) == set(merged.camera_of.values())
    assert len(merged.cameras) == len(set(zooms)) + 1
    for name, other in zip(names, zooms, strict=False):
        same = [n for n, f in zip(names, zooms, strict=False) if f == other]
        assert {merged.camera_of[n] for n in same} == {merged.camera_of[name]}


def test_photographs_whose_zoom_is_known_keep_their_camera():
    photos = [Photo(n, Path(n), 640, 480, Exif() if n > "b" else PHONE) for n in "abcd"]
    both = assign_cameras(PhotoSet(Path(), tuple(photos)), CameraOptions())
    parted = one_per_photograph(both)
    assert parted.camera_of["a"] == parted.camera_of["b"] == both.camera_of["a"]
    assert len(set(parted.camera_of.values())) == 3
    merged = one_per_zoom(parted, dict.fromkeys(parted.cameras, 500.0))
    assert len(set(merged.camera_of.values())) == 2
