"""A storage made of lists: the obvious implementation of the seam, for tests of what stands above it.

Samples are put under a stream's name; each stream becomes a column of times, each series a column of values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from common.labels import Labels
from ruler.model.arrays import ABSENT, NAN, absent
from ruler.model.matcher import Matcher
from ruler.model.table import LabelTable, StringPool, table_of
from ruler.storage import Block, Look, Selection

Sample = tuple[int, float]


@dataclass
class MemoryStorage:
    """A MemoryStorage holds each series' samples as a list. With `interval` its blocks are on a tick grid."""

    interval: int | None = None
    strings: StringPool = field(default_factory=StringPool)
    series: dict[Labels, list[Sample]] = field(default_factory=dict)
    stream: dict[Labels, str] = field(default_factory=dict)
    starts: dict[Labels, dict[int, int]] = field(default_factory=dict)

    def put(
        self, labels: Labels, samples: Sequence[Sample], stream: str = "", starts: Mapping[int, int] | None = None
    ) -> None:
        """Add samples of a series, in the order of their times; `starts` are start times, by the samples' times."""
        if starts:
            self.starts.setdefault(labels, {}).update(starts)
        self.series.setdefault(labels, []).extend(samples)
        self.series[labels].sort(key=lambda sample: sample[0])
        self.stream.setdefault(labels, stream)

    def _matching(self, matchers: Sequence[Matcher]) -> list[Labels]:
        return [
            labels
            for labels in self.series
            if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
        ]

    def cells(self, matchers: Sequence[Matcher], start: int, end: int) -> int:
        return sum(len(block.values) * len(block.rows) for block in self.select(matchers, start, end).blocks)

    def tables(self, matchers: Sequence[Matcher], start: int, end: int) -> LabelTable:
        return self.select(matchers, start - 1, end).table

    def select(
        self,
        matchers: Sequence[Matcher],
        start: int,
        end: int,
        look: Look | None = None,
        hold: Callable[[int], None] | None = None,
    ) -> Selection:
        found = {
            labels: within
            for labels in self._matching(matchers)
            if (within := [sample for sample in self.series[labels] if start < sample[0] <= end])
        }
        table = table_of(list(found), self.strings)
        blocks = (self._block(found),) if found else ()
        if hold is not None:
            hold(sum(len(block.values) * len(block.rows) for block in blocks))
        return Selection(table, blocks)

    def _block(self, found: dict[Labels, list[Sample]]) -> Block:
        streams = sorted({self.stream[labels] for labels in found})
        ticks = {
            stream: self._ticks(
                {time for labels in found if self.stream[labels] == stream for time, _ in found[labels]}
            )
            for stream in streams
        }
        base, rows = self._grid(ticks)
        height = max((row for taken in rows.values() for row in taken.values()), default=-1) + 1
        times = np.full((height, len(streams)), np.iinfo(np.int64).min, dtype=np.int64)
        for place, stream in enumerate(streams):
            for time, row in rows[stream].items():
                times[row, place] = time
        np.maximum.accumulate(times, axis=0, out=times)
        values, starts = absent(height, len(found)), np.zeros((height, len(found)), dtype=np.int64)
        for column, (labels, samples) in enumerate(found.items()):
            for time, value in samples:
                values[rows[self.stream[labels]][time], column] = value
                starts[rows[self.stream[labels]][time], column] = self.starts.get(labels, {}).get(time, 0)
        return Block(
            rows=np.arange(len(found)),
            cells=values,
            times=times,
            stream_of=np.array([streams.index(self.stream[labels]) for labels in found], dtype=np.int32),
            tick=None if self.interval is None else (base, self.interval),
            starts=starts if starts.any() else None,
        )

    @staticmethod
    def _ticks(times: set[int]) -> list[int]:
        return sorted(times)

    def _grid(self, ticks: dict[str, list[int]]) -> tuple[int, dict[str, dict[int, int]]]:
        """The row of each time of each stream: its tick's number, or its place among the stream's times."""
        if self.interval is None:
            return 0, {stream: {time: row for row, time in enumerate(times)} for stream, times in ticks.items()}
        base = min(times[0] for times in ticks.values()) // self.interval * self.interval
        rows = {stream: {time: (time - base) // self.interval for time in times} for stream, times in ticks.items()}
        for stream, taken in rows.items():
            if len(set(taken.values())) < len(taken):
                message = f"stream {stream!r} has two samples in one interval"
                raise ValueError(message)
        return base, rows


def row_at(times: Sequence[int], moment: int) -> int:
    """How many of these times are not after the moment."""
    return bisect_right(times, moment)


__all__ = ["ABSENT", "NAN", "MemoryStorage", "Sample", "row_at"]
