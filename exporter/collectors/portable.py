"""What psutil gives where there is no /proc: cpu, meminfo, diskstats, filesystem, netdev and the boot time.

Names are those of node_exporter on macOS. On Linux nothing here runs: psutil knows fewer fields than the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import psutil

from common.exposition import Family, counter, counter_of, gauge_of
from exporter.collectors import filesystem
from exporter.collectors.diskstats import EXCLUDE as DISK_EXCLUDE
from exporter.collectors.diskstats import INCLUDE as DISK_INCLUDE
from exporter.collectors.netdev import EXCLUDE as DEVICE_EXCLUDE
from exporter.collectors.netdev import INCLUDE as DEVICE_INCLUDE
from exporter.settings import ExporterSettings, Flag, filter_of

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
MEMORY = ("total", "available", "free", "active", "inactive", "wired")


class Cpu:
    """The cpu collector of other systems."""

    name: ClassVar[str] = "cpu"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, _settings: ExporterSettings) -> None:
        pass

    def collect(self) -> Iterator[Family]:
        pairs = [
            ((str(cpu), mode), getattr(times, mode))
            for cpu, times in enumerate(psutil.cpu_times(percpu=True))
            for mode in CPU_MODES
            if hasattr(times, mode)
        ]
        text = "Time that each CPU spent in each mode, in seconds."
        yield counter("node_cpu_seconds_total", text, ("cpu", "mode"), pairs)


class Meminfo:
    """The meminfo collector of other systems."""

    name: ClassVar[str] = "meminfo"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, _settings: ExporterSettings) -> None:
        pass

    def collect(self) -> Iterator[Family]:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        for field in MEMORY:
            if hasattr(memory, field):
                text = f"Memory information field {field}."
                yield gauge_of(f"node_memory_{field}_bytes", text, getattr(memory, field))
        yield gauge_of("node_memory_swap_total_bytes", "Swap space, in bytes.", swap.total)
        yield gauge_of("node_memory_swap_used_bytes", "Swap space in use, in bytes.", swap.used)
        yield counter_of("node_memory_swapped_in_bytes_total", "Bytes brought back from swap space.", swap.sin)
        yield counter_of("node_memory_swapped_out_bytes_total", "Bytes moved to swap space.", swap.sout)


class Diskstats:
    """The diskstats collector of other systems."""

    name: ClassVar[str] = "diskstats"
    flags: ClassVar[tuple[Flag, ...]] = (DISK_INCLUDE, DISK_EXCLUDE)

    def __init__(self, settings: ExporterSettings) -> None:
        self._devices = filter_of(settings, DISK_INCLUDE, DISK_EXCLUDE)

    def collect(self) -> Iterator[Family]:
        counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        disks = {device: counts for device, counts in counters.items() if self._devices.lets(device)}
        for name, field, divisor, text in (
            ("reads_completed_total", "read_count", 1, "Reads that were completed."),
            ("writes_completed_total", "write_count", 1, "Writes that were completed."),
            ("read_bytes_total", "read_bytes", 1, "Bytes read."),
            ("written_bytes_total", "write_bytes", 1, "Bytes written."),
            ("read_time_seconds_total", "read_time", 1000, "Seconds that all reads took together."),
            ("write_time_seconds_total", "write_time", 1000, "Seconds that all writes took together."),
        ):
            pairs = [((device,), getattr(counts, field) / divisor) for device, counts in disks.items()]
            yield counter(f"node_disk_{name}", text, ("device",), pairs)


class Filesystem(filesystem.Filesystem):
    """The filesystem collector of other systems: mounts from psutil, sizes as on Linux."""

    def mounts(self) -> list[filesystem.Mount]:
        return [
            filesystem.Mount(part.device, part.mountpoint, part.fstype, "", "", "ro" in part.opts.split(","))
            for part in psutil.disk_partitions(all=True)
        ]


class Netdev:
    """The netdev collector of other systems."""

    name: ClassVar[str] = "netdev"
    flags: ClassVar[tuple[Flag, ...]] = (DEVICE_INCLUDE, DEVICE_EXCLUDE)

    def __init__(self, settings: ExporterSettings) -> None:
        self._devices = filter_of(settings, DEVICE_INCLUDE, DEVICE_EXCLUDE)

    def collect(self) -> Iterator[Family]:
        counters = psutil.net_io_counters(pernic=True, nowrap=False)
        devices = {device: counts for device, counts in counters.items() if self._devices.lets(device)}
        for direction, letter, past in (("receive", "in", "recv"), ("transmit", "out", "sent")):
            for statistic, field in (
                ("bytes", f"bytes_{past}"),
                ("packets", f"packets_{past}"),
                ("errs", f"err{letter}"),
                ("drop", f"drop{letter}"),
            ):
                pairs = [((device,), getattr(counts, field)) for device, counts in devices.items()]
                text = f"Network device statistic {direction}_{statistic}."
                yield counter(f"node_network_{direction}_{statistic}_total", text, ("device",), pairs)


class Boottime:
    """The boottime collector of other systems; on Linux it is a part of stat."""

    name: ClassVar[str] = "boottime"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, _settings: ExporterSettings) -> None:
        pass

    def collect(self) -> Iterator[Family]:
        text = "When the host was started, in seconds since 1970."
        yield gauge_of("node_boot_time_seconds", text, psutil.boot_time())
