"""What the queries of `shapes` are asked about: 50 targets of 1,000 series and 1,000 targets of 20, for some hours or
minutes, the same samples for all programs.

Each target misses a scrape now and then, and every tenth is restarted once. The ruler gets its pages through streams of
the database, which seals them as time goes by; its peers get remote writes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.labels import Labels
from ruler.schedule import offset
from tests.bench.database import maintained, opened
from tests.bench.load import KINDS, Floats, Load, phase
from tests.bench.programs import VICTORIA, Program
from tests.bench.remote import RemoteWriter, encoded, encoded_labels
from tests.waiting import until

MISSED = 0.002  # of all scrapes
RESTARTED = 10  # one target in so many
ROWS_AT_ONCE = 100  # in one remote write
MAINTAINED_EVERY = 10  # ticks
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Data:
    """Data is how often and how long targets are scraped, and how they are then asked: in steps and windows."""

    name: str
    interval: int  # ms
    rows: int
    page_rows: int
    step: int  # ms
    window: str
    move: int  # ms, from one query to the next
    moves: int  # ms, at most

    def end(self) -> int:
        """A tick in the past at which the newest page is half full."""
        now = time.time_ns() // 1_000_000 // self.interval
        stagger = offset(f"pages of {self.interval}", self.page_rows)
        return (now - (now + stagger - self.page_rows // 2) % self.page_rows) * self.interval


SECONDS = Data("1s", 1_000, rows=690, page_rows=256, step=4_000, window="1m", move=1_234, moves=120_000)
QUARTERS = Data("15s", 15_000, rows=560, page_rows=120, step=60_000, window="5m", move=7_019, moves=700_000)
DATA = {data.name: data for data in (SECONDS, QUARTERS)}


@dataclass(frozen=True, slots=True)
class Metric:
    """A Metric is some series of each target of a job, by the kinds of `load`."""

    name: str
    kind: str
    labels: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A Job is targets that all expose the same metrics."""

    name: str
    targets: int
    metrics: tuple[Metric, ...]

    @property
    def kinds(self) -> list[str]:
        return [metric.kind for metric in self.metrics for _ in metric.labels]

    def instance(self, target: int) -> str:
        return f"{self.name}-{target}:9100"

    def labels(self, target: int) -> list[dict[str, str]]:
        """What a scraper calls the series of a target."""
        own = {"instance": self.instance(target), "job": self.name}
        return [{"__name__": metric.name, **labels, **own} for metric in self.metrics for labels in metric.labels]


def _each(label: str, count: int) -> tuple[dict[str, str], ...]:
    return tuple({label: f"{label}-{n}"} for n in range(count))


def _by_mode(paths: int) -> tuple[dict[str, str], ...]:
    return tuple({"mode": f"mode-{n % 10}", "path": f"/{n // 10}"} for n in range(10 * paths))


UP = Metric("up", "constant", ({},))
FLEET = Job(
    "fleet",
    50,
    (
        Metric("bench_requests_total", "asked", _by_mode(20)),
        Metric("bench_errors_total", "slow", _by_mode(2)),
        Metric("bench_cache_bytes", "bytes", _each("shard", 200)),
        Metric("bench_latency_seconds", "fraction", _each("shard", 20)),
        *(Metric(f"bench_{KINDS[n % 10]}_{n}", KINDS[n % 10], _each("device", 10)) for n in range(56)),
        UP,
    ),
)
SMALL = Job(
    "small",
    1_000,
    (
        Metric("bench_queue_bytes", "bytes", _each("queue", 10)),
        Metric("bench_jobs_total", "fast", _each("queue", 10)),
        UP,
    ),
)
JOBS = (FLEET, SMALL)


class History:
    """A History is what the targets of a job gave, with the last tick at `end`."""

    def __init__(self, job: Job, data: Data, end: int) -> None:
        self.job, self._data = job, data
        self._start = end - (data.rows - 1) * data.interval
        kinds = job.kinds
        load = Load(job.targets, len(kinds), kinds)
        values = np.empty((data.rows, job.targets, len(kinds)))
        for tick in values:
            tick[:] = load.advance()
        values[:, :, -1] = 1.0  # up
        chance = np.random.default_rng(9)
        counters = np.flatnonzero(np.isin(kinds, ("slow", "fast", "asked", "seconds")))
        for target in range(0, job.targets, RESTARTED):
            row = int(chance.integers(1, data.rows))
            values[row:, target, counters] = np.round(values[row:, target, counters] - values[row, target, counters], 2)
        self.values: Floats = values
        self.scraped = chance.random((data.rows, job.targets)) >= MISSED

    def time(self, row: int, target: int) -> int:
        return self._start + row * self._data.interval + phase(target, self._data.interval)

    def part(self, target: int, start: int, stop: int) -> tuple[Times, Floats]:
        """Times and values [series × times] of a target in some rows."""
        rows = np.flatnonzero(self.scraped[start:stop, target]) + start
        return self.time(0, target) + rows * self._data.interval, self.values[rows, target].T


def histories(data: Data, end: int) -> list[History]:
    return [History(job, data, end) for job in JOBS]


def fill_tocsin(directory: Path, data: Data, fleets: Sequence[History]) -> None:
    """Write the history into a database, as far as it took place, and close it."""
    db = opened(directory, fleets[0].time(0, 0))
    streams = [
        (
            db.stream(fleet.job.instance(target), data.interval),
            db.series(list(map(Labels, fleet.job.labels(target)))),
            fleet,
            target,
        )
        for fleet in fleets
        for target in range(fleet.job.targets)
    ]
    for row in range(data.rows):
        for stream, series, fleet, target in streams:
            if fleet.scraped[row, target]:
                at = fleet.time(row, target)
                stream.append(at, at, series, fleet.values[row, target])
        if row % MAINTAINED_EVERY == 0:
            maintained(db, fleets[0].time(row, 0))
    for stream, *_ in streams:
        stream.close(None)
    db.close()


def fill_peers(servers: Sequence[Program], data: Data, fleets: Sequence[History]) -> None:
    """Write the history into programs that run, each of which is sent the same."""
    writers = [RemoteWriter(server.address) for server in servers]
    with ThreadPoolExecutor(len(writers)) as senders:
        sent: list[Future[None]] = []
        for body in _bodies(data, fleets):
            for each in sent:
                each.result()
            sent = [senders.submit(writer.send, body) for writer in writers]
        for each in sent:
            each.result()
    for writer in writers:
        writer.close()
    for server in servers:
        if server.name == VICTORIA:
            settle(server)


def _bodies(data: Data, fleets: Sequence[History]) -> Iterator[bytes]:
    """Remote writes, the oldest first."""
    names = {
        (fleet, target): list(map(encoded_labels, fleet.job.labels(target)))
        for fleet in fleets
        for target in range(fleet.job.targets)
    }
    for start in range(0, data.rows, ROWS_AT_ONCE):
        for (fleet, target), series in names.items():
            times, values = fleet.part(target, start, min(start + ROWS_AT_ONCE, data.rows))
            if len(times):
                yield encoded(series, times, values)


def settle(server: Program) -> None:
    """Let VictoriaMetrics show what it was sent, and put its many small parts together, as it would in time."""
    server.get("/internal/force_flush")
    server.get("/internal/force_merge")
    until("VictoriaMetrics has merged", lambda: not _merging(server), seconds=120)


def _merging(server: Program) -> bool:
    lines = (server.get("/metrics") or b"vm_active_merges 1").decode().splitlines()
    return any(line.startswith("vm_active_merges") and not line.endswith(" 0") for line in lines)


def ready(folder: Path, data: Data) -> int:
    """The end (ms) of the history in `folder`, which is emptied where that is another history than this."""
    note = folder / "history"
    said = note.read_text(encoding="utf-8").split("\n") if note.exists() else []
    if len(said) == 2 and said[0] == repr((data, JOBS)):
        return int(said[1])
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    end = data.end()
    note.write_text(f"{(data, JOBS)!r}\n{end}", encoding="utf-8")
    return end
