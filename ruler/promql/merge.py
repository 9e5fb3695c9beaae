"""Series that come out with the same labels are one, as long as they never have a sample at the same step."""

from __future__ import annotations

import numpy as np

from common.errors import QueryError
from ruler.promql.aggregate import folded, presence
from ruler.promql.columns import METADATA, dropping_metadata, group_all, is_constant
from ruler.promql.frame import Frame


def merged(frame: Frame) -> Frame:
    """The frame with one series for each set of labels; the one that begins first says whether the name goes."""
    if frame.series < 2:
        return frame
    groups = group_all(frame.table)
    if len(groups) == frame.series:
        return frame
    present, twice = presence(frame, groups.of, len(groups))
    if twice:
        raise same_labels()
    values, _ = folded("max", frame, groups.of, len(groups))
    order = np.lexsort((np.argmax(frame.mask, axis=0), groups.of))
    leading = order[np.flatnonzero(np.diff(groups.of[order], prepend=-1))]
    return Frame(frame.table.take(groups.first), values, present, frame.drop[leading])


def same_labels() -> QueryError:
    return QueryError("vector cannot contain metrics with the same labelset")


def unnamed(frame: Frame) -> Frame:
    """The frame at the end of a query: without the names that were to be dropped."""
    if not frame.drop.any():
        return frame
    table = dropping_metadata(frame.table, frame.drop)
    named = Frame(table, frame.values, frame.present, np.zeros_like(frame.drop))
    told_apart = frame.drop.all() and all(is_constant(frame.table, name) for name in METADATA)
    return named if told_apart else merged(named)
