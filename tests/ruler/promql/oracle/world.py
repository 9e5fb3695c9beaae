"""Generated samples: a World is what a few targets exposed for a while. Its times are ms since a moment of its own.

Scrapes are missed, series come and go with and without a staleness marker, counters start again, targets are scraped at
phases and intervals of their own or follow none; values are small, decimal, huge, tiny, infinite and not a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from common.clock import ManualClock
from common.labels import Labels
from ruler.model.arrays import NAN, STALE, is_stale
from ruler.storage import Appendable
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from tests.ruler.promql.memory_storage import MemoryStorage

Sample = tuple[int, float]

FOREVER = Retention(10**13)
MOST_TICKS = 24
_A_PAGE = 270  # rows, and some more
HOUR = 3_600_000
INTERVALS = (10_000, 15_000, 60_000, 1_000, 100, HOUR)
METRICS = ("requests_total", "errors_total", "temperature", "latency_bucket", "odd.name", "target_info")
CODES = ("200", "500")
JOBS = {"a": "api", "b": "api", "c": "db"}
BOUNDS = (
    ("0.1", "1", "+Inf"),
    ("-1", "0", "0.5", "2", "+Inf"),
    ("1", "+Inf"),
    ("+Inf",),
    ("0.1", "1"),
    ("0.1", "0.10", "1", "Inf"),
    ("0.1", "one", "+Inf"),
    ("0.1", "", "+Inf"),
)

WILD = (
    *(0.0, 1.0, -1.0, -0.0, math.inf, -math.inf, float(NAN), 1e300, -1e300, 1.7e308, 1e-300, 2.3e-308, 1e16, 0.1),
    *(-0.3, float(STALE)),
)
LEVELS = (1.0, 0.0, 2.0, 3.0, 10.0, -5.0, 20.5, 7.0, 100.0, None, float(STALE))
RISES = (0.0, 1.0, 2.0, 5.0, 10.0, 0.25, 17.0, None, math.nan)  # math.nan: begins again


@dataclass(frozen=True, slots=True)
class Target:
    """A Target is a stream: the times of its scrapes and the samples of its series at some of them.

    An `interval` of None is for times that follow no grid.
    """

    name: str
    interval: int | None
    times: tuple[int, ...]
    series: dict[Labels, tuple[Sample, ...]]


@dataclass(frozen=True, slots=True)
class World:
    """A World is targets; `tick` is how far apart most samples are, `length` how long it lasts (ms)."""

    tick: int
    length: int
    targets: tuple[Target, ...]

    def samples(self, base: int = 0) -> dict[Labels, list[Sample]]:
        """Every series' samples, staleness markers included, in a world that begins at `base`."""
        return {
            labels: [(base + time, value) for time, value in samples]
            for target in self.targets
            for labels, samples in target.series.items()
        }

    def __str__(self) -> str:
        lines = []
        for target in self.targets:
            for labels, samples in target.series.items():
                shown = " ".join(f"{'stale' if stale(value) else value!r}@{time / 1000:g}" for time, value in samples)
                lines.append(f"  {labels} (interval {target.interval}): {shown}")
        return "\n".join(lines)


def stale(value: float) -> bool:
    """Whether the sample is a staleness marker."""
    return value != value and bool(is_stale(np.array([value]))[0])  # noqa: PLR0124  (is it a NaN)


# --- generating -------------------------------------------------------------------------------------------------------


@st.composite
def worlds(draw: st.DrawFn, targets: int = 3) -> World:
    """A world of up to so many targets."""
    tick = draw(st.sampled_from(INTERVALS))
    found = tuple(_target(draw, name, tick) for name in "abc"[: draw(st.integers(1, targets))])
    length = max((target.times[-1] for target in found), default=0)
    return World(tick, length, found)


def _target(draw: st.DrawFn, name: str, tick: int) -> Target:
    interval = None if draw(_sometimes(5)) else tick * (2 if draw(_sometimes(4)) else 1)
    apart = interval or tick
    phase = apart * draw(st.integers(0, 9)) // 10
    count = draw(st.integers(1, MOST_TICKS * tick // apart))
    missed = draw(st.sets(st.integers(0, count - 1), max_size=min(count - 1, 6)))
    jitter = draw(st.lists(st.integers(0, 9), min_size=4, max_size=4)) if interval is None else [0]
    ticks = [place for place in range(count) if place not in missed]
    times = tuple(place * apart + phase + apart * jitter[place % len(jitter)] // 10 for place in ticks)
    series: dict[Labels, tuple[Sample, ...]] = {}
    for labels, shape in _series_of(draw, name):
        samples = tuple(_samples(draw, shape, times))
        if samples:
            series[labels] = samples
    return Target(name, interval, times, series)


def _series_of(
    draw: st.DrawFn, instance: str
) -> Iterator[tuple[Labels, Callable[[st.DrawFn, int], list[float | None]]]]:
    exposed = draw(_some_metrics())
    for metric in METRICS:
        if metric not in exposed:
            continue
        own = {"__name__": metric, "instance": instance, "job": JOBS[instance]}
        if metric in ("requests_total", "errors_total"):
            for code in CODES:
                yield Labels({**own, "code": code}), _counter
        elif metric == "latency_bucket":
            for bound in draw(st.sampled_from(BOUNDS)):
                yield Labels({**own, **({"le": bound} if bound else {})}), _counter
        elif metric == "temperature":
            yield Labels(own), draw(st.sampled_from((_levels, _decimals, _wild)))
        elif metric == "odd.name":
            yield Labels({**own, "odd label": "x y"}), _wild
        else:
            versions = ("1", "2") if draw(_sometimes(4)) else ("1",)
            for version in versions:
                yield Labels({**own, "version": version, "region": f"r{instance}"}), _ones


@cache
def _some_metrics() -> st.SearchStrategy[set[str]]:
    return st.sets(st.sampled_from(METRICS), min_size=1, max_size=5)


@cache
def _sometimes(of: int) -> st.SearchStrategy[bool]:
    """True once in so many times, and false when it does not matter."""
    return st.integers(0, of - 1).map(lambda chance: chance == of - 1)


@cache
def _places(count: int, most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, most), min_size=count, max_size=count)


def _samples(
    draw: st.DrawFn, shape: Callable[[st.DrawFn, int], list[float | None]], times: tuple[int, ...]
) -> Iterator[Sample]:
    ended = True
    for time, value in zip(times, shape(draw, len(times)), strict=True):
        if value is None or (ended and stale(value)):
            continue
        ended = stale(value)
        yield time, value


def _counter(draw: st.DrawFn, count: int) -> list[float | None]:
    values: list[float | None] = []
    level = 0.0
    for place in draw(_places(count, len(RISES) - 1)):
        rise = RISES[place]
        if rise is None:
            values.append(None)
            continue
        level = 1.0 if math.isnan(rise) else level + rise
        values.append(level)
    return values


def _levels(draw: st.DrawFn, count: int) -> list[float | None]:
    return [LEVELS[place] for place in draw(_places(count, len(LEVELS) - 1))]


def _decimals(draw: st.DrawFn, count: int) -> list[float | None]:
    return [math.sin(place * 7 + index) * 20 for index, place in enumerate(draw(_places(count, 9)))]


def _wild(draw: st.DrawFn, count: int) -> list[float | None]:
    return [WILD[place] for place in draw(_places(count, len(WILD) - 1))]


def _ones(draw: st.DrawFn, count: int) -> list[float | None]:
    return [1.0] * count


def every_series() -> list[Labels]:
    """All series that any world has, sorted."""
    found: set[Labels] = set()
    for instance, job in JOBS.items():
        own = {"instance": instance, "job": job}
        for code in CODES:
            found |= {Labels({**own, "__name__": name, "code": code}) for name in ("requests_total", "errors_total")}
        for bound in {bound for bounds in BOUNDS for bound in bounds}:
            found.add(Labels({**own, "__name__": "latency_bucket", **({"le": bound} if bound else {})}))
        found.add(Labels({**own, "__name__": "temperature"}))
        found.add(Labels({**own, "__name__": "odd.name", "odd label": "x y"}))
        for version in ("1", "2"):
            found.add(Labels({**own, "__name__": "target_info", "version": version, "region": f"r{instance}"}))
    return sorted(found, key=lambda labels: list(labels.items()))


# --- storing ----------------------------------------------------------------------------------------------------------


def in_lists(world: World, base: int) -> MemoryStorage:
    """The world in the storage made of lists."""
    intervals = {target.interval for target in world.targets}
    interval = intervals.pop() if len(intervals) == 1 else None
    storage = MemoryStorage(interval)
    for target in world.targets:
        for labels, samples in sorted(target.series.items(), key=lambda item: list(item[0].items())):
            storage.put(labels, [(base + time, value) for time, value in samples], stream=target.name)
    return storage


def append(world: World, base: int, storage: Appendable, *, around: int = 0) -> None:
    """Write the world as scrapes would: tick by tick, each target through a stream of its own.

    With `around`, another stream of each interval has so many scrapes before the world and after it.
    """
    known = sorted(
        {labels for target in world.targets for labels in target.series}, key=lambda each: list(each.items())
    )
    ids = dict(zip(known, storage.series(known).tolist(), strict=True))
    scrapes = []
    for target in world.targets:
        stream = storage.stream(target.name, target.interval)
        at = {time: ([], []) for time in target.times}  # type: dict[int, tuple[list[int], list[float]]]
        for labels, samples in target.series.items():
            for time, value in samples:
                at[time][0].append(ids[labels])
                at[time][1].append(value)
        for time, (series, values) in at.items():
            due = time if target.interval is None else time // target.interval * target.interval
            scrapes.append((base + due, base + time, target.name, stream, series, values))
    other = storage.series([Labels({"__name__": "other"})]).tolist()
    for interval in {target.interval for target in world.targets if around}:
        stream, apart = storage.stream(f"other {interval}", interval), interval or world.tick
        for place in (*range(-around, 0), *range(MOST_TICKS + 1, MOST_TICKS + around)):
            due = base + place * apart
            scrapes.append((due, due, "other", stream, other, [1.0]))
    for due, time, _, stream, series, values in sorted(scrapes, key=lambda each: each[:3]):
        appended = stream.append(due, time, np.array(series, dtype=np.int64), np.array(values))
        assert not appended.refused, (due, time, appended)


@contextmanager
def stored(world: World, base: int) -> Iterator[DB]:
    """A database in memory that has been given the world."""
    db = DB.open(None, retention=FOREVER)
    append(world, base, db)
    with closing(db):
        yield db


@contextmanager
def sealed(world: World, base: int, path: Path) -> Iterator[DB]:
    """A database that was closed and opened again, with a part of the world sealed into chunks.

    What each ring of pages gets before and after has its pages end within the world and after it.
    """
    clock = ManualClock(base)
    with closing(DB.open(path, retention=FOREVER, clock=clock)) as db:
        append(world, base, db, around=_A_PAGE)
        for hours in range(1, 5):
            db.maintain(base + world.length + 24 * HOUR * hours)
    with closing(DB.open(path, retention=FOREVER, clock=clock)) as db:
        yield db
