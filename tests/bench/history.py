"""What hours of history keep in memory: the ruler beside Prometheus, both scraping on and answering a query.

Weighed is what the process holds (PSS) and what the page cache holds of its data (fincore), maps of data counted once.
The history is the same for both: Prometheus gets it by remote write into its head and WAL, the ruler's database by its
streams. Prometheus is weighed as it is then, and once more after a restart, which leaves the garbage of the filling
behind.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.labels import Labels
from tests.bench.database import maintained, opened
from tests.bench.load import QUERY, TICK, Load, fleet, phase, scrape_config
from tests.bench.programs import (
    PROMETHEUS,
    TOCSIN,
    Program,
    cached_mib,
    forget_cache,
    mapped_mib,
    program,
    pss_mib,
    write_config,
)
from tests.bench.remote import RemoteWriter, encoded_labels

WEIGHED_EVERY, ASKED_EVERY = 5, 15  # seconds
TICKS_AT_ONCE = 20  # in one remote write of a target's series
MAINTAINED_EVERY = 20  # ticks
NO_TARGETS: dict[str, list[str]] = {"scrape_configs": []}
FLAGS = {PROMETHEUS: ("--web.enable-remote-write-receiver",), TOCSIN: ()}


@dataclass(frozen=True, slots=True)
class Scale:
    """A Scale is how much history a bench makes, and how long (seconds) it looks."""

    targets: int
    per_target: int
    hours: float
    seconds: int

    @property
    def begun(self) -> int:
        """The tick (ms) at which such a history begins that ends now."""
        return int(time.time() - self.hours * 3600) * 1000 // TICK * TICK


QUICK = Scale(targets=20, per_target=1_000, hours=2, seconds=15)
FULL = Scale(targets=100, per_target=1_000, hours=2, seconds=300)


@dataclass(frozen=True, slots=True)
class Weight:
    """A Weight is one look at a program (MiB): its own memory, maps of its data, and what is cached of its data."""

    pss: float
    mapped: float
    cached: float

    @property
    def total(self) -> float:
        return self.pss - self.mapped + self.cached


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures are the medians of a program's weights, as it ran and after its cached data was dropped once."""

    name: str
    weight: Weight
    highest: float
    after_drop: float
    query_ms: float

    def __str__(self) -> str:
        weight = self.weight
        return (
            f"{self.name:22} {weight.total:7.1f} MiB (PSS {weight.pss:.0f}, of it maps of data {weight.mapped:.0f}; "
            f"page cache {weight.cached:.0f}), highest {self.highest:.0f}; after its cache was dropped "
            f"{self.after_drop:.0f}; query {self.query_ms:.0f} ms"
        )


def measure(scale: Scale) -> Iterator[object]:
    """The weights of Prometheus, of Prometheus restarted, and of the ruler, and the ratios."""
    found: dict[str, Figures] = {}
    for name in (PROMETHEUS, TOCSIN):
        with with_history(name, scale) as server:
            found[name] = watched(name, server, scale)
            yield found[name]
            if name == PROMETHEUS:
                server.kill()
                server.start()
                settle(server, scale)
                again = f"{PROMETHEUS}, restarted"
                found[again] = watched(again, server, scale)
                yield found[again]
    ours = found.pop(TOCSIN)
    for name, theirs in found.items():
        yield (
            f"ratio to {name}: {ours.weight.total / theirs.weight.total:.2f}, "
            f"with caches dropped {ours.after_drop / theirs.after_drop:.2f}"
        )


@contextmanager
def with_history(name: str, scale: Scale) -> Iterator[Program]:
    """A program that has the history and scrapes the fleet that goes on from there."""
    begun = scale.begun
    with (
        tempfile.TemporaryDirectory() as folder,
        fleet(scale.targets, scale.per_target, begun) as port,
        program(name, Path(folder), NO_TARGETS, *FLAGS[name]) as server,
    ):
        (fill_prometheus if name == PROMETHEUS else fill_tocsin)(server, scale, begun, port)
        write_config(Path(folder), scrape_config(port, scale.targets))
        if server.process is None:
            server.start()
        else:
            server.reload()
        settle(server, scale)
        yield server


def settle(server: Program, scale: Scale) -> None:
    """Wait until every target has been scraped."""
    scraped = f"count(timestamp(up == 1) > {time.time()})"
    server.wait("every target is up", scraped, scale.targets, pause=1)


def fill_tocsin(server: Program, scale: Scale, begun: int, port: int) -> None:
    """Write the history into a database, as far as it took place, and close it."""
    db = opened(server.data, begun)
    load = Load(scale.targets, scale.per_target)
    streams = [
        (db.stream(f"t{target}", TICK), db.series(list(map(Labels, load.labels(target, port)))))
        for target in range(scale.targets)
    ]
    while (due := begun + (load.tick + 1) * TICK) < _now() - TICK:
        load.advance()
        for target, (stream, series) in enumerate(streams):
            at = due + phase(target, TICK)
            stream.append(at, at, series, load.row(target))
        if load.tick % MAINTAINED_EVERY == 0:
            maintained(db, due)
    for stream, _ in streams:
        stream.close(None)
    db.close()


def fill_prometheus(server: Program, scale: Scale, begun: int, port: int) -> None:
    """Write the history into a Prometheus that is running then."""
    server.start()
    server.wait("it answers", "vector(1)", 1)
    load = Load(scale.targets, scale.per_target)
    series = [list(map(encoded_labels, load.labels(target, port))) for target in range(scale.targets)]
    writer = RemoteWriter(server.address)
    while (left := (_now() - TICK - begun) // TICK - load.tick) > 0:
        times, rows = [], []
        for _ in range(min(left, TICKS_AT_ONCE)):
            load.advance()
            times.append(begun + load.tick * TICK)
            rows.append(np.array([load.row(target) for target in range(scale.targets)]))
        values = np.array(rows)
        for target in range(scale.targets):
            writer.write(series[target], np.array(times) + phase(target, TICK), values[:, target].T)
    writer.close()


def watched(name: str, server: Program, scale: Scale) -> Figures:
    """Ask for so long, and weigh meanwhile."""
    took: list[float] = []
    weights = list(_weights(server, scale.seconds, took))
    forget_cache(server.data)
    dropped = list(_weights(server, min(60, scale.seconds), []))
    middle = sorted(weights, key=lambda weight: weight.total)[len(weights) // 2]
    highest = max(weight.total for weight in weights)
    return Figures(name, middle, highest, dropped[-1].total, statistics.median(took) * 1000)


def _weights(server: Program, seconds: int, took: list[float]) -> Iterator[Weight]:
    for second in range(0, seconds + 1, WEIGHED_EVERY):
        if second % ASKED_EVERY == 0:
            began = time.perf_counter()
            if not server.query(QUERY):
                raise RuntimeError(f"{server.name} does not answer: {QUERY}")
            took.append(time.perf_counter() - began)
        yield Weight(pss_mib(server.pid), mapped_mib(server.pid, server.data), cached_mib(server.data))
        time.sleep(WEIGHED_EVERY)


def _now() -> int:
    return time.time_ns() // 1_000_000
