"""What the exporter says of its own process, from /proc/self: the process_* families of every Prometheus client."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from common.exposition import Family, counter_of, gauge, gauge_of
from exporter.host import read_text

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """A Process is what /proc/<pid>/stat says of one: ticks of CPU, ticks from the boot to its start, memory."""

    cpu: int
    started: int
    virtual: int
    resident: int


def parse_process(text: str) -> Process:
    """The Process in the text of /proc/<pid>/stat; its name may hold spaces and brackets."""
    fields = text.rpartition(")")[2].split()
    return Process(int(fields[11]) + int(fields[12]), int(fields[19]), int(fields[20]), int(fields[21]) * PAGE)


def process_families() -> Iterator[Family]:
    """The families of this process; of Python alone where there is no /proc."""
    version = sys.version.split()[0]
    labels = ("implementation", "version")
    yield gauge("python_info", "Which Python runs the exporter.", labels, [((sys.implementation.name, version), 1)])
    try:
        process = parse_process(read_text("/proc/self/stat"))
        boot = next(line for line in read_text("/proc/stat").splitlines() if line.startswith("btime "))
        open_files = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208  (less the one that lists)
    except OSError:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    started = int(boot.split()[1]) + process.started / TICKS
    yield counter_of("process_cpu_seconds_total", "CPU time of the process, in seconds.", process.cpu / TICKS)
    yield gauge_of("process_max_fds", "How many files the process may open.", limit)
    yield gauge_of("process_open_fds", "How many files the process has open.", open_files)
    yield gauge_of("process_resident_memory_bytes", "Memory that the process occupies, in bytes.", process.resident)
    yield gauge_of("process_start_time_seconds", "When the process was started, in seconds since 1970.", started)
    yield gauge_of("process_virtual_memory_bytes", "Memory that the process has mapped, in bytes.", process.virtual)
