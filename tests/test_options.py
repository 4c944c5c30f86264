import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from sfm.errors import InputError
from sfm.options import as_recorded, check, flag_of, from_mapping, option


@dataclass(frozen=True)
class Choices:
    """Options of all kinds."""

    size: int = option(10, "A size.", minimum=1, maximum=20)
    share: float | None = option(None, "A share.", minimum=0.0, maximum=1.0)
    style: str = option("plain", "A style.", choices=("plain", "fancy"))
    weights: Path | None = option(None, "A file.")
    threads: int = option(2, "How many threads.", affects_result=False)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"size": 0}, "--size 0: the smallest value is 1."),
        ({"size": 21}, "--size 21: the largest value is 20."),
        ({"share": 1.5}, "--share 1.5: the largest value is 1.0."),
        ({"style": "odd"}, "--style odd: choose one of plain, fancy."),
    ],
)
def test_what_is_out_of_bounds_is_named(values, told):
    with pytest.raises(InputError) as caught:
        check(Choices(**values))
    assert str(caught.value) == told
    with pytest.raises(InputError):
        from_mapping(Choices, values)


def test_bounds_are_inclusive_and_none_is_no_value():
    check(Choices(size=1, share=0.0))
    check(Choices(size=20, share=1.0))
    check(Choices(share=None))


def test_built_from_the_values_that_are_its_own():
    assert from_mapping(Choices, {"size": 5, "other": 1}) == Choices(size=5)
    assert from_mapping(Choices, {}) == Choices()


def test_paths_may_be_given_as_text():
    assert from_mapping(Choices, {"weights": "w.pth"}).weights == Path("w.pth")
    assert from_mapping(Choices, {"style": "fancy"}).style == "fancy"


def test_only_what_affects_the_result_is_recorded():
    assert as_recorded(Choices(threads=8)) == {"size": 10, "share": None, "style": "plain", "weights": None}


def test_what_is_recorded_is_json_and_builds_the_same_options():
    options = Choices(weights=Path("a/w.pth"))
    assert json.loads(json.dumps(as_recorded(options))) == as_recorded(options)
    assert from_mapping(Choices, as_recorded(options)) == options


def test_flags():
    assert flag_of("max_size") == "--max-size"
