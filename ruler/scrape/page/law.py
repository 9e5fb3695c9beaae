"""What the values of an OpenMetrics page have to be, given its lines: counts not negative, states 0 or 1.

A Law is made when lines are new and asked at every scrape, in a few steps of C; it knows places and numbers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from common.textformat import MetricType
from ruler.model.arrays import BoolArray, CodeArray, FloatArray

COUNTS: Final = "a count or a sum must be a number and not negative"
QUANTILES: Final = "the value of a quantile must not be negative"
STATES: Final = "the value of a state must be 0 or 1"
INFOS: Final = "the value of an info must be 1"


@dataclass(frozen=True, slots=True)
class Law:
    """A Law is which values of a page must be what, by place; `bears` has a 1 for each that may have an exemplar."""

    counts: CodeArray
    quantiles: CodeArray
    states: CodeArray
    infos: CodeArray
    bears: bytes

    def broken(self, values: FloatArray) -> tuple[int, str] | None:
        """The place of a value that breaks it, and why; None where none does."""
        if (
            (not len(self.counts) or values.take(self.counts).min() >= 0)  # a NaN is the least
            and not (len(self.quantiles) and (values[self.quantiles] < 0).any())
            and (not len(self.infos) or (values[self.infos] == 1).all())
            and (not len(self.states) or _binary(values[self.states]).all())
        ):
            return None
        checks = (
            (self.counts, values[self.counts] >= 0, COUNTS),
            (self.quantiles, ~(values[self.quantiles] < 0), QUANTILES),
            (self.states, _binary(values[self.states]), STATES),
            (self.infos, values[self.infos] == 1, INFOS),
        )
        return next((int(places[~fine][0]), why) for places, fine, why in checks if not fine.all())


@dataclass(frozen=True, slots=True)
class Block:
    """A Block is what is known of some lines of a page that were judged: their law, by places among their samples.

    `kind` is the type that they stand under, `described` the names of their metadata, `declared` these and what their
    types make of them, `sampled` the names of families that have samples; `plain` that no line looks like two.
    """

    kind: MetricType
    law: Law
    described: frozenset[str]
    declared: frozenset[str]
    sampled: frozenset[str]
    plain: bool


def joined(laws: Sequence[Law]) -> Law:
    """The law of a page whose parts have these."""
    offsets = np.cumsum([0, *(len(law.bears) for law in laws)])

    def all_of(parts: Iterable[CodeArray]) -> CodeArray:
        moved = [part + offset for part, offset in zip(parts, offsets.tolist(), strict=False) if len(part)]
        return np.concatenate(moved).astype(np.int32) if moved else _places([])

    return Law(
        all_of(law.counts for law in laws),
        all_of(law.quantiles for law in laws),
        all_of(law.states for law in laws),
        all_of(law.infos for law in laws),
        b"".join(law.bears for law in laws),
    )


@dataclass(slots=True)
class Articles:
    """Articles are a Law being written, line by line."""

    counts: list[int] = field(default_factory=list)
    quantiles: list[int] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    infos: list[int] = field(default_factory=list)
    bears: bytearray = field(default_factory=bytearray)

    def law(self) -> Law:
        """The Law."""
        return Law(
            _places(self.counts),
            _places(self.quantiles),
            _places(self.states),
            _places(self.infos),
            bytes(self.bears),
        )


def _binary(values: FloatArray) -> BoolArray:
    return np.isin(values, (0, 1))


def _places(places: Sequence[int]) -> CodeArray:
    return np.array(places, dtype=np.int32)
