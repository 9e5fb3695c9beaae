"""How times of ours compare with those of others: a ratio above 1 says that we are the faster. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A Row is what a question took (ms), by program."""

    name: str
    took: Mapping[str, float]

    def ratio(self, ours: str, theirs: str) -> float:
        """How many times as long as ours the other took."""
        return self.took[theirs] / self.took[ours]


@dataclass(frozen=True, slots=True)
class Summary:
    """A Summary is the geometric mean of ratios to one other program, and the row where ours does worst."""

    theirs: str
    mean: float
    worst: str
    least: float

    def __str__(self) -> str:
        return f"geometric mean versus {self.theirs} {self.mean:.2f}, worst {self.least:.2f} ({self.worst})"


def summary(rows: Sequence[Row], ours: str, theirs: str) -> Summary:
    """The summary of at least one row."""
    ratios = [row.ratio(ours, theirs) for row in rows]
    least = min(range(len(rows)), key=ratios.__getitem__)
    return Summary(theirs, geometric_mean(ratios), rows[least].name, ratios[least])


def geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))
