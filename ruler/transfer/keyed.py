"""Lines that each hold one sample, `series value time`, to the samples of each series.

What stands before the value is a key: its labels are read once, and looked up from then on. A value that is not there
is a stale marker. Lines of one chunk become one array of values and one of times, cut up by series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from common.labels import Labels
from ruler.model.arrays import STALE_BITS, FloatArray, IntArray
from ruler.model.numbers import parse_values
from ruler.transfer.lines import Batch
from ruler.transfer.series import BadLine, SeriesSamples, shown

MAX_KEYS = 1 << 18  # remembered
MAX_KEY = 1 << 16  # bytes

ReadTimes = Callable[[list[bytes]], IntArray]
AddNumber = Callable[[int], None]
AddText = Callable[[bytes], None]


class Row(NamedTuple):
    """A Row is one line taken apart; no value means that the series ended."""

    key: bytes
    value: bytes
    time: bytes


class Grammar(Protocol):
    """A Grammar reads what the fast path, a split at the last two separators, does not make sense of."""

    separator: bytes

    def row(self, line: bytes, number: int) -> Row | None:
        """The line taken apart, None when it holds no sample; raises BadLine."""

    def labels(self, key: bytes, number: int) -> Labels:
        """What a key says; raises BadLine."""

    def times(self, texts: list[bytes]) -> IntArray:
        """Times in ms; raises ValueError."""


class KeyedLines:
    """KeyedLines remember what the keys of one stream of lines stand for."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._ids: dict[bytes, int] = {}
        self._labels: list[Labels] = []

    def read(self, found: Iterable[Batch]) -> Iterator[SeriesSamples]:
        """The samples of each batch of lines, series by series; raises BadLine, after what came before it."""
        for number, lines in found:
            if len(self._ids) > MAX_KEYS:
                self._ids, self._labels = {}, []
            samples = Samples()
            problem = self._read(lines, number, samples)
            yield from samples.cut(self._labels, self._grammar.times)
            if problem is not None:
                raise problem

    def _read(self, lines: list[bytes], number: int, samples: Samples) -> BadLine | None:
        known, separator = self._ids, self._grammar.separator
        add_id, add_value, add_time, add_line = samples.adders()
        for place, line in enumerate(lines, number):
            try:
                key, value, time = line.rsplit(separator, 2)
                id_ = known[key]
            except (ValueError, KeyError):
                try:
                    row = self._grammar.row(line, place)
                    if row is None:
                        continue
                    key, value, time = row
                    id_ = self._id(key, place)
                except BadLine as error:
                    return error
            add_id(id_)
            add_value(value)
            add_time(time)
            add_line(place)
        return None

    def _id(self, key: bytes, number: int) -> int:
        id_ = self._ids.get(key)
        if id_ is None:
            if len(key) > MAX_KEY:
                raise BadLine(f"labels longer than {MAX_KEY} bytes: {shown(key)}", line=number)
            self._labels.append(self._grammar.labels(key, number))
            id_ = self._ids[key] = len(self._labels) - 1
        return id_


class Samples:
    """Samples are those of one batch of lines, as text, in the order of the lines."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._values: list[bytes] = []
        self._times: list[bytes] = []
        self._lines: list[int] = []

    def adders(self) -> tuple[AddNumber, AddText, AddText, AddNumber]:
        """What takes a sample: the number of its labels, its value, its time, and the number of its line."""
        return self._ids.append, self._values.append, self._times.append, self._lines.append

    def cut(self, labels: Sequence[Labels], read_times: ReadTimes) -> Iterator[SeriesSamples]:
        """The samples series by series, each in the order of its times; raises BadLine, after what came before it."""
        problem: BadLine | None = None
        try:
            times, values = read_times(self._times), _values(self._values)
        except ValueError:
            good, problem = self._first_bad(read_times)
            times, values = read_times(self._times[:good]), _values(self._values[:good])
        ids = np.array(self._ids[: len(times)], dtype=np.int64)
        if len(ids):
            yield from _by_series(ids, times, values, labels)
        if problem is not None:
            raise problem

    def _first_bad(self, read_times: ReadTimes) -> tuple[int, BadLine]:
        """How many samples come before the first whose value or time is no number, and what is wrong with that."""
        for place, (value, time) in enumerate(zip(self._values, self._times, strict=True)):
            try:
                _values([value])
            except ValueError as error:
                return place, BadLine(f"value: {error}", line=self._lines[place])
            try:
                read_times([time])
            except ValueError as error:
                return place, BadLine(f"time: {error}", line=self._lines[place])
        raise AssertionError("numbers that are bad together and good one by one")


def _by_series(ids: IntArray, times: IntArray, values: FloatArray, labels: Sequence[Labels]) -> Iterator[SeriesSamples]:
    rising = (ids[1:] > ids[:-1]) | ((ids[1:] == ids[:-1]) & (times[1:] >= times[:-1]))
    if not rising.all():
        order = np.lexsort((times, ids))
        ids, times, values = ids[order], times[order], values[order]
    bounds = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
    for first, last in pairwise(bounds):
        yield SeriesSamples(labels[int(ids[first])], times[first:last], values[first:last])


def _values(texts: list[bytes]) -> FloatArray:
    if b"" not in texts:
        return parse_values(texts)
    ended = [place for place, text in enumerate(texts) if not text]
    values = parse_values([text or b"0" for text in texts]).copy()
    values.view(np.int64)[ended] = STALE_BITS
    return values
