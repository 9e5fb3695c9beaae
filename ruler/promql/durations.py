"""Arithmetic on durations → milliseconds, once it is known from when to when and how finely a query runs.

What comes out holds no DurationExpr.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from common.errors import ParseError
from ruler.promql.ast import DurationExpr, DurationTerm, Expr, Extent, MatrixSelector, Number, Subquery, VectorSelector
from ruler.promql.cursor import LONGEST_SECONDS
from ruler.promql.walk import mapped, nodes

_ARITHMETIC: Final[dict[str, Callable[[np.float64, np.float64], np.float64]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "min_of": np.minimum,
    "max_of": np.maximum,
}
_BY_ZERO: Final = {"/": "division by zero", "%": "modulo by zero"}


def resolved(expr: Expr, start: int, end: int, step: int, text: str = "") -> Expr:
    """`expr` with every duration in ms, for a query from `start` to `end` (ms), `step` apart (0: an instant).

    Raises ParseError, with a place in `text`.
    """
    with np.errstate(all="ignore"):
        resolution = _Resolution({"step": step / 1000, "range": (end - start) / 1000}, text)
        return mapped(expr, resolution.of)


def holds_arithmetic(expr: Expr) -> bool:
    """Whether there is arithmetic on durations in `expr`."""
    return any(isinstance(each, DurationExpr) for node in nodes(expr) for each in _extents(node))


def _extents(node: Expr) -> tuple[Extent | None, ...]:
    if isinstance(node, VectorSelector):
        return (node.offset,)
    if isinstance(node, MatrixSelector):
        return (node.range,)
    return (node.range, node.step, node.offset) if isinstance(node, Subquery) else ()


class _Resolution:
    """A Resolution knows the seconds that `step()` and `range()` stand for in one query."""

    def __init__(self, of_the_query: dict[str, float], text: str) -> None:
        self._of_the_query = of_the_query
        self._text = text

    def of(self, node: Expr) -> Expr:
        """A node with its durations in ms, those of its children being so."""
        if isinstance(node, VectorSelector):
            return self._selector(node)
        if isinstance(node, MatrixSelector):
            return node.replaced(selector=self._selector(node.selector), range=self._positive(node.range))
        if isinstance(node, Subquery):
            offset = self._milliseconds(node.offset)
            step = None if node.step is None else self._positive(node.step)
            return node.replaced(range=self._positive(node.range), step=step, offset=offset)
        return node

    def _selector(self, selector: VectorSelector) -> VectorSelector:
        return selector.replaced(offset=self._milliseconds(selector.offset))

    def _positive(self, extent: Extent) -> int:
        milliseconds = self._milliseconds(extent)
        if milliseconds <= 0 and isinstance(extent, DurationExpr):
            raise self._error("duration must be greater than 0", extent)
        return milliseconds

    def _milliseconds(self, extent: Extent) -> int:
        if isinstance(extent, int):
            return extent
        seconds = self._seconds(extent)
        if not np.isfinite(seconds):
            raise self._error("duration is NaN or infinite", extent)
        if abs(seconds) > LONGEST_SECONDS:
            raise self._error("duration is out of range", extent)
        return int(seconds * 1000)

    def _seconds(self, term: DurationTerm) -> np.float64:
        chain: list[DurationExpr] = []
        while isinstance(term, DurationExpr) and term.left is not None:
            chain.append(term)
            term = term.left
        value = self._leaf(term)
        for node in reversed(chain):
            value = self._applied(node, value)
        return value

    def _leaf(self, term: DurationTerm) -> np.float64:
        if isinstance(term, Number):
            return np.float64(term.value)
        if term.right is None:
            return np.float64(self._of_the_query[term.op])
        return -self._seconds(term.right)

    def _applied(self, node: DurationExpr, left: np.float64) -> np.float64:
        right = np.float64(0) if node.right is None else self._seconds(node.right)
        if right == 0 and node.op in _BY_ZERO:
            raise self._error(_BY_ZERO[node.op], node)
        return _ARITHMETIC[node.op](left, right)

    def _error(self, problem: str, node: DurationExpr) -> ParseError:
        return ParseError(problem, text=self._text, position=node.start)
