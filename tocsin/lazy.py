"""A group of commands that imports the module of a command only when that command runs, so each starts at once.

A library that is not installed becomes one line, whether it is missed when a command is loaded or when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

Commands = Mapping[str, tuple[str, str, str]]  # name → (module, attribute, the sentence that --help shows)

OURS = frozenset(("common", "exporter", "receiver", "ruler", "tocsin"))


class LazyGroup(click.Group):
    """A LazyGroup has the commands of a table. One that lacks a library says which extra brings it (`ruler` else)."""

    def __init__(self, *args: Any, table: Commands, extras: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table, self._extras = table, extras or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._table:
            return None
        module, attribute, _ = self._table[cmd_name]
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise self._lacking(cmd_name, error) from None
        assert isinstance(command, click.Command)  # noqa: S101  (tells the type checker; the table above is ours)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise self._lacking(ctx.invoked_subcommand or "", error) from None

    def _lacking(self, command: str, error: ModuleNotFoundError) -> Exception:
        """What to say of a library that a command needs; a module of our own that is missing is a fault."""
        if (error.name or "").split(".")[0] in OURS:
            return error
        extra = self._extras.get(command, "ruler")
        return click.ClickException(f"{command} needs {error.name}: install it with `pip install 'tocsin[{extra}]'`")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, _, sentence) in self._table.items()])
