"""How much disk a config takes: series × what is kept of each × the bytes of one, and what comes on top.

Pure arithmetic over figures that stand here, in one place, with where they come from. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ruler.tsdb.config import FOREVER, Archive, Retention
from ruler.tsdb.keep.keeper import PARTS_KEPT
from ruler.tsdb.keep.mergeable import MERGED_ROWS
from ruler.tsdb.write.ring import MAX_ROWS, MIN_ROWS, PAGE_SPAN, PAGES_KEPT

MERGED_SAMPLE = 0.6  # bytes of a sample in a merged chunk, labels included; node_exporter, see docs/storage.md
SEALED_SAMPLE = 1.5  # the same in a chunk that was sealed and is not merged yet
BUCKET = 5.3  # bytes of a bucket with its six numbers; node_exporter: 4.2 at 5m, and 5.3 at 1h in chunks of 8 days
SERIES = 120.0  # bytes of the labels of a series in series.log, both copies

CELL, ENTRY = 8, 16  # bytes of a page for each series, and for each stream, of a row
PAGES_HELD = 2  # one that is being written, and one that waits for its seal
SPARE = 1.25  # a page has room for new series
SERIES_PER_STREAM = 20  # few: an exporter has hundreds


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes are the bytes of what is kept."""

    merged_sample: float = MERGED_SAMPLE
    bucket: float = BUCKET
    series: float = SERIES


@dataclass(frozen=True, slots=True)
class Population:
    """A Population is so many series that get a sample every `interval` (ms)."""

    interval: int
    series: int


@dataclass(frozen=True, slots=True)
class Share:
    """A Share is what one resolution (ms of a bucket, 0: raw) of one population takes."""

    resolution: int
    interval: int  # between two samples, or buckets (ms)
    series: int
    kept: int  # ms
    chunk: int  # ms that a whole chunk spans: so much longer the oldest may stay
    each: float  # bytes of a sample, or a bucket

    @property
    def samples(self) -> int:
        """How many of one series there are at most."""
        return -(-(self.kept + self.chunk) // self.interval)

    @property
    def size(self) -> int:
        return self.within(self.kept)

    def within(self, age: int) -> int:
        """The bytes of what is not older than `age` (ms), as whole chunks go."""
        samples = -(-(min(age, self.kept) + self.chunk) // self.interval)
        return round(self.series * samples * self.each)


@dataclass(frozen=True, slots=True)
class Class:
    """A Class is the series for which one rule holds (None: those that no archive matches), and what they take."""

    archive: Archive | None
    shares: tuple[Share, ...]

    @property
    def size(self) -> int:
        return sum(share.size for share in self.shares)


@dataclass(frozen=True, slots=True)
class Footprint:
    """A Footprint is the disk that a config takes, in bytes, at its largest."""

    classes: tuple[Class, ...]
    unmerged: int  # what sealed chunks take more until they are merged
    pages: int
    labels: int
    merging: int  # room for a merged chunk beside those that it will replace

    @property
    def total(self) -> int:
        return self.within(FOREVER)

    @property
    def besides(self) -> int:
        """What no retention makes smaller."""
        return self.unmerged + self.pages + self.labels + self.merging

    def within(self, age: int) -> int:
        """The bytes when nothing older than `age` (ms) is kept."""
        return self.besides + sum(share.within(age) for each in self.classes for share in each.shares)

    def reach(self, size: int) -> int:
        """How old (ms) what is kept in `size` bytes gets: the oldest goes first, whatever it is."""
        low, high = 0, FOREVER
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.within(middle) <= size else (low, middle - 1)
        return low


def footprint(
    archives: Sequence[Archive],
    populations: Sequence[Sequence[Population]],
    retention: Retention,
    sizes: Sizes = Sizes(),
) -> Footprint:
    """What these series take: `populations` has those of each archive's class, in order, and then the rest.

    Where size alone limits the rest, its time is as long as that size lasts.
    """
    rules = [*archives, None]
    classes = tuple(
        Class(rule, tuple(share for each in some for share in _shares(rule, each, retention.time, sizes)))
        for rule, some in zip(rules, populations, strict=True)
    )
    everybody = [each for some in populations for each in some]
    found = Footprint(
        classes,
        unmerged=round(
            sum(each.series * MERGED_ROWS for each in everybody) * max(0, SEALED_SAMPLE - sizes.merged_sample)
        ),
        pages=sum(_pages(each, retention.time) for each in everybody),
        labels=round(2 * sum(each.series for each in everybody) * sizes.series),  # a compaction writes them beside
        merging=round(max((each.series for each in everybody), default=0) * MERGED_ROWS * sizes.merged_sample),
    )
    if retention.time == FOREVER and retention.size is not None:
        reach = found.reach(retention.size)
        limited = tuple(replace(share, kept=min(share.kept, reach)) for share in found.classes[-1].shares)
        return replace(found, classes=(*found.classes[:-1], Class(None, limited)))
    return found


def _shares(archive: Archive | None, population: Population, retention: int, sizes: Sizes) -> list[Share]:
    interval, series = population.interval, population.series
    kept = retention if archive is None else archive.raw
    span = min(MERGED_ROWS * interval, kept // PARTS_KEPT)
    shares = [Share(0, interval, series, kept, span, sizes.merged_sample)]
    for bucket, longer in () if archive is None else archive.resolutions:
        span = min(MERGED_ROWS * bucket, longer // PARTS_KEPT)
        shares.append(Share(bucket, bucket, series, longer, span, sizes.bucket))
    return shares


def _pages(population: Population, retention: int) -> int:
    rows = min(max(min(PAGE_SPAN, retention // PAGES_KEPT) // population.interval, MIN_ROWS), MAX_ROWS)
    cells = CELL * population.series * SPARE
    entries = ENTRY * population.series / SERIES_PER_STREAM * SPARE
    return round(PAGES_HELD * rows * (cells + entries))
