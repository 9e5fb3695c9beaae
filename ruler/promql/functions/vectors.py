"""Functions between vectors and scalars, of absence, and of order."""

from __future__ import annotations

import functools
import re

import numpy as np

from common.labels import METRIC_NAME
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.model.matcher import MatchOp
from ruler.model.table import LabelTable
from ruler.promql.ast import Call, Expr, MatrixSelector, VectorSelector
from ruler.promql.columns import label_order
from ruler.promql.frame import Frame, Grid, Value, empty_frame, unlabelled_frame
from ruler.promql.functions import arithmetic
from ruler.promql.notes import SORT_IN_RANGE
from ruler.promql.scope import Run, Scope
from ruler.promql.sweep import swept
from ruler.promql.walk import bare


def pi(scope: Scope, call: Call, grid: Grid) -> Value:
    return np.array([np.pi])


def of_query(kind: str) -> Run:
    """A scalar that says how the query is asked: its `start`, `end`, `range` or `step` (s)."""

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        start, end, step = scope.asked
        return np.array([{"start": start, "end": end, "range": end - start, "step": step}[kind] / 1000])

    return run


def lesser(scope: Scope, call: Call, grid: Grid) -> Value:
    return arithmetic.lesser(scope.scalar(call.args[0], grid), scope.scalar(call.args[1], grid))


def greater(scope: Scope, call: Call, grid: Grid) -> Value:
    return arithmetic.greater(scope.scalar(call.args[0], grid), scope.scalar(call.args[1], grid))


def vector(scope: Scope, call: Call, grid: Grid) -> Value:
    return unlabelled_frame(scope.scalar(call.args[0], grid), scope.strings)


def scalar(scope: Scope, call: Call, grid: Grid) -> Value:
    """The value of the only series at each step, NaN where there is not exactly one."""
    frame = scope.vector(call.args[0], grid)
    if frame.series == 0:
        return np.array([np.nan])
    if frame.present is None:
        return frame.values[:, 0] if frame.series == 1 else np.array([np.nan])
    mask = frame.present
    only = mask.sum(axis=1) == 1
    values = np.broadcast_to(frame.values, mask.shape)
    return np.where(only, values[np.arange(len(mask)), mask.argmax(axis=1)], np.nan)


def clamp(scope: Scope, call: Call, grid: Grid) -> Value:
    """Values brought between two scalars; nothing at the steps where those are the wrong way round."""
    frame = scope.vector(call.args[0], grid)
    low, high = (scope.scalar(arg, grid)[:, np.newaxis] for arg in call.args[1:])
    values = arithmetic.greater(low, arithmetic.lesser(high, frame.values))
    empty = high < low
    if not empty.any():
        present = None if frame.present is None else np.broadcast_to(frame.present, values.shape)
        return frame.with_values(values, present, drop=True)
    return frame.with_values(values, np.broadcast_to(frame.mask & ~empty, values.shape), drop=True).pruned()


def of_native_histograms(scope: Scope, call: Call, grid: Grid) -> Value:
    """What is asked of native histograms alone: nothing, as none are stored."""
    scope.vector(call.args[0], grid)
    return empty_frame(scope.strings)


def absent(scope: Scope, call: Call, grid: Grid) -> Value:
    frame = scope.vector(call.args[0], grid)
    found: BoolArray = np.any(frame.mask, axis=1)
    return _absence(scope, call.args[0], found)


def absent_over_time(scope: Scope, call: Call, grid: Grid) -> Value:
    ranged = scope.ranged(call.args[0], grid)
    values, present = swept(scope, ranged, "present_over_time")
    seen = np.ones(values.shape, dtype=np.bool_) if present is None else present
    found: BoolArray = np.any(seen, axis=1)
    return _absence(scope, call.args[0], found)


def _absence(scope: Scope, argument: Expr, found: BoolArray) -> Frame:
    """1 wherever nothing was found, with the labels that the selector asked for by their value."""
    argument = bare(argument)
    selector = argument.selector if isinstance(argument, MatrixSelector) else argument
    labels: dict[str, str] = {}
    met: set[str] = set()
    if isinstance(selector, VectorSelector):
        for matcher in selector.matchers:
            if matcher.op is MatchOp.EQUAL and matcher.name not in met and matcher.name != METRIC_NAME:
                labels[matcher.name] = matcher.value
                met.add(matcher.name)
            else:
                labels.pop(matcher.name, None)
    names = tuple(sorted(labels))
    codes = np.array([[scope.strings.code(labels[name]) for name in names]], dtype=np.int32)
    plain = unlabelled_frame(np.ones(len(found)), scope.strings, ~found)
    return Frame(LabelTable(names, codes, scope.strings), plain.values, plain.present, plain.drop).pruned()


def sort(*, descending: bool) -> Run:
    """By value; NaN comes last."""

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        frame = scope.vector(call.args[0], grid)
        if not grid.instant:
            scope.notes.warn(SORT_IN_RANGE, call)
            return frame
        frame = frame.pruned()
        keys: FloatArray = -frame.values[0] if descending else frame.values[0]
        return frame.take(np.argsort(keys, kind="stable"))

    return run


def sort_by_label(*, descending: bool) -> Run:
    """By the natural order of the labels named, then by all labels."""

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        frame = scope.vector(call.args[0], grid)
        if not grid.instant:
            scope.notes.warn(SORT_IN_RANGE, call)
            return frame
        names = [scope.text(arg) for arg in call.args[1:]]
        place = np.empty(frame.series, dtype=np.int64)
        place[label_order(frame.table, scope.limits.check)] = np.arange(frame.series)
        keys = [place, *(_natural_ranks(frame.table, name) for name in reversed(names))]
        order = np.lexsort([-key for key in keys] if descending else keys)
        return frame.take(order)

    return run


def _natural_ranks(table: LabelTable, name: str) -> IntArray:
    distinct, inverse = np.unique(table.column(name), return_inverse=True)
    texts = [table.strings.text(code) for code in distinct.tolist()]
    rank = np.empty(len(texts), dtype=np.int64)
    rank[sorted(range(len(texts)), key=lambda index: _natural(texts[index]))] = np.arange(len(texts))
    return rank[inverse]


_RUNS = re.compile(r"\d+|\D+")


@functools.cmp_to_key
def _natural(left: str, right: str) -> int:
    """Runs of digits compare as numbers, all else as text."""
    ours, theirs = _RUNS.findall(left), _RUNS.findall(right)
    for mine, other in zip(ours, theirs, strict=False):
        if mine == other:
            continue
        if mine.isdigit() and other.isdigit() and int(mine) != int(other):
            return -1 if int(mine) < int(other) else 1
        return -1 if mine < other else 1
    return len(ours) - len(theirs)
