"""The command-line flags that every program has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import click

from common.logs import FORMATS, LEVELS

_Command: TypeAlias = Callable[..., Any]


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
