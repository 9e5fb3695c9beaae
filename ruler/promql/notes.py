"""The warnings and infos of a query (PromQL's annotations): each text once, with the place it is about."""

from __future__ import annotations

import math

from common.labels import quote
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


def invalid_quantile(value: float) -> str:
    return f"{INVALID_QUANTILE}, got {short_number(value)}"


def named(note: str, metric: str) -> str:
    """The note with the metric it is about, if that has a name."""
    return f"{note} for metric name {quote(metric)}" if metric else note


def short_number(value: float) -> str:
    """A number as Go's `%g` writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    shortest = min((f"{value:.{places}e}" for places in range(18)), key=lambda text: (float(text) != value, len(text)))
    mantissa, _, power = shortest.partition("e")
    if -4 <= int(power) < 6:
        places = max(len(mantissa.lstrip("-").replace(".", "")) - 1 - int(power), 0)
        return f"{value:.{places}f}"
    return f"{mantissa}e{power}"
