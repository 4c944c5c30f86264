"""Command-line options made from options dataclasses, so that defaults and help stand in one place.

@command()
@options_from(DetectionOptions, MatchingOptions)
@common_options
def reconstruct(console, **values):
    detection = sfm.options.from_mapping(DetectionOptions, values)
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from sfm.options import flag_of

F = TypeVar("F", bound=Callable[..., Any])


class GroupedOption(click.Option):
    """An option that `--help` lists under the heading `group`."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose `--help` lists options under one heading per options dataclass."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options first, then each group."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            if isinstance(param, click.Argument):  # told by the usage line and the text above
                continue
            record = param.get_help_record(ctx)
            if record is not None:
                group = param.group if isinstance(param, GroupedOption) else "Options"
                sections.setdefault(group, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


command = partial(click.command, cls=GroupedCommand)


def options_from(*kinds: type, without: Collection[str] = ()) -> Callable[[F], F]:
    """Add one click option per field of the options dataclasses `kinds`, in their order.

    Fields not declared by `sfm.options.option`, and those named in `without`, are left out. The values arrive under
    the fields' names, ready for `sfm.options.from_mapping`. Raises `TypeError` at import if two dataclasses share
    a field name or a field's type has no form on the command line.
    """
    options: dict[str, GroupedOption] = {}
    for kind in kinds:
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            if field.name in without or not field.metadata:
                continue
            if field.name in options:
                raise TypeError(
                    f"{kind.__name__}.{field.name}: another options dataclass has a field of this name"
                )
            options[field.name] = _option(kind, field, hints[field.name])

    def decorate(function: F) -> F:
        if not hasattr(function, "__click_params__"):
            function.__click_params__ = []  # type: ignore[attr-defined]
        # click keeps parameters in the order decorators run: the last one first.
        function.__click_params__.extend(reversed(options.values()))  # type: ignore[attr-defined]
        return function

    return decorate


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the running command's values that somebody gave, without the defaults."""
    source = click.get_current_context().get_parameter_source
    return {name: value for name, value in values.items() if source(name) is not ParameterSource.DEFAULT}


def _option(kind: type, field: dataclasses.Field[Any], hint: Any) -> GroupedOption:
    flag = flag_of(field.name)
    plain = _without_none(hint)
    if plain is bool:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    return GroupedOption(
        [flag, field.name],
        type=_click_type(kind, field, plain),
        default=field.default,
        show_default=field.default is not None,
        help=field.metadata["help"],
        group=_heading(kind),
    )


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(kinds) == 1:
            return kinds[0]
    return hint


def _click_type(kind: type, field: dataclasses.Field[Any], plain: Any) -> click.ParamType:
    meta = field.metadata
    if plain is bool:
        return click.BOOL
    if plain in (int, float):
        bounds = meta["minimum"], meta["maximum"]
        if bounds == (None, None):  # click would tell a range without ends as x<=None
            return click.INT if plain is int else click.FLOAT
        return click.IntRange(*bounds) if plain is int else click.FloatRange(*bounds)
    if plain is str:
        return click.Choice(meta["choices"]) if meta["choices"] else click.STRING
    if plain is Path:
        return click.Path(path_type=Path)
    raise TypeError(f"{kind.__name__}.{field.name}: no command-line form for {plain}")


def _heading(kind: type) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__.removesuffix("Options")).lower()
    return f"{words} options".strip().capitalize()
