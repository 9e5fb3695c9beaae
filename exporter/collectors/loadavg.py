"""loadavg: the mean number of processes that run or wait for a disk, over 1, 5 and 15 minutes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import ClassVar

from common.exposition import Family, gauge_of
from exporter.settings import ExporterSettings, Flag

MINUTES = ("1", "5", "15")


class Loadavg:
    """The loadavg collector."""

    name: ClassVar[str] = "loadavg"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host

    def collect(self) -> Iterator[Family]:
        on_linux = sys.platform == "linux"
        loads = parse_loadavg(self._host.read_proc("loadavg")) if on_linux else os.getloadavg()
        for minutes, load in zip(MINUTES, loads, strict=True):
            yield gauge_of(f"node_load{minutes}", f"{minutes}m load average.", load)


def parse_loadavg(text: str) -> tuple[float, float, float]:
    """The three loads of the text of /proc/loadavg."""
    one, five, fifteen = text.split()[:3]
    return float(one), float(five), float(fifteen)
