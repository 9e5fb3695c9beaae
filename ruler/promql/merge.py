"""Series that come out with the same labels are one, as long as they never have a sample at the same step."""

from __future__ import annotations

import numpy as np

from common.errors import QueryError
from ruler.kernels.series.groups import fold
from ruler.kernels.series.presence import mark_groups
from ruler.model.arrays import BoolArray, IntArray
from ruler.promql.columns import METADATA, dropping_metadata, group_all, is_constant
from ruler.promql.frame import Frame


def merged(frame: Frame) -> Frame:
    """The frame with one series for each set of labels; the one that begins first says whether the name goes."""
    if frame.series < 2:
        return frame
    groups = group_all(frame.table)
    if len(groups) == frame.series:
        return frame
    present, clash = presence(frame, groups.of, len(groups))
    if clash is not None:
        raise same_labels()
    values = np.empty(present.shape)
    fold("max", frame.values, frame.bytes, groups.of, values, present.view(np.uint8))
    order = np.lexsort((np.argmax(frame.mask, axis=0), groups.of))
    leading = order[np.flatnonzero(np.diff(groups.of[order], prepend=-1))]
    return Frame(frame.table.take(groups.first), values, present, frame.drop[leading])


def presence(frame: Frame, group_of: IntArray, groups: int) -> tuple[BoolArray, int | None]:
    """Where a group of series has samples, [steps × groups], and the first step at which any group has two."""
    found = np.zeros((len(frame.values), groups), dtype=np.bool_)
    clash = mark_groups(frame.values, frame.bytes, group_of, found.view(np.uint8))
    return found, None if clash < 0 else clash


def same_labels() -> QueryError:
    return QueryError("vector cannot contain metrics with the same labelset")


def unnamed(frame: Frame) -> Frame:
    """The frame at the end of a query: without the names that were to be dropped."""
    if b"\1" not in frame.drop.tobytes():  # numpy's any() goes through Python, and takes three times as long for a few
        return frame
    table = dropping_metadata(frame.table, frame.drop)
    named = Frame(table, frame.values, frame.present, np.zeros_like(frame.drop))
    if frame.drop.all() and all(is_constant(frame.table, name) for name in METADATA):
        return named  # what all of them share told none of them apart
    return merged(named)
