"""The collectors: one file a subsystem, each a pure `parse_x(text)` and a class that reads, parses and names."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import ClassVar, Protocol

from common.exposition import Family
from exporter.settings import ExporterSettings, Flag


class Collector(Protocol):
    """A Collector gives the families of one subsystem. It is asked by one thread at a time, and may fail or hang."""

    name: ClassVar[str]
    flags: ClassVar[tuple[Flag, ...]]

    def __init__(self, settings: ExporterSettings) -> None: ...

    def collect(self) -> Iterable[Family]:
        """What the host says now; raises NoData when it has no such thing, and whatever else went wrong."""


if sys.platform == "linux":
    from exporter.collectors.cpu import Cpu
    from exporter.collectors.diskstats import Diskstats
    from exporter.collectors.filefd import Filefd
    from exporter.collectors.filesystem import Filesystem
    from exporter.collectors.hwmon import Hwmon
    from exporter.collectors.loadavg import Loadavg
    from exporter.collectors.meminfo import Meminfo
    from exporter.collectors.netdev import Netdev
    from exporter.collectors.stat import StatCollector
    from exporter.collectors.textfile import Textfile
    from exporter.collectors.thermal_zone import ThermalZone
    from exporter.collectors.time import Time
    from exporter.collectors.timex import TimexCollector
    from exporter.collectors.uname import Uname

    ALL: tuple[type[Collector], ...] = (
        Cpu,
        Diskstats,
        Filefd,
        Filesystem,
        Hwmon,
        Loadavg,
        Meminfo,
        Netdev,
        StatCollector,
        Textfile,
        ThermalZone,
        Time,
        TimexCollector,
        Uname,
    )
else:
    from exporter.collectors.loadavg import Loadavg
    from exporter.collectors.portable import Boottime, Cpu, Diskstats, Filesystem, Meminfo, Netdev
    from exporter.collectors.textfile import Textfile
    from exporter.collectors.time import Time
    from exporter.collectors.uname import Uname

    ALL = (Boottime, Cpu, Diskstats, Filesystem, Loadavg, Meminfo, Netdev, Textfile, Time, Uname)
