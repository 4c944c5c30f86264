"""Cameras are revised where the map asks for it, once, and another run begins with what was found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sfm.images.cameras import CameraOptions, assign_cameras
from sfm.images.exif import Exif
from sfm.images.photo_set import Photo, PhotoSet
from sfm.mapping.sparse_map import MapImage
from sfm.pipelines import revised_cameras
from sfm.pipelines.mapping import MappingResult
from sfm.pipelines.revised_cameras import keep_revision, revise_by_map, revise_without_map, revised_before
from sfm.workspace import Workspace
from tests.mapping.maps import make_map

from .progress import Heard

NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")


def assigned(exif=None):
    photos = tuple(Photo(name, Path(name), 640, 480, exif or Exif()) for name in NAMES)
    return assign_cameras(PhotoSet(Path(), photos), CameraOptions())


def result(cameras, focals=None):
    """A finished map by these cameras, with other focal lengths."""
    sparse_map = make_map(NAMES, points=20)
    taken = {}
    for i, image in sparse_map.images.items():
        taken[i] = MapImage(image.name, cameras.camera_of[image.name], image.cam_from_world)
    own = {
        i: replace(c, params=((focals or {}).get(i, 500.0), *c.params[1:]))
        for i, c in cameras.cameras.items()
    }
    return MappingResult((replace(sparse_map, cameras=own, images=taken),), {}, "", {}, "d", False)


@pytest.fixture
def zoomed(monkeypatch):
    monkeypatch.setattr(revised_cameras, "images_of_another_zoom", lambda *_: ["c.jpg", "d.jpg"])


def test_nothing_is_revised_where_the_map_agrees(monkeypatch):
    monkeypatch.setattr(revised_cameras, "images_of_another_zoom", lambda *_: [])
    assert revise_by_map(assigned(), result(assigned())) is None


def test_zoomed_photographs_get_cameras_of_their_own_and_then_one_a_zoom(zoomed):
    first = assigned()
    parted = revise_by_map(first, result(first))
    assert "c.jpg, d.jpg" in parted.reason
    assert len(set(parted.cameras.camera_of.values())) == 4
    of = parted.cameras.camera_of
    focals = {of["a.jpg"]: 500.0, of["b.jpg"]: 503.0, of["c.jpg"]: 1000.0, of["d.jpg"]: 1004.0}
    merged = revise_by_map(parted.cameras, result(parted.cameras, focals))
    of = merged.cameras.camera_of
    assert of["a.jpg"] == of["b.jpg"] != of["c.jpg"] == of["d.jpg"]
    assert revise_by_map(merged.cameras, result(merged.cameras)) is None


def test_photographs_whose_exif_tells_the_zoom_are_not_asked(zoomed):
    told = assigned(Exif(model="Phone", focal_35mm=28))
    assert revise_by_map(told, result(told)) is None


def test_without_a_map_exif_is_given_up_once():
    told = assigned(Exif(model="Phone", focal_35mm=600))
    revision = revise_without_map(told)
    assert not revision.cameras.cameras[1].focal_is_known
    assert revise_without_map(revision.cameras) is None


class TestKept:
    def test_another_run_begins_with_them(self, tmp_path, zoomed):
        workspace, first, heard = Workspace(tmp_path / "out"), assigned(), Heard()
        revision = revise_by_map(first, result(first))
        keep_revision(workspace, first, revision)
        again = revised_before(workspace, first, heard)
        assert again.cameras == revision.cameras.cameras
        assert again.camera_of == revision.cameras.camera_of
        assert again.zoom_assumed == revision.cameras.zoom_assumed
        assert revision.reason in heard.warned[0]

    def test_not_with_those_of_other_photographs(self, tmp_path, zoomed):
        workspace, first = Workspace(tmp_path / "out"), assigned()
        keep_revision(workspace, first, revise_by_map(first, result(first)))
        other = assigned(Exif(model="Phone", focal_35mm=28))
        assert revised_before(workspace, other, Heard()) == other

    @pytest.mark.parametrize("damage", ["cut", "camera", "missing"])
    def test_nor_with_damaged_ones(self, tmp_path, zoomed, damage):
        workspace, first = Workspace(tmp_path / "out"), assigned()
        keep_revision(workspace, first, revise_by_map(first, result(first)))
        path = workspace.revised_cameras
        if damage == "cut":
            path.write_text(path.read_text()[:-9])
        elif damage == "camera":
            record = json.loads(path.read_text())
            next(iter(record["cameras"].values()))["params"] = "0"
            path.write_text(json.dumps(record))
        else:
            path.unlink()
        assert revised_before(workspace, first, Heard()) == first
