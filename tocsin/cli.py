"""The command line of `tocsin`. A sub-command's module is imported only when it runs, so each starts at once."""

from __future__ import annotations

from importlib import import_module

import click

from common.version import VERSION

# name → (module, attribute, the sentence that --help shows)
COMMANDS = {
    "up": ("tocsin.up", "up", "Run exporter, receiver and ruler in one process, on loopback."),
    "exporter": ("exporter.cli", "exporter", "Serve the metrics of this host."),
    "receiver": ("receiver.cli", "receiver", "Turn pushed JSON into gauges."),
    "ruler": ("ruler.cli", "ruler", "Scrape, store, evaluate rules and notify."),
    "check": ("tocsin.check", "check", "Check configuration and rule files."),
    "query": ("tocsin.query", "query", "Ask a running ruler."),
    "notify": ("tocsin.notify", "notify", "Try a notification channel."),
}

EXTRAS = {"exporter": "exporter", "receiver": "receiver", "up": "all"}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] in {"common", "exporter", "receiver", "ruler", "tocsin"}:
                raise
            extra = EXTRAS.get(cmd_name, "ruler")
            msg = f"{cmd_name} needs {error.name}: install it with `pip install 'tocsin[{extra}]'`"
            raise click.ClickException(msg) from None
        assert isinstance(command, click.Command)  # noqa: S101  (tells the type checker; the table above is ours)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, _, sentence) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, message="tocsin %(version)s")
def cli() -> None:
    """Tocsin: the Prometheus alerting stack in one package."""
