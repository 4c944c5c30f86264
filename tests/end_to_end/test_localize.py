"""Photographs found in a finished map of the street, and maps brought into frames of the world."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfm.evaluation.poses import evaluate_poses
from sfm.evaluation.trajectory import read_trajectory, read_tum
from sfm.files import read_tensors
from sfm.geometry.geodesy import enu_to_geodetic
from sfm.geometry.pose import Pose
from sfm.localization.index import INDEX_NAME
from sfm.mapping.colmap_io import read_map

from .command import files_of, refuses, sfm, succeeds
from .conftest import DESCRIPTOR, VIEWS, once

ORIGIN = (55.7, 13.19, 40.0)
MAPPED = [0, 1, 2, 4, 5, 6, 8]
QUERIES = [3, 7]


def name_of(view):
    return f"street_{view:03d}.jpg"


@pytest.fixture(scope="session")
def mapped(shared, street) -> Path:
    """A map of seven of the street's nine photographs; copy it before you change it."""

    def make(folder):
        images = folder / "images"
        images.mkdir()
        for view in MAPPED:
            shutil.copy(street.images / name_of(view), images)
        succeeds("reconstruct", images, "-o", folder / "out", "--seed", 1)

    return once(shared / "mapped", make) / "out"


@pytest.fixture
def a_copy(mapped, tmp_path):
    """A copy of the map without the photographs it was made of, and without its features."""
    out = shutil.copytree(
        mapped, tmp_path / "map", ignore=shutil.ignore_patterns("features", "database.db", "localized")
    )
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(record | {"images": str(tmp_path / "gone")}))
    return out


@pytest.fixture
def queries(street, tmp_path):
    folder = tmp_path / "queries"
    folder.mkdir()
    for view in QUERIES:
        shutil.copy(street.images / name_of(view), folder)
    return folder


def read(folder):
    document = json.loads((folder / "localization.json").read_text(encoding="utf-8"))
    return {query["name"]: query for query in document["queries"]}


def position_errors(sparse_map, poses, street):
    """Distances of found poses from the truth in metres, by the map's alignment with the truth."""
    truth = read_trajectory(street.ground_truth)
    sim3 = evaluate_poses(sparse_map.poses, truth).truth_from_map
    return {
        name: np.linalg.norm(sim3.apply(pose.center) - truth.poses[name].center)
        for name, pose in poses.items()
    }


def test_photographs_are_found_where_they_were_taken(a_copy, queries, street, tmp_path):
    """Neither the map's photographs nor its features are there any more."""
    done = succeeds("localize", a_copy, queries, "-o", tmp_path / "found", "--json")
    answer = json.loads(done.stdout)
    assert answer["localized"] == len(QUERIES)
    assert "2 of 2 photographs are in the map" in done.stderr
    found = read_tum(tmp_path / "found" / "trajectory.tum").poses
    assert sorted(found) == [name_of(view) for view in QUERIES]
    errors = position_errors(read_map(a_copy / "sparse" / "0"), found, street)
    assert max(errors.values()) < 0.15, errors
    for name, query in read(tmp_path / "found").items():
        assert query["confidence"] > 0.999
        assert query["inliers"] >= 20
        assert 0 < query["sigma_position"] < 0.5
        assert query["camera"]["source"] == "as in the map, by EXIF"
        assert query["place"] is None
        with Image.open(tmp_path / "found" / "matches" / f"{name}.jpg") as picture:
            assert picture.width > 700
    assert not (tmp_path / "found" / "path.geojson").exists()


def test_people_get_a_table(a_copy, queries):
    done = succeeds("localize", a_copy, queries / name_of(3), queries / name_of(7), "--no-pictures")
    assert name_of(3) in done.stdout
    assert "1e-" in done.stdout
    assert (a_copy / "localized" / "localization.json").is_file()
    assert not (a_copy / "localized" / "matches").exists()


def test_from_python(a_copy, queries):
    from sfm import Localizer

    localizer = Localizer(a_copy)
    by_path = localizer.localize(queries / name_of(3))
    assert by_path.localized
    with Image.open(queries / name_of(3)) as image:
        by_pixels = localizer.localize(np.asarray(image.convert("RGB")))
    # Pixels have no EXIF: the focal length is then estimated, or the one camera of that size is tried.
    assert by_pixels.localized
    assert np.linalg.norm(by_pixels.cam_from_world.center - by_path.cam_from_world.center) < 0.1


def test_a_photograph_that_is_not_in_the_map_is_refused(a_copy, tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (300, 400, 3)).astype(np.uint8)).resize((800, 600)).save(
        tmp_path / "x.png"
    )
    done = succeeds("localize", a_copy, tmp_path / "x.png", "-o", tmp_path / "found")
    assert "x.png: not localised: " in done.stdout
    assert read(tmp_path / "found")["x.png"]["cam_from_world"] is None
    assert not (tmp_path / "found" / "matches").exists()


def test_an_older_map_gets_what_it_lacks_from_its_features(mapped, queries, tmp_path):
    out = shutil.copytree(mapped, tmp_path / "map", ignore=shutil.ignore_patterns("localized"))
    before, recipe = read_tensors(out / INDEX_NAME)
    (out / INDEX_NAME).unlink()
    done = succeeds("localize", out, queries / name_of(3), "--no-pictures")
    assert "Gathering the descriptors of the map" in done.stderr
    after, its_recipe = read_tensors(out / INDEX_NAME)
    assert its_recipe == recipe
    assert all(np.array_equal(after[key], before[key]) for key in {*before, *after})
    assert "Gathering" not in succeeds("localize", out, queries / name_of(3), "--no-pictures").stderr


# -- bad input -----------------------------------------------------------------------------------------------


def test_nothing_to_look_for(a_copy, tmp_path):
    done = sfm("localize", a_copy)
    assert done.returncode == 2
    assert "QUERY" in done.stderr
    (tmp_path / "empty").mkdir()
    assert "There are no images in" in refuses("localize", a_copy, tmp_path / "empty")
    (tmp_path / "list.txt").write_text("# nothing\n")
    assert "names no image" in refuses("localize", a_copy, tmp_path / "list.txt")
    assert not (a_copy / "localized").exists()


def test_a_map_without_descriptors(a_copy, queries):
    (a_copy / INDEX_NAME).unlink()
    line = refuses("localize", a_copy, queries)
    assert "has no descriptors to localise with" in line
    assert str(a_copy) in line
    assert "does not exist" in refuses("localize", a_copy / "nowhere", queries)


def test_a_map_of_another_descriptor(a_copy, queries, tmp_path):
    line = refuses("localize", a_copy, queries, "--descriptor", "triplet")
    assert f"This map was made with {DESCRIPTOR}, not triplet" in line
    (tmp_path / "w.pth").write_bytes(b"x")
    assert "w.pth" in refuses("localize", a_copy, queries, "--weights", tmp_path / "w.pth")


def test_an_index_of_another_map(a_copy, queries):
    tum = files_of(a_copy)
    sparse_map = read_map(a_copy / "sparse" / "0")
    from dataclasses import replace

    from sfm.mapping.colmap_io import write_map

    keep = sparse_map.point_ids[:-1]
    images = {
        i: replace(image, point_ids=np.where(np.isin(image.point_ids, keep), image.point_ids, -1))
        for i, image in sparse_map.images.items()
    }
    fewer = replace(
        sparse_map,
        images=images,
        point_ids=keep,
        xyz=sparse_map.xyz[:-1],
        rgb=sparse_map.rgb[:-1],
        error_px=sparse_map.error_px[:-1],
        track_length=sparse_map.track_length[:-1],
    )
    write_map(fewer, a_copy / "sparse" / "0")
    assert "belongs to another map" in refuses("localize", a_copy, queries)
    assert files_of(a_copy).keys() == tum.keys()


def test_a_truncated_query_among_good_ones(a_copy, queries, tmp_path):
    whole = (queries / name_of(3)).read_bytes()
    (queries / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (queries / "text.jpg").write_text("not a picture")
    done = succeeds("localize", a_copy, queries, "-o", tmp_path / "found", "--no-pictures")
    assert "2 of 4 photographs are in the map" in done.stderr
    assert "Warning: cut.jpg is left out: the file is truncated, copy it again." in done.stderr, "named once"
    found = read(tmp_path / "found")
    assert "truncated" in found["cut.jpg"]["refusal"]
    assert "it is no image" in found["text.jpg"]["refusal"]
    each = sorted(path for path in queries.iterdir())
    again = succeeds("localize", a_copy, *each, "-o", tmp_path / "again", "--no-pictures")
    assert "2 of 4 photographs are in the map" in again.stderr
    assert "text.jpg" in refuses("localize", a_copy, queries / "text.jpg")


@pytest.mark.slow
def test_a_query_of_a_hundred_megapixels(a_copy, queries, tmp_path):
    with Image.open(queries / name_of(3)) as image:
        image.resize((11600, 8700), Image.Resampling.BICUBIC).save(tmp_path / "huge.jpg", quality=80)
    done = succeeds("localize", a_copy, tmp_path / "huge.jpg", queries / name_of(3), "-o", tmp_path / "found")
    assert "2 of 2 photographs are in the map" in done.stderr
    found = read(tmp_path / "found")
    huge, small = (np.array(found[name]["center"]) for name in ("huge.jpg", name_of(3)))
    assert np.linalg.norm(huge - small) < 0.2


def test_intrinsics_of_another_size(a_copy, queries, tmp_path):
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 1000 700 900 900 500 350\n")
    assert "400 x 300" in refuses("localize", a_copy, queries, "--intrinsics", tmp_path / "cameras.txt")


def test_an_output_among_the_queries(a_copy, queries):
    assert "lies within the images" in refuses("localize", a_copy, queries, "-o", queries / "found")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_permission(a_copy, queries, tmp_path):
    tmp_path.chmod(0o500)
    assert "Cannot write" in refuses("localize", a_copy, queries, "-o", tmp_path / "found")


# -- alignment -----------------------------------------------------------------------------------------------


def positions_csv(path, street, values, header):
    truth = read_trajectory(street.ground_truth).poses
    rows = [f"{name},{','.join(map(repr, values(pose)))}" for name, pose in sorted(truth.items())]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_aligned_to_positions_on_earth(a_copy, street, queries, tmp_path):
    """Latitudes in, latitudes and headings out, for a photograph that was not mapped."""

    def geodetic(pose):
        return [float(x) for x in enu_to_geodetic(pose.center, np.array(ORIGIN))]

    table = positions_csv(tmp_path / "p.csv", street, geodetic, "name,latitude,longitude,altitude")
    done = succeeds("align", a_copy, "--to", "csv", "--reference", table, "--json")
    answer = json.loads(done.stdout)
    assert answer["rms"] < 0.3
    assert answer["positions"] == len(MAPPED)
    assert answer["frame"]["unit"] == "m"
    succeeds("localize", a_copy, queries, "-o", tmp_path / "found", "--no-pictures")
    truth = read_trajectory(street.ground_truth).poses
    for name, query in read(tmp_path / "found").items():
        latitude, longitude, _ = geodetic(truth[name])
        east, north, _ = truth[name].rotation[2]
        heading = np.degrees(np.arctan2(east, north)) % 360
        # 5e-6 degrees are half a metre.
        assert query["place"]["latitude_deg"] == pytest.approx(latitude, abs=5e-6)
        assert query["place"]["longitude_deg"] == pytest.approx(longitude, abs=1e-5)
        assert abs((query["place"]["heading_deg"] - heading + 180) % 360 - 180) < 4
    features = json.loads((tmp_path / "found" / "path.geojson").read_text())["features"]
    assert [f["geometry"]["type"] for f in features] == ["LineString", "Point", "Point"]
    (exported,) = succeeds("export", a_copy, "--format", "geojson").stdout.split()
    assert len(json.loads(Path(exported).read_text())["features"]) == len(MAPPED) + 1


def test_aligned_to_metres_and_everything_follows(a_copy, street, tmp_path):
    table = positions_csv(
        tmp_path / "p.csv", street, lambda pose: [float(x) for x in pose.center], "name,x,y,z"
    )
    told = succeeds("align", a_copy, "--to", "csv", "--reference", table, "--per-image")
    assert "residual rms" in told.stdout
    assert name_of(0) in told.stdout
    truth = read_trajectory(street.ground_truth).poses
    for poses in (read_map(a_copy / "sparse" / "0").poses, read_tum(a_copy / "trajectory.tum").poses):
        errors = [np.linalg.norm(pose.center - truth[name].center) for name, pose in poses.items()]
        assert max(errors) < 0.3
    assert not list((a_copy / "sparse").glob(".*"))


def test_the_vertical_alone(a_copy, street):
    succeeds("align", a_copy, "--to", "gravity")
    ups = [-pose.rotation[1] for pose in read_map(a_copy / "sparse" / "0").poses.values()]
    assert np.mean(ups, axis=0)[2] > 0.98


def test_aligned_to_another_map(a_copy, street):
    answer = json.loads(
        succeeds("align", a_copy, "--to", "model", "--reference", street.ground_truth, "--json").stdout
    )
    assert answer["rms"] < 0.2
    assert "is the map itself" in refuses("align", a_copy, "--to", "model", "--reference", a_copy)


def test_an_aligned_map_is_still_reused(mapped, tmp_path):
    out = shutil.copytree(mapped, tmp_path / "map")
    succeeds("align", out, "--to", "gravity")
    before = (out / "sparse" / "0" / "images.bin").read_bytes()
    told = succeeds("reconstruct", mapped.parent / "images", "-o", out, "--seed", 1).stderr
    assert "Reused: the map." in told
    assert f"Reused: {INDEX_NAME}." in told
    assert (out / "sparse" / "0" / "images.bin").read_bytes() == before


def test_no_gps_at_all(a_copy, mapped):
    before = (a_copy / "sparse" / "0" / "images.bin").read_bytes()
    line = refuses("align", a_copy, "--images", mapped.parent / "images")
    assert f"Only 0 of the map's {len(MAPPED)} images have a GPS position" in line
    assert "--to csv" in line
    assert "give their folder with --images" in refuses("align", a_copy)
    assert (a_copy / "sparse" / "0" / "images.bin").read_bytes() == before
    assert not (a_copy / "sparse" / "0" / "frame.json").exists()


def test_gps_outliers(mapped, tmp_path, street):
    """Two photographs carry positions a kilometre off; the others decide."""
    photos, out = tmp_path / "photos", shutil.copytree(mapped, tmp_path / "map")
    photos.mkdir()
    truth = read_trajectory(street.ground_truth).poses
    for i, view in enumerate(MAPPED):
        write_with_gps(
            mapped.parent / "images" / name_of(view), photos, truth[name_of(view)], 0.01 * (i in (1, 5))
        )
    answer = json.loads(succeeds("align", out, "--images", photos, "--json").stdout)
    assert answer["outliers"] == [name_of(MAPPED[1]), name_of(MAPPED[5])]
    assert answer["median"] < 0.5
    assert min(answer["images"][name] for name in answer["outliers"]) > 500


def write_with_gps(source: Path, folder: Path, pose: Pose, off_deg: float):
    latitude, longitude, altitude = enu_to_geodetic(pose.center, np.array(ORIGIN))
    with Image.open(source) as image:
        exif = image.getexif()
        gps = exif.get_ifd(0x8825)
        gps[1], gps[3] = "N", "E"
        for tag, value in ((2, latitude + off_deg), (4, longitude)):
            minutes = (value % 1) * 60
            gps[tag] = (float(int(value)), float(int(minutes)), round((minutes % 1) * 60, 6))
        gps[6] = float(altitude)
        image.save(folder / source.name, exif=exif, quality=95)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--to", "csv"), "--to csv needs the file or map to align to"),
        (("--to", "model"), "--to model needs the file or map to align to"),
        (("--to", "gravity", "--reference", "x"), "leave it out"),
        (("--to", "csv", "--reference", "nowhere.csv"), "Cannot read the positions"),
        (("--to", "model", "--reference", "nowhere"), "does not exist"),
    ],
)
def test_options_that_do_not_go_together(a_copy, options, told):
    assert told in refuses("align", a_copy, *options)


def test_every_view_is_accounted_for():
    assert sorted(MAPPED + QUERIES) == list(range(VIEWS))
