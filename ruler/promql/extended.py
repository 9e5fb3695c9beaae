"""`anchored` and `smoothed`: windows that look beyond their edges, as far as the lookback.

An anchored window begins with the last sample at or before its start. A smoothed one has the value at either edge drawn
on the line between the samples around it. Where samples are gone, the last of each bucket of an archive is a sample.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from common.errors import QueryError
from ruler.model.arrays import ABSENT, BoolArray, FloatArray, IntArray
from ruler.promql.ast import Call, Expr, Extension, MatrixSelector
from ruler.promql.span import Span, rows_until
from ruler.promql.walk import bare
from ruler.promql.window import Windows
from ruler.storage import Block

_ALLOWED: Final = {
    Extension.ANCHORED: ("changes", "delta", "increase", "rate", "resets"),
    Extension.SMOOTHED: ("delta", "increase", "rate"),
}


def check_extension(call: Call) -> None:
    """Refuse a function that windows with an extension mean nothing to."""
    for arg in call.args:
        extension = _range_extension(arg)
        if extension is not Extension.NONE and call.function not in _ALLOWED[extension]:
            allowed = ", ".join(_ALLOWED[extension])
            raise QueryError(f"{extension.value} modifier can only be used with: {allowed} - not with {call.function}")


def _range_extension(expr: Expr) -> Extension:
    expr = bare(expr)
    return expr.selector.extension if isinstance(expr, MatrixSelector) else Extension.NONE


def extended_span(block: Block, now: IntArray, ends: IntArray, reach: int, lookback: int, extension: Extension) -> Span:
    """The rows of windows, with those of the lookback before them and, of smoothed ones, after them.

    A sample at the very end of a smoothed window counts among those after it; a window of no length is a moment.
    """
    lookback = max([lookback, *(size for _, size in block.archived)])
    block = replace(block, archived=())
    starts, smoothed = ends - reach, extension is Extension.SMOOTHED
    edges = (starts - lookback, starts, ends - 1 if smoothed and reach else ends, ends + lookback)
    rows = np.split(rows_until(block.times, np.concatenate(edges), block.tick), len(edges))
    before = Span(block, now, edges[0], edges[1], lookback, rows[0], rows[1])
    after = Span(block, now, edges[2], edges[3], lookback, rows[2], rows[3]) if smoothed else None
    return Span(block, now, starts, ends, reach, rows[1], rows[2], before, after)


class Found(NamedTuple):
    """What was found in windows: a sample's value, whether there is one, and when it was taken (ms)."""

    values: FloatArray
    here: BoolArray
    times: IntArray

    def otherwise(self, other: Found) -> Found:
        """This sample, or where there is none the other."""
        pairs = zip((self.values, self.times), (other.values, other.times), strict=True)
        values, times = (np.where(self.here, mine, theirs) for mine, theirs in pairs)
        return Found(values, self.here | other.here, times)


class Edges(NamedTuple):
    """Edges are the values of windows where they begin and end, with the first and the last sample between."""

    left: FloatArray
    opening: Found
    closing: Found
    right: FloatArray
    present: BoolArray


def edges_of(windows: Windows, *, counter: bool) -> Edges:
    """The edges of extended windows; those of a `counter` are drawn as if it had started again from zero."""
    before = last_of(windows.beside(windows.span.before))
    opening, closing = first_of(windows), last_of(windows)
    if windows.span.after is None:
        return Edges(before.otherwise(opening).values, opening, closing, closing.values, opening.here)
    after = first_of(windows.beside(windows.span.after))
    start, end = windows.starts[:, np.newaxis], windows.ends[:, np.newaxis]
    following, preceding = opening.otherwise(after), closing.otherwise(before)
    left = before.otherwise(following).values
    left = np.where(before.here & (before.times < start), drawn(before, following, start, counter=counter), left)
    right = after.otherwise(closing).values
    between = after.here & (after.times > end) & preceding.here
    right = np.where(between, drawn(preceding, after, end, counter=counter), right)
    present = opening.here | (after.here & (before.here | (after.times == end)))
    return Edges(left, opening, closing, right, present)


def drawn(older: Found, newer: Found, moment: IntArray, *, counter: bool) -> FloatArray:
    """The value at a moment, on the line between two samples; a counter that fell between them rose from zero."""
    base = np.where(newer.values < older.values, 0.0, older.values) if counter else older.values
    return np.asarray(base + (newer.values - base) * (moment - older.times) / (newer.times - older.times))


def first_of(windows: Windows) -> Found:
    first = windows.earliest()
    return Found(first.values, first.here, first.times)


def last_of(windows: Windows) -> Found:
    last = windows.latest()
    return Found(last.values, last.here, last.times)


def smoothed(windows: Windows) -> tuple[FloatArray, BoolArray]:
    """The value at each moment: a sample's, one on the line between two, or the last while no other follows."""
    before = last_of(windows.beside(windows.span.before))
    after = first_of(windows.beside(windows.span.after))
    now = windows.ends[:, np.newaxis]
    between = before.here & after.here & (before.times < now)
    return np.where(between, drawn(before, after, now, counter=False), before.values), before.here


def bounded(span: Span) -> Span:
    """The windows of a single step for who asks to see their samples: extended ones have their edges as such."""
    if span.before is None:
        return span
    block = span.block
    columns = np.arange(len(block.rows))
    windows = Windows(span, columns, slice(0, block.times.shape[1]), block.stream_of.astype(np.int64))
    edges = edges_of(windows, counter=False)
    times = np.clip(windows.times, span.starts, span.ends)
    within = ((times > span.starts) & (times < span.ends)).take(windows.stream, axis=1)
    inner = np.where(within, windows.cells, ABSENT)
    left, right = (np.where(edges.present, each, ABSENT) for each in (edges.left, edges.right))
    edge = np.ones((1, times.shape[1]), dtype=np.int64)
    whole = replace(
        block,
        values=np.concatenate((left, inner, right)),
        times=np.concatenate((edge * span.starts, times, edge * span.ends)),
        tick=None,
        gaps=True,
    )
    first = np.zeros((1, times.shape[1]), dtype=np.int64)
    return Span(whole, span.now, span.starts, span.ends, span.reach, first, first + len(whole.values))
