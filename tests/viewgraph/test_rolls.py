"""Rolls between photographs from angles of matches, and rolls of all photographs from those of pairs."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfm.viewgraph.rolls import RollVote, aligned_with, relative_roll, synchronise, wrapped

SEEDS = st.integers(0, 10**6)
TURNS = st.floats(-math.pi, math.pi)


def off_deg(found, expected):
    """How far angles (radians) are from what they should be, in degrees."""
    return np.degrees(np.abs(wrapped(np.asarray(found) - np.asarray(expected))))


class Angles:
    """Angles of two photographs' keypoints and of their matches, some of which are right."""

    def __init__(self, seed, draw, roll_rad=0.0, right=0, wrong=90, noise_deg=5.0):
        self.rng = np.random.default_rng(seed)
        first = draw(self.rng, right + wrong)
        true = first[:right] + roll_rad + np.radians(noise_deg) * self.rng.normal(size=right)
        second = np.concatenate([true, draw(self.rng, wrong)]) % (2 * math.pi)
        self.of_matches = first.astype(np.float32), second.astype(np.float32)
        # What is matched is part of what there is.
        rest = [draw(self.rng, 300) for _ in range(2)]
        self.of_all = [np.r_[m, r].astype(np.float32) for m, r in zip(self.of_matches, rest, strict=True)]

    def roll(self):
        return relative_roll(*self.of_matches, *self.of_all)


def anything(rng, count):
    return rng.uniform(0, 2 * math.pi, count)


def quarter_turns(rng, count, spread_deg=0.0):
    return (rng.integers(0, 4, count) * math.pi / 2 + np.radians(spread_deg) * rng.normal(size=count)) % (
        2 * math.pi
    )


def facade(rng, count):
    return quarter_turns(rng, count, 2.0)


@given(seed=SEEDS, roll_rad=TURNS)
@settings(max_examples=60, deadline=None)
def test_a_roll_is_found_among_three_times_as_many_wrong_matches(seed, roll_rad):
    found = Angles(seed, anything, roll_rad, right=40, wrong=120).roll()
    assert found is not None
    assert off_deg(found[0], roll_rad) < 6
    assert 20 < found[1] < 65


@pytest.mark.parametrize("draw", [quarter_turns, facade])
@given(seed=SEEDS, quarters=st.integers(-1, 2))
@settings(max_examples=40, deadline=None)
def test_a_roll_is_found_where_all_angles_are_quarter_turns(draw, seed, quarters):
    angles = Angles(seed, draw, quarters * math.pi / 2, right=60, wrong=80, noise_deg=1.0)
    found = angles.roll()
    assert found is not None
    assert off_deg(found[0], quarters * math.pi / 2) < 3
    # A quarter of the matches say so by chance.
    assert 25 < found[1] < 75


@pytest.mark.parametrize("draw", [anything, quarter_turns, facade])
def test_unrelated_angles_have_no_roll(draw):
    """Told apart in 400 draws, where by chance one in ten thousand is taken for related."""
    assert not [seed for seed in range(400) if Angles(seed, draw, wrong=200).roll() is not None]


def test_matches_that_all_agree_have_the_very_roll():
    """So many that their chance is no number any more."""
    for roll_deg in (-170, -90, 0, 45, 137, 180):
        first = anything(np.random.default_rng(0), 3000)
        second = (first + math.radians(roll_deg)) % (2 * math.pi)
        roll, votes = relative_roll(first, second, first, second)
        assert off_deg(roll, math.radians(roll_deg)) < 1e-6
        assert votes > 2600


def test_of_two_certain_rolls_the_one_of_more_matches_stands():
    first = anything(np.random.default_rng(0), 4000)
    second = first + np.where(np.arange(4000) < 2300, math.radians(200), math.radians(20))
    roll, _ = relative_roll(first, second % (2 * math.pi), first, second)
    assert off_deg(roll, math.radians(200)) < 1


@given(seed=SEEDS, roll_rad=TURNS, turn_rad=TURNS)
@settings(max_examples=30, deadline=None)
def test_the_roll_of_a_photograph_that_is_turned_further_turns_with_it(seed, roll_rad, turn_rad):
    angles = Angles(seed, anything, roll_rad, right=60, wrong=60)
    before = angles.roll()
    (first, second), (all1, all2) = angles.of_matches, angles.of_all
    after = relative_roll(first, second + np.float32(turn_rad), all1, all2 + np.float32(turn_rad))
    assert off_deg(after[0], before[0] + turn_rad) < 3


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_hardly_any_matches_tell_nothing(count):
    angles = np.zeros(count, np.float32)
    assert relative_roll(angles, angles, anything(np.random.default_rng(0), 50), angles) is None


class Photographs:
    """Photographs with known rolls, and what pairs of them say, some wrongly."""

    def __init__(self, seed, number, wrong=0, noise_deg=3.0):
        self.rng = rng = np.random.default_rng(seed)
        self.rolls = dict(zip([f"{i:02d}.jpg" for i in range(number)], anything(rng, number), strict=True))
        names = list(self.rolls)
        every = list(combinations(names, 2))
        ring = {tuple(sorted((names[i - 1], names[i]))) for i in range(number)}
        others = [pair for pair in every if pair not in ring]
        rng.shuffle(others)
        self.wrong = {tuple(pair) for pair in others[:wrong]}
        self.votes = [
            self.vote(*pair, noise_deg)
            for pair in map(tuple, [*sorted(ring), *others])
            if pair in ring or pair in self.wrong or rng.random() < 0.5
        ]

    def vote(self, name1, name2, noise_deg):
        roll = self.rolls[name2] - self.rolls[name1] + math.radians(self.rng.uniform(-noise_deg, noise_deg))
        if (name1, name2) in self.wrong:
            error = math.radians(self.rng.uniform(80, 280))
            return RollVote(name1, name2, float(wrapped(roll + error)), self.rng.uniform(10, 30))
        return RollVote(name1, name2, float(wrapped(roll)), self.rng.uniform(40, 200))

    def errors_deg(self, found):
        return after_common_turn_deg(found, self.rolls)


def after_common_turn_deg(found, expected):
    """How far rolls are from what they should be when both are turned so that they agree on average."""
    turns = np.array([found[name] - expected[name] for name in expected])
    return off_deg(turns, np.angle(np.exp(1j * turns).mean()))


@given(seed=SEEDS, number=st.integers(3, 14), wrong=st.integers(0, 4))
@settings(max_examples=80, deadline=None)
def test_true_rolls_are_found_though_some_pairs_are_wrong(seed, number, wrong):
    made = Photographs(seed, number, wrong)
    (found,) = synchronise(made.votes)
    assert set(found.rolls_rad) == set(made.rolls)
    assert max(map(abs, found.rolls_rad.values())) <= math.pi
    assert made.errors_deg(found.rolls_rad).max() < 12
    assert found.votes == pytest.approx(sum(vote.votes for vote in made.votes))
    wrong_votes = sum(vote.votes for vote in made.votes if (vote.name1, vote.name2) in made.wrong)
    assert found.against == pytest.approx(wrong_votes)


@given(seed=SEEDS, number=st.integers(3, 10), wrong=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_neither_the_order_nor_the_direction_of_votes_matters(seed, number, wrong):
    made = Photographs(seed, number, wrong)
    (expected,) = synchronise(made.votes)
    shuffled = [
        RollVote(vote.name2, vote.name1, -vote.roll_rad, vote.votes) if made.rng.random() < 0.5 else vote
        for vote in made.rng.permutation(np.array(made.votes, object))
    ]
    (found,) = synchronise(shuffled)
    for name, roll in expected.rolls_rad.items():
        assert off_deg(found.rolls_rad[name], roll) < 1e-6
    assert (found.votes, found.against) == pytest.approx((expected.votes, expected.against))


@given(seed=SEEDS, number=st.integers(3, 10), wrong=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_rolls_turn_with_the_photographs(seed, number, wrong):
    made = Photographs(seed, number, wrong)
    (before,) = synchronise(made.votes)
    turns = dict(zip(made.rolls, anything(made.rng, number), strict=True))
    turned = [
        RollVote(v.name1, v.name2, float(wrapped(v.roll_rad + turns[v.name2] - turns[v.name1])), v.votes)
        for v in made.votes
    ]
    (after,) = synchronise(turned)
    expected = {name: roll + turns[name] for name, roll in before.rolls_rad.items()}
    assert after_common_turn_deg(after.rolls_rad, expected).max() < 1e-6
    assert after.against == pytest.approx(before.against)


def test_parts_that_no_pair_connects_are_apart_the_largest_first():
    small, large = Photographs(1, 3), Photographs(2, 5)
    renamed = [RollVote(f"x{v.name1}", f"x{v.name2}", v.roll_rad, v.votes) for v in large.votes]
    parts = synchronise([*small.votes, *renamed])
    assert [len(part.rolls_rad) for part in parts] == [5, 3]
    assert small.errors_deg(parts[1].rolls_rad).max() < 6
    assert synchronise([]) == []


class TestAlignedWith:
    @given(seed=SEEDS, number=st.integers(1, 12), turn_rad=TURNS)
    @settings(max_examples=60, deadline=None)
    def test_most_are_what_is_expected_of_them_whatever_they_were_turned_by(self, seed, number, turn_rad):
        rng = np.random.default_rng(seed)
        names = [str(i) for i in range(number)]
        prior = {name: float(rng.integers(0, 4) * math.pi / 2) for name in names}
        rolls = {name: prior[name] + math.radians(rng.uniform(-4, 4)) for name in names}
        stale = names[: (number - 1) // 3]
        for name in stale:
            prior[name] += math.pi / 2
        found = aligned_with({name: roll + turn_rad for name, roll in rolls.items()}, prior)
        for name in names:
            assert off_deg(found[name], rolls[name]) < 9
            assert abs(found[name]) <= math.pi
        assert after_common_turn_deg(found, rolls).max() < 1e-6

    def test_where_nothing_is_expected_most_stand_upright(self):
        found = aligned_with({"a": 1.0, "b": 1.1, "c": 1.0 + math.pi, "d": 0.9}, {})
        assert off_deg([found[n] for n in "abcd"], [0, 0.1, math.pi, -0.1]).max() < 1e-6


@given(angle=st.floats(-100, 100))
def test_wrapped_angles_are_the_same_within_half_a_turn(angle):
    assert -math.pi <= wrapped(angle) <= math.pi
    assert np.exp(1j * wrapped(angle)) == pytest.approx(np.exp(1j * angle), abs=1e-9)
