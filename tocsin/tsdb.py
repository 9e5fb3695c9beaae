"""`tocsin tsdb`: what there is to do with the storage of samples from the command line."""

from __future__ import annotations

import click

from tocsin.lazy import LazyGroup

COMMANDS = {
    "plan": ("tocsin.plan", "plan", "Say how much disk a config takes, and whether it fits."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def tsdb() -> None:
    """Plan and look after the storage of samples."""
