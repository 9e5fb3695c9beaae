"""The walk over the syntax tree: each node's value at every moment of a grid, as arrays.

A chain of operators is walked without recursion, so its length is not limited by the stack; calls, aggregations and
subqueries nest, as deep as the parser lets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from common.errors import QueryError
from ruler.kernels.series.sorting import rising
from ruler.model.arrays import ABSENT, FloatArray
from ruler.model.table import LabelTable, Overlay, Strings, stacked
from ruler.promql.aggregate import aggregated
from ruler.promql.ast import (
    Aggregation,
    At,
    AtEdge,
    Binary,
    Call,
    Expr,
    Extension,
    MatrixSelector,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    known,
)
from ruler.promql.binary import binary
from ruler.promql.choose import chosen, count_values
from ruler.promql.extended import check_extension
from ruler.promql.frame import Frame, Grid, Value, moments
from ruler.promql.functions import FUNCTIONS
from ruler.promql.limits import Limits
from ruler.promql.notes import Notes, from_archive
from ruler.promql.scope import Ranged
from ruler.promql.stretches import by_stretches
from ruler.promql.sweep import swept
from ruler.promql.walk import bare
from ruler.promql.window import Windows
from ruler.storage import Aspect, Block, Deferred, Lasts, Look, Queryable, Selection

NO_ROWS = np.zeros(0, dtype=np.int64)
MOMENT = 4  # cells that a moment of a subquery takes by itself: its time, its window's edges and rows


class Evaluation:
    """An Evaluation is one query at work: it selects, evaluates and takes notes. It is used once, by one thread."""

    def __init__(
        self,
        storage: Queryable,
        asked: tuple[int, int, int],
        *,
        lookback: int,
        default_step: int,
        limits: Limits,
        notes: Notes,
    ) -> None:
        self.strings: Strings = Overlay(storage.strings)
        self.limits = limits
        self.notes = notes
        self._storage = storage
        self.asked = asked
        self._edges = {AtEdge.START: asked[0], AtEdge.END: asked[1]}
        self._lookback = lookback
        self._default_step = default_step
        self._selections: dict[tuple[object, ...], Selection] = {}

    # --- operators ----------------------------------------------------------------------------------------------------

    def value(self, expr: Expr, grid: Grid) -> Value:
        """The value of an expression at every moment of the grid."""
        if not isinstance(expr, Binary | Unary | Paren):
            return self._operand(expr, grid)
        todo: list[tuple[Expr, bool]] = [(expr, False)]
        values: list[Value] = []
        while todo:
            node, sides_done = todo.pop()
            if isinstance(node, Paren):
                todo.append((node.expr, False))
            elif isinstance(node, Binary):
                if sides_done:
                    self.limits.check()
                    right = values.pop()
                    values.append(self._binary(node, values.pop(), right))
                else:
                    todo += ((node, True), (node.right, False), (node.left, False))
            elif isinstance(node, Unary):
                if sides_done:
                    values.append(_negated(values.pop()) if node.op == "-" else values.pop())
                else:
                    todo += ((node, True), (node.expr, False))
            else:
                values.append(self._operand(node, grid))
        return values.pop()

    def _operand(self, expr: Expr, grid: Grid) -> Value:
        self.limits.check()
        match expr:
            case Number():
                return np.array([expr.value])
            case Text():
                return expr.value
            case VectorSelector():
                return self._selected(expr, grid)
            case Call():
                check_extension(expr)
                run = FUNCTIONS.get(expr.function)
                if run is None:
                    raise QueryError(f"function not supported yet: {expr.function!r}")
                return run(self, expr, grid)
            case Aggregation():
                return self._aggregation(expr, grid)
        raise QueryError(f"a range vector is no operand: {type(expr).__name__}")

    def vector(self, expr: Expr, grid: Grid) -> Frame:
        value = self.value(expr, grid)
        if not isinstance(value, Frame):
            raise QueryError("expected an instant vector")
        return value

    def scalar(self, expr: Expr, grid: Grid) -> FloatArray:
        value = self.value(expr, grid)
        if not isinstance(value, np.ndarray):
            raise QueryError("expected a scalar")
        return value

    def text(self, expr: Expr) -> str:
        expr = bare(expr)
        if not isinstance(expr, Text):
            raise QueryError("expected a string literal")
        return expr.value

    def _binary(self, expr: Binary, left: Value, right: Value) -> Value:
        if isinstance(left, Frame) or isinstance(right, Frame):
            return by_stretches(self.limits, partial(binary, self, expr), left, right)
        return binary(self, expr, left, right)

    def _aggregation(self, expr: Aggregation, grid: Grid) -> Frame:
        if expr.op == "count_values" and expr.param is not None:
            return count_values(self, expr, self.vector(expr.expr, grid), self.text(expr.param))
        param = None if expr.param is None else self.scalar(expr.param, grid)
        frame = self.vector(expr.expr, grid)
        if param is None or expr.op == "quantile":
            return aggregated(self, expr, frame, param)
        return chosen(self, expr, frame, param, grid)

    # --- selectors ----------------------------------------------------------------------------------------------------

    def _ends(self, at: At | None, offset: int, grid: Grid) -> Grid:
        """The moments that a selector looks back from: one for each step, or under `@` a single one."""
        if at is None:
            return grid.moved(offset)
        return Grid((self._edges[at] if isinstance(at, AtEdge) else at) - offset, 1, 1)

    def _select(self, selector: VectorSelector, start: int, end: int, look: Look) -> Selection:
        key = (selector.matchers, start, end, look)
        found = self._selections.get(key)
        if found is None:
            found = self._storage.select(selector.matchers, start, end, look, self.limits.hold)
            self._selections[key] = found
        return found

    def ranged(self, expr: Expr, grid: Grid, aspect: Aspect = Aspect.LAST) -> Ranged:
        """The value of an expression that is a range vector."""
        expr = bare(expr)
        if isinstance(expr, Subquery):
            return self._subquery(expr, grid)
        if not isinstance(expr, MatrixSelector):
            raise QueryError("expected a range vector")
        return self._windows(expr.selector, grid, known(expr.range), aspect, expr.selector.extension)

    def _windows(
        self, selector: VectorSelector, grid: Grid, reach: int, aspect: Aspect, extension: Extension = Extension.NONE
    ) -> Ranged:
        ends = self._ends(selector.at, known(selector.offset), grid)
        back = reach if extension is Extension.NONE else reach + self._lookback
        ahead = self._lookback if extension is Extension.SMOOTHED else 0
        aspect = aspect if extension is Extension.NONE else Aspect.LAST
        look = Look(aspect, back + ahead, grid.step if len(ends) > 1 else 0)
        selection = self._select(selector, ends.start - back, ends.end + ahead, look)
        blocks, cells = [], 0
        for block in selection.blocks:
            if len(block.rows):
                blocks.append(block)
                cells += block.height * len(block.rows)
        table = self._table_of(selection.table, blocks)
        series = len(table)
        self.limits.charge(len(grid) * series)  # what any function of these windows will make of them
        self.limits.expect(cells, series)
        self._note_archives(blocks, selector)
        windows = Windows(grid, ends, reach, extension, self._lookback)
        return Ranged(table, blocks, windows, np.zeros(series, dtype=np.bool_))

    def _table_of(self, table: LabelTable, blocks: Sequence[Block | Lasts | Deferred]) -> LabelTable:
        """The rows of a table in the order in which blocks have them: mostly its own."""
        rows = blocks[0].rows if len(blocks) == 1 else np.concatenate([NO_ROWS, *(block.rows for block in blocks)])
        is_whole = len(rows) == len(table) and rising(rows)
        return LabelTable(table.names, table.codes if is_whole else table.codes[rows], self.strings)

    def _note_archives(self, blocks: Sequence[Block | Lasts | Deferred], selector: VectorSelector) -> None:
        archived: dict[int, int] = {}
        for block in blocks:
            if isinstance(block, Block) and block.archived:
                for until, size in block.archived:
                    archived[size] = max(archived.get(size, until), until)
        for size in sorted(archived):
            self.notes.info(from_archive(archived[size], size), selector)

    def _selected(self, selector: VectorSelector, grid: Grid) -> Frame:
        """The last sample of each series within the lookback."""
        if selector.extension is Extension.SMOOTHED:
            ranged, kernel = self._windows(selector, grid, 0, Aspect.LAST, selector.extension), "smoothed"
        else:
            ranged, kernel = self._windows(selector, grid, self._lookback, Aspect.INSTANT), "latest"
        values, present = swept(self, ranged, kernel)
        self.limits.samples += values.size if present is None else int(np.count_nonzero(present))
        return Frame(ranged.table, values, present, ranged.drop).pruned()

    def sample_times(self, selector: VectorSelector, grid: Grid) -> Frame:
        ranged = self._windows(selector, grid, self._lookback, Aspect.INSTANT)
        values, present = swept(self, ranged, "time_of_latest")
        return Frame(ranged.table, values, present, ~ranged.drop).pruned()

    def sample_starts(self, selector: VectorSelector, grid: Grid) -> Frame:
        ranged = self._windows(selector, grid, self._lookback, Aspect.INSTANT)
        values, present = swept(self, ranged, "start_of_latest")
        return Frame(ranged.table, values, present, ~ranged.drop).pruned()

    def _subquery(self, expr: Subquery, grid: Grid) -> Ranged:
        """A range vector from the values of an expression at multiples of the subquery's step."""
        ends = self._ends(expr.at, known(expr.offset), grid)
        step, reach = known(expr.step or self._default_step), known(expr.range)
        earliest = ends.start - reach
        first = (earliest // step + 1) * step
        self.limits.hold(MOMENT * max(0, (ends.end - first) // step))
        inner = moments(first, ends.end, step)
        windows = Windows(grid, ends, reach)
        if len(inner) == 0:
            return Ranged(stacked((), self.strings), [], windows, np.zeros(0, dtype=np.bool_))
        frame = self.vector(expr.expr, inner)
        self.limits.charge(len(inner) * frame.series)
        return Ranged(frame.table, [_block(frame, inner)], windows, frame.drop)


def _negated(value: Value) -> Value:
    if isinstance(value, Frame):
        return value.with_values(-value.values, value.present, drop=True)
    if isinstance(value, str):
        raise QueryError("unary expression only allowed on expressions of type scalar or instant vector")
    return -value


def _block(frame: Frame, grid: Grid) -> Block:
    """The frame as a block: one stream, whose rows are the grid's moments."""
    frame = frame.spread(len(grid))
    values = frame.values if frame.present is None else np.where(frame.present, frame.values, ABSENT)
    return Block(
        rows=np.arange(frame.series),
        cells=np.ascontiguousarray(values),
        times=grid.times[:, np.newaxis],
        stream_of=np.zeros(frame.series, dtype=np.int32),
        tick=(int(grid.times[0]), grid.step),
    )
