"""`tocsin tsdb`: what there is to do with the storage of samples from the command line."""

from __future__ import annotations

import click

from tocsin.lazy import LazyGroup

COMMANDS = {
    "plan": ("tocsin.plan", "plan", "Say how much disk a config takes, and whether it fits."),
    "dump": ("tocsin.transfer", "dump", "Write samples as JSON lines, OpenMetrics, CSV or Parquet."),
    "import": ("tocsin.transfer", "import_", "Put samples into a running ruler, or into a directory."),
    "verify": ("tocsin.verify", "verify", "Read everything in a directory, and say what is damaged."),
    "analyze": ("tocsin.analyze", "analyze", "Say whose series are many, come and go, or are dear."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def tsdb() -> None:
    """Plan and look after the storage of samples."""
