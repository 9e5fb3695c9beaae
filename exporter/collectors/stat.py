"""stat: what the kernel has counted since the boot, from /proc/stat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from common.exposition import Family, counter, counter_of, gauge_of
from exporter.settings import ExporterSettings, Flag

VECTORS = ("hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu")

SOFTIRQ = Flag("stat.softirq", "also give the soft interrupts of each kind", default=False)


@dataclass(frozen=True, slots=True)
class Stat:
    """A Stat is what /proc/stat says of the whole machine."""

    interrupts: int
    context_switches: int
    boot_time: int
    forks: int
    running: int
    blocked: int
    softirqs: tuple[int, ...]


class StatCollector:
    """The stat collector."""

    name: ClassVar[str] = "stat"
    flags: ClassVar[tuple[Flag, ...]] = (SOFTIRQ,)

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host
        self._softirq = settings.is_on(SOFTIRQ)

    def collect(self) -> Iterator[Family]:
        stat = parse_stat(self._host.read_proc("stat"))
        yield counter_of("node_intr_total", "Number of interrupts served.", stat.interrupts)
        yield counter_of("node_context_switches_total", "Number of context switches.", stat.context_switches)
        yield counter_of("node_forks_total", "Number of processes and threads started.", stat.forks)
        yield gauge_of("node_boot_time_seconds", "When the host was started, in seconds since 1970.", stat.boot_time)
        yield gauge_of("node_procs_running", "Number of processes that run or could run.", stat.running)
        yield gauge_of("node_procs_blocked", "Number of processes that wait for a disk.", stat.blocked)
        if self._softirq:
            yield counter(
                "node_softirqs_total",
                "Number of soft interrupts of each kind.",
                ("vector",),
                [((vector,), count) for vector, count in zip(VECTORS, stat.softirqs, strict=False)],
            )


def parse_stat(text: str) -> Stat:
    """The Stat in the text of /proc/stat."""
    lines = {key: rest for key, _, rest in (line.partition(" ") for line in text.splitlines())}
    return Stat(
        interrupts=int(lines["intr"].partition(" ")[0]),
        context_switches=int(lines["ctxt"]),
        boot_time=int(lines["btime"]),
        forks=int(lines["processes"]),
        running=int(lines["procs_running"]),
        blocked=int(lines["procs_blocked"]),
        softirqs=tuple(int(count) for count in lines.get("softirq", "").split()[1:]),
    )
