import hashlib
import math
import os
from dataclasses import replace

import pytest
from PIL import Image

from sfm.errors import InputError
from sfm.images.exif import Exif
from sfm.images.photo_set import (
    PhotoSet,
    Skipped,
    capture_order,
    every_nth,
    gps_positions,
    orientations_of,
    read_photo_set,
)
from sfm.progress import Silent
from tests.images.files import exif_bytes, picture, save, truncated


class Listener(Silent):
    def __init__(self):
        self.warnings = []

    def warn(self, message):
        self.warnings.append(message)


def test_folder_is_read_with_its_subfolders_in_the_order_of_names(tmp_path):
    names = ["b.JPG", "a b/ü 1.png", "a b/deep/x.tif", "c.jpeg", "c.webp", "c.bmp", "c.TIFF"]
    for name in names:
        save(tmp_path / name)
    photo_set = read_photo_set(tmp_path)
    assert photo_set.names == sorted(names)
    assert photo_set.skipped == ()
    for photo in photo_set.photos:
        assert photo.path == tmp_path / photo.name
        assert (photo.width, photo.height) == (64, 48)


@pytest.mark.parametrize("name", ["a.mpo", "a.JPS", "a.insp", "a.jfif", "a.jpe"])
def test_jpeg_by_another_name_is_read(tmp_path, name):
    first, second = Image.fromarray(picture()), Image.fromarray(picture(seed=1))
    first.save(tmp_path / name, format="MPO", save_all=True, append_images=[second])
    assert read_photo_set(tmp_path).names == [name]


@pytest.mark.parametrize("name", ["a.jxl", "a.JP2", "a.exr", "a.pef"])
def test_photograph_in_a_format_that_is_not_read_is_named(tmp_path, name):
    save(tmp_path / "good.png")
    (tmp_path / name).write_bytes(b"what it may hold")
    (skipped,) = read_photo_set(tmp_path).skipped
    assert skipped.name == name
    assert "is not supported" in skipped.reason


def test_two_files_with_one_stem_are_two_photographs(tmp_path):
    save(tmp_path / "a.jpg")
    save(tmp_path / "a.png")
    assert read_photo_set(tmp_path).names == ["a.jpg", "a.png"]


def test_hidden_and_foreign_files_are_ignored(tmp_path):
    save(tmp_path / "a.jpg")
    save(tmp_path / ".thumbnails/a.jpg")
    save(tmp_path / "._a.jpg", format="JPEG")
    (tmp_path / "notes.txt").write_text("no image")
    photo_set = read_photo_set(tmp_path)
    assert photo_set.names == ["a.jpg"]
    assert photo_set.skipped == ()


def test_content_hash_is_of_the_bytes(tmp_path):
    path = save(tmp_path / "a.jpg")
    assert read_photo_set(tmp_path).photos[0].content_hash == hashlib.sha256(path.read_bytes()).hexdigest()


def test_size_is_of_the_stored_grid_and_the_orientation_is_told(tmp_path):
    save(tmp_path / "sideways.jpg", exif=exif_bytes({0x0112: 6}))
    photo = read_photo_set(tmp_path).photos[0]
    assert (photo.width, photo.height, photo.exif.orientation) == (64, 48, 6)


def test_what_is_no_image_is_left_out_and_said(tmp_path):
    save(tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.png").write_bytes(b"")
    truncated(tmp_path / "header.jpg", 0.001)
    (tmp_path / "raw.CR2").write_bytes(b"II*\0")
    listener = Listener()
    photo_set = read_photo_set(tmp_path, listener)
    assert photo_set.names == ["good.jpg"]
    reasons = {item.name: item.reason for item in photo_set.skipped}
    assert list(reasons) == ["empty.png", "header.jpg", "raw.CR2", "text.jpg"]
    assert reasons["empty.png"] == "the file is empty"
    assert "no image" in reasons["text.jpg"]
    assert "CR2 is not supported" in reasons["raw.CR2"]
    assert listener.warnings == [f"{s.name} is left out: {s.reason}." for s in photo_set.skipped]


def test_truncated_body_passes_the_header_check(tmp_path):
    truncated(tmp_path / "cut.jpg", 0.7)
    assert read_photo_set(tmp_path).names == ["cut.jpg"]


def test_png_called_jpg_is_a_photograph(tmp_path):
    save(tmp_path / "a.jpg", format="PNG")
    assert read_photo_set(tmp_path).names == ["a.jpg"]


def test_pictures_beyond_a_gigapixel_are_refused_from_their_header(tmp_path):
    path = save(tmp_path / "vast.bmp")
    header = bytearray(path.read_bytes())
    header[18:26] = (40_000).to_bytes(4, "little") * 2
    path.write_bytes(header)
    save(tmp_path / "good.jpg")
    (item,) = read_photo_set(tmp_path).skipped
    assert item.name == "vast.bmp"
    assert "40000 x 40000 pixels are more than 1000 megapixels" in item.reason


def test_pictures_above_the_decompression_bomb_limit_are_accepted(tmp_path, recwarn):
    path = save(tmp_path / "large.bmp")
    header = bytearray(path.read_bytes())
    header[18:26] = (20_000).to_bytes(4, "little") * 2
    path.write_bytes(header)
    assert read_photo_set(tmp_path).photos[0].width == 20_000
    assert not recwarn.list


@pytest.mark.parametrize("width", [1, 2])
def test_one_pixel_picture_is_readable(tmp_path, width):
    save(tmp_path / "dot.png", picture()[:1, :width])
    assert read_photo_set(tmp_path).photos[0].width == width


def test_no_images_says_what_is_read(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match=r"There are no images in .*JPEG, PNG, TIFF, WebP and BMP"):
        read_photo_set(tmp_path)


def test_only_unreadable_images_says_why(tmp_path):
    for name in ("a.heic", "b.heic", "c.jpg"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.heic: HEIC is not supported, .* \(2 of 3\)"):
        read_photo_set(tmp_path)


def test_missing_source(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_photo_set(tmp_path / "nowhere")


def test_link_loops_end_and_linked_folders_count_once(tmp_path):
    save(tmp_path / "set/real/a.jpg")
    save(tmp_path / "elsewhere/b.jpg")
    (tmp_path / "set/again").symlink_to("real")
    (tmp_path / "set/real/loop").symlink_to(tmp_path / "set")
    (tmp_path / "set/other").symlink_to(tmp_path / "elsewhere")
    assert read_photo_set(tmp_path / "set").names == ["other/b.jpg", "real/a.jpg"]


def test_links_that_lead_nowhere_and_pipes_are_left_out(tmp_path):
    save(tmp_path / "a.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    reason = "it is a broken link, out of reach or no file"
    assert read_photo_set(tmp_path).skipped == tuple(
        Skipped(f"{name}.jpg", reason) for name in ("gone", "itself", "pipe")
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_and_folders_without_permission_are_left_out(tmp_path):
    save(tmp_path / "a.jpg")
    save(tmp_path / "b.jpg").chmod(0)
    save(tmp_path / "closed/c.jpg").parent.chmod(0)
    try:
        skipped = read_photo_set(tmp_path).skipped
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert [item.name for item in skipped] == ["b.jpg", "closed"]
    assert all("Permission denied" in item.reason for item in skipped)


def test_file_that_cannot_be_opened_is_left_out(tmp_path, monkeypatch):
    save(tmp_path / "a.jpg")
    save(tmp_path / "b.jpg")
    really_open = Image.open

    def refuse(path, **kwargs):
        if path.name == "b.jpg":
            raise PermissionError(13, "Permission denied")
        return really_open(path, **kwargs)

    monkeypatch.setattr(Image, "open", refuse)
    assert read_photo_set(tmp_path).skipped == (Skipped("b.jpg", "it cannot be read (Permission denied)"),)


def test_name_that_is_not_utf8_is_left_out(tmp_path):
    save(tmp_path / "a.jpg")
    bad = os.fsencode(tmp_path) + b"/\xff.jpg"
    with open(bad, "wb") as file:  # noqa: PTH123
        file.write((tmp_path / "a.jpg").read_bytes())
    reason = "its name is not UTF-8 or has a line break, rename it"
    assert read_photo_set(tmp_path).skipped == (Skipped("?.jpg", reason),)


def test_a_name_with_a_line_break_is_left_out_and_told_in_one_line(tmp_path):
    save(tmp_path / "a.jpg")
    for name in ("two\nlines.jpg", "two\u2028lines.png"):
        save(tmp_path / name)
    photos = read_photo_set(tmp_path)
    assert photos.names == ["a.jpg"]
    assert [item.name for item in photos.skipped] == ["two?lines.jpg", "two?lines.png"]


class TestList:
    def test_paths_are_relative_to_the_list(self, tmp_path):
        save(tmp_path / "images/b.jpg")
        save(tmp_path / "images/a 1.jpg")
        save(tmp_path / "images/unlisted.jpg")
        (tmp_path / "list.txt").write_text("# two\nimages/b.jpg\n\nimages/a 1.jpg\nimages/b.jpg\n")
        photo_set = read_photo_set(tmp_path / "list.txt")
        assert photo_set.names == ["images/a 1.jpg", "images/b.jpg"]
        assert photo_set.root == tmp_path

    def test_images_elsewhere_are_named_from_their_common_folder(self, tmp_path):
        save(tmp_path / "data/x/1.jpg")
        save(tmp_path / "data/y/1.jpg")
        (tmp_path / "lists").mkdir()
        (tmp_path / "lists/list.txt").write_text(f"../data/x/1.jpg\n{tmp_path / 'data/y/1.jpg'}\n")
        photo_set = read_photo_set(tmp_path / "lists/list.txt")
        assert photo_set.names == ["x/1.jpg", "y/1.jpg"]
        assert photo_set.root == tmp_path / "data"

    def test_missing_image_names_the_line(self, tmp_path):
        save(tmp_path / "a.jpg")
        (tmp_path / "list.txt").write_text("a.jpg\nb.jpg\n")
        with pytest.raises(InputError, match=r"list\.txt, line 2: there is no image b\.jpg"):
            read_photo_set(tmp_path / "list.txt")

    def test_empty_list(self, tmp_path):
        (tmp_path / "list.txt").write_text("\n")
        with pytest.raises(InputError, match="names no image"):
            read_photo_set(tmp_path / "list.txt")

    def test_binary_file_is_no_list(self, tmp_path):
        (tmp_path / "video.mp4").write_bytes(bytes(range(256)))
        with pytest.raises(InputError, match="neither an image nor a list"):
            read_photo_set(tmp_path / "video.mp4")


class TestSingleImage:
    def test_is_a_set_of_one(self, tmp_path):
        save(tmp_path / "a.jpg")
        save(tmp_path / "b.jpg")
        photo_set = read_photo_set(tmp_path / "a.jpg")
        assert (photo_set.root, photo_set.names) == (tmp_path, ["a.jpg"])

    def test_that_is_none_says_why(self, tmp_path):
        (tmp_path / "a.jpg").write_text("text")
        with pytest.raises(InputError, match="no image, or damaged"):
            read_photo_set(tmp_path / "a.jpg")


def test_every_nth_in_the_order_of_capture(tmp_path):
    for i in (1, 2, 3, 9, 10, 11, 12):
        save(tmp_path / f"IMG_{i}.png")
    photo_set = read_photo_set(tmp_path)
    taken = every_nth(photo_set, 3)
    assert capture_order(taken.photos) == ["IMG_1.png", "IMG_9.png", "IMG_12.png"]
    assert taken.names == sorted(taken.names)
    assert every_nth(photo_set, 1) == photo_set
    assert every_nth(photo_set, 100).names == ["IMG_1.png"]


def test_gps_positions_of_those_that_have_one(tmp_path):
    photo = read_photo_set(save(tmp_path / "a.png")).photos[0]
    located = replace(photo, name="b", exif=Exif(latitude_deg=55.7, longitude_deg=13.2, altitude_m=30.0))
    flat = replace(photo, name="c", exif=Exif(latitude_deg=55.7, longitude_deg=13.2))
    found = gps_positions([photo, located, flat])
    assert found["b"] == (55.7, 13.2, 30.0)
    assert found["c"][:2] == (55.7, 13.2)
    assert math.isnan(found["c"][2])
    assert list(found) == ["b", "c"]


def test_orientations_of_those_that_are_turned(tmp_path):
    photo = read_photo_set(save(tmp_path / "a.png")).photos[0]
    turned = replace(photo, name="b", exif=Exif(orientation=6))
    assert orientations_of(PhotoSet(tmp_path, (photo, turned))) == {"b": 6}
    assert orientations_of(None) == {}


class TestOneFileUnderSeveralNames:
    def test_counts_once_and_the_other_names_are_told(self, tmp_path):
        save(tmp_path / "b.png")
        (tmp_path / "a.png").symlink_to("b.png")
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub/c.png").hardlink_to(tmp_path / "b.png")
        photo_set = read_photo_set(tmp_path)
        assert photo_set.names == ["b.png"]
        assert [(s.name, s.reason) for s in photo_set.skipped] == [
            ("a.png", "it is the same file as b.png"),
            ("sub/c.png", "it is the same file as b.png"),
        ]

    def test_two_links_to_a_file_elsewhere_are_one_photograph(self, tmp_path):
        outside = save(tmp_path / "store/x.png")
        (tmp_path / "set").mkdir()
        for name in ("1.png", "2.png"):
            (tmp_path / "set" / name).symlink_to(outside)
        assert read_photo_set(tmp_path / "set").names == ["1.png"]

    def test_in_a_list_too(self, tmp_path):
        save(tmp_path / "#b.png")
        (tmp_path / "a.png").symlink_to("#b.png")
        (tmp_path / "list.txt").write_text("# the same twice\na.png\n#b.png\n")
        assert read_photo_set(tmp_path / "list.txt").names == ["#b.png"]

    def test_equal_copies_are_two(self, tmp_path):
        save(tmp_path / "a.png")
        save(tmp_path / "b.png")
        assert read_photo_set(tmp_path).names == ["a.png", "b.png"]


@pytest.mark.parametrize("name", ["x" * 240 + ".jpg", "ü" * 120 + ".tiff", "d" * 250 + "/a.png"])
def test_name_too_long_for_its_features_is_left_out_and_said(tmp_path, name):
    save(tmp_path / "good.png")
    save(tmp_path / name)
    photo_set = read_photo_set(tmp_path)
    assert photo_set.names == ["good.png"]
    assert "more than 243 bytes" in photo_set.skipped[0].reason


def test_longest_name_is_read(tmp_path):
    name = "x" * 239 + ".jpg"
    save(tmp_path / name)
    assert read_photo_set(tmp_path).names == [name]


def test_folder_named_as_the_features_of_a_photograph_is_left_out_and_said(tmp_path):
    save(tmp_path / "x.jpg")
    save(tmp_path / "x.jpg.safetensors/y.jpg")
    photo_set = read_photo_set(tmp_path)
    assert photo_set.names == ["x.jpg"]
    assert photo_set.skipped[0].name == "x.jpg.safetensors/y.jpg"
