"""The command-line flags that every program has, and kinds of flags that several have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import click

from common.durations import parse_duration
from common.errors import ParseError
from common.logs import FORMATS, LEVELS
from common.sizes import parse_size

_Command: TypeAlias = Callable[..., Any]


class DurationFlag(click.ParamType[int]):
    """A duration flag, in ms, written like 5m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_duration(value)
        except ParseError as error:
            self.fail(error.problem, param, ctx)


class SizeFlag(click.ParamType[int]):
    """A size flag, in bytes, written like 10GB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = DurationFlag()
SIZE = SizeFlag()


def log_flags(command: _Command) -> _Command:
    """`--log.level` and `--log.format`, which `command` gets as `level` and `style` and hands to `logs.configure`."""
    level = click.option(
        "--log.level",
        "level",
        type=click.Choice(LEVELS),
        default="info",
        show_default=True,
        help="Least severe level that is logged.",
    )
    style = click.option(
        "--log.format",
        "style",
        type=click.Choice(FORMATS),
        default="logfmt",
        show_default=True,
        help="Form of the log lines.",
    )
    return level(style(command))
