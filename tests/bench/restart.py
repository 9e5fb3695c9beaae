"""From kill -9 and start to the first right answer of count(up): the ruler beside Prometheus, on as much history.

Both have been scraping before they are killed, so the ruler finds its pages and Prometheus its WAL as a crash leaves
them. The clock on the wall is what users wait for; the processors' time is what a busy machine does not change.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.bench.history import Scale, settle, with_history
from tests.bench.programs import ENVIRONMENT, PROMETHEUS, TOCSIN, Program, cpu_seconds
from tests.bench.startup import STARTED, TOLD

QUICK = (Scale(targets=20, per_target=1_000, hours=2, seconds=0),)
FULL = (
    Scale(targets=100, per_target=1_000, hours=2, seconds=0),
    Scale(targets=1_000, per_target=100, hours=2, seconds=0),
)
ROUNDS = 5
PAUSE = 0.005  # seconds from question to question
RUN = 16  # seconds between kills: every target is scraped once more


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures are the medians of some restarts (seconds): until the first right answer, and the CPU until then."""

    name: str
    took: float
    least: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.name:10} {self.took:6.2f} s (least {self.least:.2f}), {self.cpu:6.2f} s of CPU"


def measure(scales: tuple[Scale, ...], rounds: int = ROUNDS) -> Iterator[object]:
    """The figures of both for each scale, the ratio, and where the ruler's time goes."""
    for scale in scales:
        yield f"{scale.targets:,} targets of {scale.per_target:,} series, {scale.hours:g} h at 15 s"
        found = {}
        for name in (TOCSIN, PROMETHEUS):
            with with_history(name, scale) as server:
                found[name] = restarted(server, scale, rounds)
                yield found[name]
                if name == TOCSIN:
                    yield from stages(server, scale, rounds)
        yield f"ratio {found[TOCSIN].took / found[PROMETHEUS].took:.2f}"


def restarted(server: Program, scale: Scale, rounds: int) -> Figures:
    """Kill and start a program so many times."""
    results = []
    for _ in range(rounds):
        settle(server, scale)
        server.kill()
        server.start()
        results.append(first_answer(server, scale.targets))
        time.sleep(RUN)
    took, cpu = zip(*results, strict=True)
    return Figures(server.name, statistics.median(took), min(took), statistics.median(cpu))


def first_answer(server: Program, targets: int) -> tuple[float, float]:
    """When the program that was just started answered right, and what it had used of the processors by then."""
    server.wait("a right answer", "count(up)", targets, pause=PAUSE)
    return time.monotonic() - server.started, cpu_seconds(server.pid)


def stages(server: Program, scale: Scale, rounds: int) -> Iterator[str]:
    """Where the ruler's time goes: the median of each stage of some more restarts, in their order (ms)."""
    flags = [part for part in server.command if part.startswith("--")]
    watched = replace(server, command=[sys.executable, "-m", "tests.bench.startup", *flags], process=None)
    server.kill()
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        watched.log.write_bytes(b"")
        ENVIRONMENT[STARTED] = str(time.monotonic())
        watched.start()
        try:
            took = first_answer(watched, scale.targets)[0] * 1000
            settle(watched, scale)
        finally:
            watched.kill()
        told = [line[len(TOLD) :] for line in watched.log.read_text().splitlines() if line.startswith(TOLD)]
        for name, _, ms in (line.rpartition(": ") for line in told):
            found.setdefault(name, []).append(float(ms))
            took -= float(ms)
        found.setdefault("first answer, after these", []).append(took)
    for name, each in found.items():
        yield f"    {name}: {statistics.median(each):.0f} ms"
