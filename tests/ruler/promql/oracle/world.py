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
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from common.clock import ManualClock
from common.labels import Labels
from ruler.model.arrays import NAN, STALE, is_stale
from ruler.storage import Appendable, Stream
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
CODES = ("200", "500", *(str(code) for code in range(201, 235)))  # mostly the first two
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

    An `interval` of None is for times that follow no grid. Another target has the series of one that `ends`.
    """

    name: str
    interval: int | None
    times: tuple[int, ...]
    series: dict[Labels, tuple[Sample, ...]]
    ends: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """A World is targets; `tick` is how far apart most samples are, `length` how long it lasts (ms)."""

    tick: int
    length: int
    targets: tuple[Target, ...]

    def samples(self, base: int = 0) -> dict[Labels, list[Sample]]:
        """Every series' samples, staleness markers included, in a world that begins at `base`."""
        found: dict[Labels, list[Sample]] = {}
        for target in self.targets:
            for labels, samples in target.series.items():
                found.setdefault(labels, []).extend((base + time, value) for time, value in samples)
        return found

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
    found = [_target(draw, name, tick) for name in "abc"[: draw(st.integers(1, targets))]]
    length = max((target.times[-1] for target in found), default=0)
    if draw(_sometimes(6)):
        found[:1] = _parted(found[0], draw(st.integers(0, MOST_TICKS)) * tick, draw(st.sampled_from((None, 2 * tick))))
    return World(tick, length, tuple(found))


def _parted(target: Target, at: int, interval: int | None) -> tuple[Target, ...]:
    """The target until some moment, and from then on another that has its series."""
    parts = []
    for name, of, within in ((target.name, target.interval, range(at)), ("moved", interval, range(at, 1 << 40))):
        series = {
            labels: some
            for labels, samples in target.series.items()
            if (some := tuple(sample for sample in samples if sample[0] in within))
        }
        times = tuple(time for time in target.times if time in within)
        slots = [time // of for time in times] if of else []
        gridded = of if len(slots) == len(set(slots)) else None
        parts.append(Target(name, gridded, times, series, ends=name == target.name))
    return tuple(parts)


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
            for code in CODES if draw(_sometimes(8)) else CODES[:2]:
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
    intervals = {None if target.name == "moved" else target.interval for target in world.targets}
    interval = intervals.pop() if len(intervals) == 1 else None
    storage = MemoryStorage(interval)
    for target in world.targets:
        for labels, samples in sorted(target.series.items(), key=lambda item: list(item[0].items())):
            storage.put(labels, [(base + time, value) for time, value in samples], stream=target.name)
    return storage


class _Scrape(NamedTuple):
    """A _Scrape is one call of a stream; after its `last` one the stream is closed."""

    due: int
    time: int
    name: str
    stream: Stream
    series: list[int]
    values: list[float]
    last: bool = False


def append(world: World, base: int, storage: Appendable, *, around: int = 0) -> None:
    """Write the world as scrapes would: tick by tick, each target through a stream of its own.

    With `around`, another stream of each interval has so many scrapes before the world and after it.
    """
    scrapes = [scrape for target in world.targets for scrape in _scrapes(target, base, storage)]
    other = storage.series([Labels({"__name__": "other"})]).tolist()
    for interval in {target.interval for target in world.targets if around}:
        stream, apart = storage.stream(f"other {interval}", interval), interval or world.tick
        for place in (*range(-around, 0), *range(MOST_TICKS + 1, MOST_TICKS + around)):
            due = base + place * apart
            scrapes.append(_Scrape(due, due, "other", stream, other, [1.0]))
    for scrape in sorted(scrapes, key=lambda each: each[:3]):
        series, values = np.array(scrape.series, dtype=np.int64), np.array(scrape.values)
        appended = scrape.stream.append(scrape.due, scrape.time, series, values)
        assert not appended.refused, (scrape, appended)
        if scrape.last:
            scrape.stream.close(None)


def _scrapes(target: Target, base: int, storage: Appendable) -> Iterator[_Scrape]:
    stream = storage.stream(target.name, target.interval)
    known = sorted(target.series, key=lambda labels: list(labels.items()))
    ids = dict(zip(known, storage.series(known).tolist(), strict=True))
    for time in target.times:
        due = time if target.interval is None else time // target.interval * target.interval
        found = [(ids[labels], value) for labels in known for when, value in target.series[labels] if when == time]
        series, values = [number for number, _ in found], [value for _, value in found]
        last = target.ends and time == target.times[-1]
        yield _Scrape(base + due, base + time, target.name, stream, series, values, last)


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
