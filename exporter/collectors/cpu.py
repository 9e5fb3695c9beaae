"""cpu: seconds per mode of each CPU, from /proc/stat; how often it was throttled, and which CPUs are isolated."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from common.exposition import Family, counter, gauge
from exporter.host import Host, attribute_or, entries
from exporter.settings import ExporterSettings, Flag

MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
GUEST_MODES = ("user", "nice")
IDLE = MODES.index("idle")
JUMP_BACK_SECONDS = 3.0

GUEST = Flag("cpu.guest", "also give the seconds spent in guests", default=True)

_CPU_DIRECTORY = re.compile(r"cpu[0-9]+\Z")

Seconds = tuple[float, ...]  # MODES, then GUEST_MODES


class Cpu:
    """The cpu collector. Keeps the last readings: idle and iowait of the kernel may step back, a counter must not."""

    name: ClassVar[str] = "cpu"
    flags: ClassVar[tuple[Flag, ...]] = (GUEST,)

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host
        self._guest = settings.is_on(GUEST)
        self._last: dict[str, Seconds] = {}
        self._ticks = os.sysconf("SC_CLK_TCK")

    def collect(self) -> Iterator[Family]:
        readings = parse_cpu(self._host.read_proc("stat"), self._ticks)
        self._last = {cpu: never_back(self._last.get(cpu), seconds) for cpu, seconds in readings.items()}
        yield counter(
            "node_cpu_seconds_total",
            "Time that each CPU spent in each mode, in seconds.",
            ("cpu", "mode"),
            [((cpu, mode), value) for cpu, row in self._last.items() for mode, value in zip(MODES, row, strict=False)],
        )
        if self._guest:
            yield counter(
                "node_cpu_guest_seconds_total",
                "Time that each CPU spent running guests, in seconds; it is also in user and nice.",
                ("cpu", "mode"),
                [
                    ((cpu, mode), value)
                    for cpu, row in self._last.items()
                    for mode, value in zip(GUEST_MODES, row[len(MODES) :], strict=True)
                ],
            )
        yield from throttles(self._host)
        isolated = attribute_or(f"{self._host.sys}/devices/system/cpu/isolated", "")
        yield gauge(
            "node_cpu_isolated",
            "1 for each CPU that the scheduler leaves alone.",
            ("cpu",),
            [((cpu,), 1) for cpu in parse_cpu_list(isolated)],
        )


def parse_cpu(text: str, ticks: int) -> dict[str, Seconds]:
    """The seconds of each CPU in the text of /proc/stat; fields that an old kernel lacks are 0."""
    fields = len(MODES) + len(GUEST_MODES)
    readings = {}
    for line in text.splitlines():
        if not line.startswith("cpu"):
            break
        cpu, *counts = line.split()
        if cpu != "cpu":
            row = [int(count) / ticks for count in counts[:fields]]
            readings[cpu.removeprefix("cpu")] = tuple(row + [0.0] * (fields - len(row)))
    return readings


def never_back(last: Seconds | None, now: Seconds) -> Seconds:
    """`now`, with each counter that stepped back held where it was; a CPU that was plugged in anew starts over."""
    if last is None or last[IDLE] - now[IDLE] >= JUMP_BACK_SECONDS:
        return now
    return tuple(map(max, last, now))


def parse_cpu_list(text: str) -> list[str]:
    """The CPUs in a list of sysfs: `1,3-5` is 1, 3, 4 and 5."""
    cpus: list[str] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.extend(str(cpu) for cpu in range(int(first), int(last or first) + 1))
    return cpus


def throttles(host: Host) -> Iterable[Family]:
    """How often each core and package was slowed down for its heat, where the hardware counts it."""
    packages: dict[tuple[str, ...], float] = {}
    cores: dict[tuple[str, ...], float] = {}
    base = f"{host.sys}/devices/system/cpu"
    for cpu in entries(base):
        if not _CPU_DIRECTORY.match(cpu):
            continue
        package = attribute_or(f"{base}/{cpu}/topology/physical_package_id", "")
        core = attribute_or(f"{base}/{cpu}/topology/core_id", "")
        counted = f"{base}/{cpu}/thermal_throttle"
        if not package or not core or not os.path.isdir(counted):  # noqa: PTH112
            continue
        for known, key, file in ((cores, (core, package), "core"), (packages, (package,), "package")):
            count = attribute_or(f"{counted}/{file}_throttle_count", "")
            if count:
                known.setdefault(key, int(count))
    text = "Number of times that this core was throttled."
    yield counter("node_cpu_core_throttles_total", text, ("core", "package"), sorted(cores.items()))
    text = "Number of times that this package was throttled."
    yield counter("node_cpu_package_throttles_total", text, ("package",), sorted(packages.items()))
