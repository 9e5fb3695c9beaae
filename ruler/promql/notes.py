"""The warnings and infos of a query (PromQL's annotations): each text once, with the place it is about."""

from __future__ import annotations

from datetime import UTC, datetime

from common.durations import format_duration
from common.labels import quote
from ruler.model.golang import format_float
from ruler.promql.ast import Node

INVALID_QUANTILE = "quantile value should be between 0 and 1"
NOT_A_COUNTER = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
SORT_IN_RANGE = "sort is ineffective for range queries since results are always ordered by labels"


class Notes:
    """Notes collect what a query has to tell beside its result; `text` is the query, for the places."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._warnings: dict[str, None] = {}
        self._infos: dict[str, None] = {}

    def warn(self, note: str, node: Node) -> None:
        self._warnings[f"PromQL warning: {note}{self._place(node)}"] = None

    def info(self, note: str, node: Node) -> None:
        self._infos[f"PromQL info: {note}{self._place(node)}"] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    @property
    def infos(self) -> tuple[str, ...]:
        return tuple(self._infos)

    def _place(self, node: Node) -> str:
        if not self._text:
            return ""
        before = self._text[: node.span.start]
        line_start = before.rfind("\n") + 1
        return f" ({before.count(chr(10)) + 1}:{len(before) - line_start + 1})"


def from_archive(until: int, size: int) -> str:
    """That samples up to a time (ms) are buckets of `size` ms."""
    moment = datetime.fromtimestamp(until // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"samples before {moment} are read from the {format_duration(size)} archive"


def invalid_quantile(value: float) -> str:
    return f"{INVALID_QUANTILE}, got {format_float(value, 'g')}"


def named(note: str, metric: str) -> str:
    """The note with the metric it is about, if that has a name."""
    return f"{note} for metric name {quote(metric)}" if metric else note
