"""What the formats share: series, lines that cannot be read, and samples put in order."""

from __future__ import annotations

import numpy as np

from common.errors import TocsinError
from ruler.storage import Imported, Importer, SeriesSamples

__all__ = ["BadLine", "Imported", "Importer", "SeriesSamples", "distinct", "shown"]

SHOWN = 80  # characters of an offending value that an error repeats


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
