"""What travels between a database and a file: the samples of one series, and what became of them.

In what a database gives, and in what an Importer is given, times ascend and none comes twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from common.errors import TocsinError
from common.labels import Labels
from ruler.model.arrays import FloatArray, IntArray

SHOWN = 80  # characters of an offending value that an error repeats


@dataclass(frozen=True, slots=True)
class SeriesSamples:
    """SeriesSamples are samples of one series: `values[i]` at `times[i]` (ms). Values may be NAN, ±Inf and STALE."""

    labels: Labels
    times: IntArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.times)

    def from_row(self, first: int, last: int) -> SeriesSamples:
        """Only the samples from place `first` up to place `last`."""
        return SeriesSamples(self.labels, self.times[first:last], self.values[first:last])


@dataclass(frozen=True, slots=True)
class Imported:
    """Imported is what became of samples: stored, or refused for a reason.

    A duplicate has a time that its series has a sample for; `too_old` is beyond the retention, `future` too far ahead,
    and `limited` are samples of new series beyond the limit of series.
    """

    stored: int = 0
    duplicate: int = 0
    too_old: int = 0
    future: int = 0
    limited: int = 0

    def __add__(self, other: Imported) -> Imported:
        return Imported(
            self.stored + other.stored,
            self.duplicate + other.duplicate,
            self.too_old + other.too_old,
            self.future + other.future,
            self.limited + other.limited,
        )

    @property
    def refused(self) -> dict[str, int]:
        """How many samples were refused, for each reason that there was."""
        reasons = ("duplicate", "too_old", "future", "limited")
        return {reason: count for reason in reasons if (count := getattr(self, reason))}


class Importer(Protocol):
    """Where imported samples go. One call at a time."""

    def put(self, series: Sequence[SeriesSamples]) -> Imported:
        """Store samples of any age; a series may come in several pieces, also of one call."""


class BadLine(TocsinError):  # noqa: N818  (what is wrong, not what to call it)
    """A line of an import that cannot be read; `line` counts from 1."""

    def __init__(self, problem: str, *, line: int) -> None:
        self.problem, self.line = problem, line
        super().__init__(f"line {line}: {problem}")


def shown(value: bytes | str) -> str:
    """A value as errors repeat it."""
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
    return repr(text[:SHOWN]) + ("…" if len(text) > SHOWN else "")


def distinct(series: SeriesSamples) -> SeriesSamples:
    """The samples in the order of their times; where several have one time, the first of them."""
    times = series.times
    if (times[1:] > times[:-1]).all():
        return series
    order = np.argsort(times, kind="stable")
    times = times[order]
    first = np.ones(len(times), dtype=np.bool_)
    np.not_equal(times[1:], times[:-1], out=first[1:])
    return SeriesSamples(series.labels, times[first], series.values[order][first])
