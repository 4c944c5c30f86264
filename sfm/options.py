"""Options are frozen dataclasses whose fields document themselves; the command line is made from them.

A default therefore stands in one place, and so does its explanation.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sfm.errors import InputError

T = TypeVar("T")


def option(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    affects_result: bool = True,
) -> Any:
    """Declare a field of an options dataclass.

    Parameters
    ----------
    default
        The value without which nobody needs to think.
    help
        One sentence for `--help`; says the unit.
    choices
        The allowed strings, if the field is a choice.
    minimum, maximum
        Inclusive bounds, checked by `check`.
    affects_result
        False for options that change only how the work is done (device, threads): they stay out of the
        fingerprint, so that changing them recomputes nothing.
    """
    metadata = {
        "help": help,
        "choices": tuple(choices) if choices else None,
        "minimum": minimum,
        "maximum": maximum,
        "affects_result": affects_result,
    }
    return dataclasses.field(default=default, metadata=metadata)


def flag_of(name: str) -> str:
    """Return the command-line flag of a field: `max_size` -> `--max-size`."""
    return "--" + name.replace("_", "-")


def check(options: Any) -> None:
    """Raise `InputError` if a field of `options` is outside its choices or bounds."""
    for field in dataclasses.fields(options):
        value, meta = getattr(options, field.name), field.metadata
        if value is None or not meta:
            continue
        if meta["choices"] and value not in meta["choices"]:
            raise InputError(f"{flag_of(field.name)} {value}: choose one of {', '.join(meta['choices'])}.")
        if meta["minimum"] is not None and value < meta["minimum"]:
            raise InputError(f"{flag_of(field.name)} {value}: the smallest value is {meta['minimum']}.")
        if meta["maximum"] is not None and value > meta["maximum"]:
            raise InputError(f"{flag_of(field.name)} {value}: the largest value is {meta['maximum']}.")


def as_recorded(options: Any) -> dict[str, Any]:
    """Return the fields that affect the result, as JSON-ready values: what fingerprints are made of.

    Paths become text, which `from_mapping` takes back.
    """
    values = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if field.metadata.get("affects_result", True)
    }
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def from_mapping(kind: type[T], values: Mapping[str, Any]) -> T:
    """Build the options dataclass `kind` from those `values` that name one of its fields, and check it.

    Paths may be given as text.
    """
    hints = typing.get_type_hints(kind)
    own = {field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values}  # type: ignore[arg-type]
    for name, value in own.items():
        if isinstance(value, str) and Path in (hints[name], *typing.get_args(hints[name])):
            own[name] = Path(value)
    options = kind(**own)
    check(options)
    return options
