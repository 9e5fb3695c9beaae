"""uname: which kernel on which machine, as labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import ClassVar

from common.exposition import Family, gauge
from exporter.host import attribute_or
from exporter.settings import ExporterSettings, Flag

LABELS = ("domainname", "machine", "nodename", "release", "sysname", "version")


class Uname:
    """The uname collector."""

    name: ClassVar[str] = "uname"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host

    def collect(self) -> Iterator[Family]:
        name = os.uname()
        domain = attribute_or(f"{self._host.proc}/sys/kernel/domainname", "(none)")  # os.uname has no such field
        values = (domain, name.machine, name.nodename, name.release, name.sysname, name.version)
        yield gauge("node_uname_info", "What the system calls itself, as labels.", LABELS, [(values, 1)])
