"""Large operations a stretch of steps at a time: so that what they need beside their result stays small, and they stop.

Steps know nothing of each other, so an operation on some of them is the operation on all, in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray
from ruler.model.table import all_names, stacked
from ruler.promql.columns import Grouping
from ruler.promql.frame import Frame, Value
from ruler.promql.limits import Limits

CELLS = 1 << 23  # of a stretch; what takes long for a cell takes fewer


def by_stretches(limits: Limits, run: Callable[..., Value], *sides: Value) -> Frame:
    """What `run` makes of frames and scalars of the same steps, worked out a stretch at a time."""
    steps = max(map(_steps, sides))
    width = max(each.series if isinstance(each, Frame) else 1 for each in sides)
    parts = []
    for rows in stretches(steps, width):
        limits.check()
        whole = rows.stop - rows.start == steps
        part = run(*(sides if whole else (_cut(each, rows) for each in sides)))
        if not isinstance(part, Frame):
            raise TypeError(f"no vector: {part!r}")
        parts.append(part if whole else part.spread(rows.stop - rows.start))
    return end_to_end(parts, limits) if len(parts) > 1 else parts[0]


def stretches(steps: int, width: int, cells: int | None = None) -> Iterator[slice]:
    """The steps in stretches that have so many cells at most, or are single steps."""
    cells = cells or CELLS
    height = steps if steps * width <= cells else max(1, cells // width)
    for top in range(0, steps, height):
        yield slice(top, min(steps, top + height))


def _steps(value: Value) -> int:
    return len(value.values) if isinstance(value, Frame) else 1 if isinstance(value, str) else len(value)


def _cut(value: Value, steps: slice) -> Value:
    if isinstance(value, Frame):
        return value if len(value.values) == 1 else value.rows(steps)
    return value if isinstance(value, str) or len(value) == 1 else value[steps]


def end_to_end(parts: Sequence[Frame], limits: Limits) -> Frame:
    """Frames of one stretch of steps after another as one; series with the same labels are the same."""
    first = parts[0]
    if all(_alike(first, part) for part in parts[1:]):
        whole = all(part.present is None for part in parts)
        mask = None if whole else np.concatenate([part.mask for part in parts])
        return Frame(first.table, np.concatenate([part.values for part in parts]), mask, first.drop)
    grouping = Grouping(all_names(part.table.names for part in parts))
    steps = sum(len(part.values) for part in parts)
    columns, tables, drops = [], [], []
    for part in parts:
        limits.check()
        groups = grouping.add(part.table)
        limits.charge(steps * len(grouping))
        columns.append(groups.of)
        tables.append(part.table.take(groups.first))
        drops.append(part.drop[groups.first])
    values: FloatArray = np.zeros((steps, len(grouping)))
    present: BoolArray = np.zeros((steps, len(grouping)), dtype=np.bool_)
    row = 0
    for part, places in zip(parts, columns, strict=True):
        limits.check()
        rows = slice(row, row + len(part.values))
        values[rows, places] = part.values
        present[rows, places] = part.mask
        row = rows.stop
    return Frame(stacked(tables, first.table.strings), values, present, np.concatenate(drops)).pruned()


def _alike(one: Frame, other: Frame) -> bool:
    if one.table is other.table:
        return True
    return one.table.names == other.table.names and np.array_equal(one.table.codes, other.table.codes)
