"""The command line of `tocsin`. A sub-command's module is imported only when it runs, so each starts at once."""

from __future__ import annotations

import click

from common.version import VERSION
from tocsin.lazy import LazyGroup

COMMANDS = {
    "up": ("tocsin.up", "up", "Run exporter, receiver and ruler in one process, on loopback."),
    "exporter": ("exporter.cli", "exporter", "Serve the metrics of this host."),
    "receiver": ("receiver.cli", "receiver", "Turn pushed JSON into gauges."),
    "ruler": ("ruler.cli", "ruler", "Scrape, store, evaluate rules and notify."),
    "check": ("tocsin.check", "check", "Check configuration and rule files."),
    "query": ("tocsin.query", "query", "Ask a running ruler."),
    "promql": ("tocsin.promql", "promql", "Format and edit queries."),
    "tsdb": ("tocsin.tsdb", "tsdb", "Plan and look after the storage of samples."),
    "notify": ("tocsin.notify", "notify", "Try a notification channel."),
}

EXTRAS = {"exporter": "exporter", "receiver": "receiver", "up": "all"}


@click.group(cls=LazyGroup, table=COMMANDS, extras=EXTRAS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, message="tocsin %(version)s")
def cli() -> None:
    """Tocsin: the Prometheus alerting stack in one package."""
