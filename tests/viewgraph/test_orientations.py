"""Which way is up in each photograph, by known rolls between photographs and their EXIF."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfm.viewgraph.orientations import BY_GRADIENT, decide_orientations, upright_by_exif
from sfm.viewgraph.rolls import TurnedTogether

NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")


def part(rolls_deg, votes=100.0, against=0.0):
    return TurnedTogether({name: float(np.radians(roll)) for name, roll in rolls_deg.items()}, votes, against)


def standing(names=NAMES, **turned_deg):
    """Where upright x axes point by EXIF: to the right, but in those given by their first letter."""
    return {name: turned_deg.get(name[0], 0) for name in names}


def rolls(*degrees):
    return dict(zip(NAMES, degrees, strict=False))


class TestTheyShareTheirUp:
    @given(
        off=st.lists(st.floats(-14, 14), min_size=5, max_size=5),
        common=st.floats(-180, 180),
        exif=st.lists(st.sampled_from([0, 90, -90, 180]), min_size=5, max_size=5),
    )
    @settings(max_examples=60, deadline=None)
    def test_whatever_all_are_turned_by_in_common(self, off, common, exif):
        by_exif = dict(zip(NAMES, exif, strict=True))
        turned = {n: exif + o + common for (n, exif), o in zip(by_exif.items(), off, strict=True)}
        found = decide_orientations([part(turned)], 10, by_exif)
        assert (found.way, found.turn_deg, found.unknown) == ("upright", by_exif, ())
        assert "share their up" in found.reason
        assert "from 10 pairs" in found.reason
        assert found.doubts == ()

    def test_the_reason_tells_how_far_they_are_apart(self):
        found = decide_orientations([part(rolls(0, 0, 0, 0, 21))], 1, standing())
        assert "to within 21 degrees, from 1 pair" in found.reason

    def test_a_portrait_that_says_so_is_upright(self):
        found = decide_orientations([part(rolls(0, 88, 1, 0, 2))], 6, standing(b=90))
        assert found.way == "upright"
        assert found.of("b.jpg") == 90

    def test_unless_it_was_not_to_be_assumed(self):
        found = decide_orientations([part(rolls(0, 8, -6, 0, 0))], 6, standing(), may_share_up=False)
        assert found.way == "view-graph"
        assert [found.of(name) for name in NAMES] == [0, 10, -5, 0, 0]


class TestTheyAreTurned:
    def test_each_by_its_roll(self):
        found = decide_orientations([part(rolls(1, 91, -88, 2, 179))], 7, standing())
        assert found.way == "view-graph"
        assert [found.of(name) for name in NAMES] == [0, 90, -90, 0, 180]
        assert "turned by -90 to 180 degrees, from 7 pairs" in found.reason
        assert (found.doubts, found.unknown) == ((), ())

    @given(degrees=st.lists(st.floats(-180, 180), min_size=5, max_size=5), common=st.floats(-180, 180))
    @settings(max_examples=80, deadline=None)
    def test_relative_to_one_another_as_they_are(self, degrees, common):
        turned = {n: roll + common for n, roll in rolls(*degrees).items()}
        found = decide_orientations([part(turned)], 9, standing(), may_share_up=False)
        errors = np.array([found.of(name) - turned[name] for name in NAMES])
        off = np.degrees(np.angle(np.exp(1j * np.radians(errors - errors[0]))))
        assert np.abs(off).max() <= 5.001, "each is rounded by up to 2.5 degrees"
        for name in NAMES:
            assert isinstance(found.of(name), int)
            assert -180 < found.of(name) <= 180, "one number for one angle, or it is described anew"
            assert found.of(name) % 5 == 0

    def test_half_a_turn_either_way_is_the_same(self):
        found = decide_orientations([part(rolls(0, 0, 0, 179, -179))], 9, standing())
        assert found.of("d.jpg") == found.of("e.jpg") == 180
        assert "by 0 to 180 degrees" in found.reason

    def test_a_stale_tag_is_not_believed_and_told(self):
        found = decide_orientations([part(rolls(0, 0, 0, 1, 0))], 9, standing(d=90))
        assert found.way == "view-graph"
        assert [found.of(name) for name in NAMES] == [0, 0, 0, 0, 0]
        (doubt,) = found.doubts
        assert doubt.startswith("The EXIF orientation of 1 image, e.g. d.jpg, does not fit")

    def test_a_true_tag_among_photographs_that_are_turned_is_no_doubt(self):
        found = decide_orientations([part(rolls(0, 0, 90, 90, 0))], 9, standing(d=90))
        assert (found.of("c.jpg"), found.of("d.jpg"), found.doubts) == (90, 90, ())

    def test_of_those_that_no_pair_tells_the_tag_is_believed_and_it_is_told(self):
        found = decide_orientations([part({"a.jpg": 0, "b.jpg": 90, "c.jpg": 0})], 3, standing(e=-90))
        assert (found.of("d.jpg"), found.of("e.jpg")) == (0, -90)
        assert found.unknown == ("d.jpg", "e.jpg")
        (doubt,) = found.doubts
        assert doubt.startswith("No pair tells how 2 images of these are turned, e.g. d.jpg")

    def test_parts_stand_upright_each_by_itself(self):
        first, second = part({"a.jpg": 40, "b.jpg": 40, "c.jpg": 130}), part({"d.jpg": -90, "e.jpg": -90})
        found = decide_orientations([first, second], 4, standing(e=0))
        assert [found.of(name) for name in NAMES] == [0, 0, 90, 0, 0]


class TestNothingTellsIt:
    def test_they_are_taken_to_stand_as_their_exif_says(self):
        found = decide_orientations([], 0, standing(b=180))
        assert (found.way, found.turn_deg) == ("upright", standing(b=180))
        assert "no pair tells" in found.reason

    def test_also_where_their_rolls_were_asked_for_and_then_it_is_told(self):
        found = decide_orientations([], 0, standing(b=180), may_share_up=False)
        assert (found.way, found.turn_deg) == ("view-graph", standing(b=180))
        assert found.unknown == NAMES
        assert len(found.doubts) == 1

    @pytest.mark.parametrize("may_share_up", [True, False])
    @pytest.mark.parametrize(("against", "way"), [(19, "upright"), (21, "gradient")])
    def test_pairs_that_contradict_each_other(self, against, way, may_share_up):
        found = decide_orientations([part(rolls(0, 0, 0, 0, 0), 100, against)], 9, standing(), may_share_up)
        assert found.way == ("view-graph" if way == "upright" and not may_share_up else way)
        if way == "gradient":
            assert "contradict each other" in found.reason
            assert found.of("a.jpg") is None


def test_as_asked_for():
    assert BY_GRADIENT.of("anything.jpg") is None
    found = upright_by_exif(standing(c=-90))
    assert (found.way, found.of("c.jpg"), found.of("a.jpg"), found.reason) == (
        "upright", -90, 0, "as asked for",
    )  # fmt: skip
