"""Series that come out with the same labels are one, as long as they never have a sample at the same step."""

from __future__ import annotations

import numpy as np

from common.errors import QueryError
from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.columns import dropping_metadata, group_all
from ruler.promql.frame import Frame


def merged(frame: Frame) -> Frame:
    """The frame with one series for each set of labels; the one that begins first says whether the name goes."""
    if frame.series < 2:
        return frame
    groups = group_all(frame.table)
    if len(groups) == frame.series:
        return frame
    order = np.argsort(groups.of, kind="stable")
    starts = np.flatnonzero(np.diff(groups.of[order], prepend=-1))
    mask = frame.mask.take(order, axis=1)
    if (np.add.reduceat(mask, starts, axis=1, dtype=np.int64) > 1).any():
        raise same_labels()
    shape = np.broadcast_shapes(frame.values.shape, mask.shape)
    kept: FloatArray = np.where(
        mask, np.broadcast_to(frame.values, shape).take(order, axis=1), -0.0
    )  # adds nothing, not even to -0
    values = np.add.reduceat(kept, starts, axis=1)
    present: BoolArray = np.logical_or.reduceat(mask, starts, axis=1)
    begins = np.lexsort((np.argmax(frame.mask, axis=0), groups.of))
    return Frame(frame.table.take(groups.first), values, present, frame.drop[begins[starts]])


def same_labels() -> QueryError:
    return QueryError("vector cannot contain metrics with the same labelset")


def unnamed(frame: Frame) -> Frame:
    """The frame at the end of a query: without the names that were to be dropped."""
    table = dropping_metadata(frame.table, frame.drop)
    return merged(Frame(table, frame.values, frame.present, np.zeros_like(frame.drop)))
