"""The warnings and infos of a query (PromQL's annotations), with Prometheus's words: each text once, with its place.

As there, the same text from two places is told of the last one, and only so many are told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.durations import format_duration
from common.labels import quote
from ruler.model.golang import format_float
from ruler.promql.ast import Node, Paren, Subquery

INVALID_QUANTILE = "quantile value should be between 0 and 1"
NOT_A_COUNTER = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
NOT_MONOTONIC = (
    "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/"
    "latest/querying/functions/#histogram_quantile)"
)
OVERLAPPING = "sample has start time that overlaps with previous sample timestamp for metric"
SORT_IN_RANGE = "sort is ineffective for range queries since results are always ordered by labels"

_MOST = 10  # of a kind are told


@dataclass(frozen=True, slots=True)
class Repairs:
    """Repairs are what was done to the buckets of histograms to make them rise: where, how much, how often, when (ms).

    Those of the same text are told as one.
    """

    lowest: float
    highest: float
    most: float
    count: int
    first: int
    last: int

    def __or__(self, other: Repairs) -> Repairs:
        return Repairs(
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            max(self.most, other.most),
            self.count + other.count,
            min(self.first, other.first),
            max(self.last, other.last),
        )

    def __str__(self) -> str:
        return (
            f", from buckets {format_float(self.lowest, 'g')} to {format_float(self.highest, 'g')}, with a max diff of "
            f"{format_float(self.most, 'g', 2)}, over {self.count} samples from {_utc(self.first)} to {_utc(self.last)}"
        )


class Notes:
    """Notes collect what a query has to tell beside its result; `text` is the query, for the places."""

    __slots__ = ("_infos", "_repairs", "_text", "_warnings", "silent")

    def __init__(self, text: str) -> None:
        self._text, self.silent = text, True
        self._warnings: dict[str, Node] = {}
        self._infos: dict[str, Node] = {}
        self._repairs: dict[str, Repairs] = {}

    def warn(self, note: str, node: Node) -> None:
        self._warnings[note], self.silent = node, False

    def info(self, note: str, node: Node) -> None:
        self._infos[note], self.silent = node, False

    def repaired(self, note: str, node: Node, repairs: Repairs) -> None:
        """An info with what was repaired, added to what is known of the same text; that keeps its place."""
        known = self._repairs.get(note)
        self._repairs[note] = repairs if known is None else known | repairs
        self._infos.setdefault(note, node)
        self.silent = False

    @property
    def warnings(self) -> tuple[str, ...]:
        told = (f"PromQL warning: {note}{self._place(node)}" for note, node in self._warnings.items())
        return _some(tuple(told), "warning")

    @property
    def infos(self) -> tuple[str, ...]:
        told = (
            f"PromQL info: {note}{self._repairs.get(note, '')}{self._place(node)}" for note, node in self._infos.items()
        )
        return _some(tuple(told), "info")

    def _place(self, node: Node) -> str:
        """Line and column, which counts bytes as Prometheus does."""
        if not self._text:
            return ""
        while isinstance(node, Paren):
            node = node.expr
        if isinstance(node, Subquery):
            return " (1:1)"  # Prometheus evaluates it first, and forgets where it stood
        before = self._text[: node.start]
        column = len(before[before.rfind("\n") + 1 :].encode(errors="surrogatepass")) + 1
        return f" ({before.count(chr(10)) + 1}:{column})"


def _some(told: tuple[str, ...], kind: str) -> tuple[str, ...]:
    left_out = len(told) - _MOST
    return told if left_out <= 0 else (*told[:_MOST], f"{left_out} more {kind} annotations omitted")


def from_archive(until: int, size: int) -> str:
    """That samples up to a time (ms) are buckets of `size` ms."""
    return f"samples before {_utc(until)} are read from the {format_duration(size)} archive"


def invalid_quantile(value: float) -> str:
    return f"{INVALID_QUANTILE}, got {format_float(value, 'g')}"


def invalid_ratio(value: float) -> str:
    capped = 1 if value > 0 else -1
    return f"ratio value should be between -1 and 1, got {format_float(value, 'g')}, capping to {capped}"


def named(note: str, metric: str) -> str:
    """The note with the metric it is about, if that has a name."""
    return f"{note} for metric name {quote(metric)}" if metric else note


def _utc(milliseconds: int) -> str:
    seconds = abs(milliseconds) // 1000 * (-1 if milliseconds < 0 else 1)
    return f"{np.datetime64(seconds, 's')}Z"
