import numpy as np
import pytest

from sfm.errors import InputError
from sfm.evaluation.trajectory import read_trajectory, read_tum
from sfm.mapping.colmap_io import write_map
from tests.evaluation.test_poses import map_of, random_path

NAMES = ["a b/ü 1.jpg", "a b/ü 2.jpg", "c.jpg"]
LINES = ["1 2 3 0 0 0 1", "4 5 6 0 0 0.7071067811865476 0.7071067811865476", "7 8 9 1 0 0 0"]


def tum(tmp_path, lines):
    path = tmp_path / "path.tum"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def centers(trajectory):
    return {name: tuple(np.round(pose.center, 9)) for name, pose in trajectory.poses.items()}


EXPECTED = dict(zip(NAMES, [(1, 2, 3), (4, 5, 6), (7, 8, 9)], strict=True))


def test_tum_poses_are_world_from_cam(tmp_path):
    poses = read_tum(tum(tmp_path, [f"{i} {line}" for i, line in enumerate(LINES)]), NAMES).poses
    # A quarter turn about z takes the camera's x axis to the world's y axis.
    np.testing.assert_allclose(poses[NAMES[1]].rotation.T @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(poses[NAMES[1]].center, [4, 5, 6], atol=1e-12)


def test_names_in_comments_win(tmp_path):
    lines = ["# timestamp tx ty tz qx qy qz qw"]
    for i in (2, 0, 1):
        lines += [f"# image: {NAMES[i]}", f"{i * 0.1} {LINES[i]}"]
    assert centers(read_tum(tum(tmp_path, lines))) == EXPECTED


def test_a_line_with_a_comment_needs_no_time_and_takes_no_other_s_name(tmp_path):
    clock = 1305031102.1
    path = tum(
        tmp_path,
        [f"{clock} {LINES[0]}", f"# image: {NAMES[1]}", f"{clock} {LINES[1]}", f"{clock} {LINES[2]}"],
    )
    assert centers(read_tum(path, NAMES)) == EXPECTED
    taken_at = {NAMES[0]: 10.0, NAMES[1]: 10.0, NAMES[2]: 30.0}
    path = tum(tmp_path, [f"# image: {NAMES[0]}", f"99 {LINES[0]}", f"30 {LINES[2]}", f"10 {LINES[1]}"])
    assert centers(read_tum(path, NAMES, taken_at)) == EXPECTED
    path = tum(tmp_path, [f"# image: {NAMES[0]}", f"0 {LINES[0]}", f"2 {LINES[2]}"])
    assert centers(read_tum(path, NAMES)) == {n: EXPECTED[n] for n in (NAMES[0], NAMES[2])}


def test_capture_times_are_matched_in_any_order(tmp_path):
    times = {NAMES[0]: 1700000000.25, NAMES[1]: 1700000001.5, NAMES[2]: 1700000003.0}
    lines = [f"{times[NAMES[i]] + 0.004:.4f} {LINES[i]}" for i in (1, 2, 0)]
    assert centers(read_tum(tum(tmp_path, lines), NAMES, times)) == EXPECTED


def test_frame_numbers_count_all_images_of_the_set(tmp_path):
    path = tum(tmp_path, [f"0 {LINES[0]}", f"2 {LINES[2]}"])
    assert centers(read_tum(path, NAMES)) == {n: EXPECTED[n] for n in (NAMES[0], NAMES[2])}


def test_a_foreign_clock_goes_by_order(tmp_path):
    path = tum(tmp_path, [f"{1305031102.1 + i} {line}" for i, line in enumerate(LINES)])
    found = read_tum(path, NAMES)
    assert centers(found) == EXPECTED
    assert "in the order of the images' names" in found.note


def test_the_order_of_names_counts_their_numbers(tmp_path):
    path = tum(tmp_path, [f"{1305031102.1 + i} {line}" for i, line in enumerate(LINES)])
    found = read_tum(path, ["IMG_10.jpg", "IMG_8.jpg", "IMG_9.jpg"])
    assert centers(found) == dict(
        zip(["IMG_8.jpg", "IMG_9.jpg", "IMG_10.jpg"], EXPECTED.values(), strict=True)
    )


def test_a_foreign_clock_out_of_order_is_refused(tmp_path):
    path = tum(tmp_path, [f"{1305031102.1 + i} {LINES[i]}" for i in (2, 0, 1)])
    with pytest.raises(InputError, match="not in their order"):
        read_tum(path, NAMES)
    with pytest.raises(InputError, match="not in their order"):
        read_tum(path, NAMES, dict.fromkeys(NAMES, 5.0))


def test_a_foreign_clock_is_matched_by_the_time_between_poses(tmp_path):
    times = {NAMES[0]: 30.0, NAMES[1]: 10.0, NAMES[2]: 24.0}
    order = sorted(range(3), key=lambda i: times[NAMES[i]])
    path = tum(tmp_path, [f"{1305031102.1 + times[NAMES[i]]} {LINES[i]}" for i in order])
    found = read_tum(path, NAMES, times)
    assert centers(found) == EXPECTED
    assert "time between them" in found.note
    path = tum(tmp_path, [f"{1305031102.1 + 7 * i} {line}" for i, line in enumerate(LINES)])
    with pytest.raises(InputError, match="other times pass"):
        read_tum(path, NAMES, times)


def test_poses_of_unknown_images_are_refused_naming_both_sides(tmp_path):
    path = tum(tmp_path, [f"{1305031102.1 + i} {LINES[0]}" for i in range(5)])
    with pytest.raises(
        InputError,
        match=r"it has 5 poses without a name at 1305031102.100.*has 3 images, taken at 1.000 to 9.000",
    ):
        read_tum(path, NAMES, {NAMES[0]: 1.0, NAMES[1]: 9.0})


@pytest.mark.parametrize(
    "line",
    [
        "1 2 3",
        "0 1 2 3 0 0 0 0",
        "0 1 2 nan 0 0 0 1",
        "0 1 2 3 0 0 0 one",
        "0 1_0 2 3 0 0 0 1",
        "0 1 2 3 0 0 0 1 9",
    ],
)
def test_a_line_that_is_no_pose_is_named(tmp_path, line):
    path = tum(tmp_path, [f"0 {LINES[0]}", line])
    with pytest.raises(InputError, match="line 2: expected"):
        read_tum(path, NAMES)


def test_two_poses_for_an_image_are_refused(tmp_path):
    path = tum(tmp_path, [f"1 {LINES[0]}", f"1 {LINES[1]}"])
    with pytest.raises(InputError, match="two poses"):
        read_tum(path, NAMES)


def test_files_without_poses(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_trajectory(tmp_path / "none")
    with pytest.raises(InputError, match="no COLMAP model"):
        read_trajectory(tmp_path)
    with pytest.raises(InputError, match="no pose"):
        read_trajectory(tum(tmp_path, ["# nothing"]))
    (tmp_path / "picture.tum").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InputError, match="Cannot read"):
        read_trajectory(tmp_path / "picture.tum")


@pytest.mark.parametrize("text", [False, True])
def test_colmap_models(tmp_path, text):
    poses = {f"day 1/ä {name}": pose for name, pose in random_path(4).items()}
    write_map(map_of(poses), tmp_path, text=text)
    trajectory = read_trajectory(tmp_path)
    assert list(trajectory.poses) == sorted(poses)
    for name, pose in poses.items():
        np.testing.assert_allclose(trajectory.poses[name].center, pose.center, atol=1e-9)
        np.testing.assert_allclose(trajectory.poses[name].rotation, pose.rotation, atol=1e-12)
