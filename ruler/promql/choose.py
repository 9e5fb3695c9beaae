"""Aggregations that keep some series of each group as they are (topk, bottomk, limitk, limit_ratio); count_values."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from common.errors import QueryError
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.model.golang import format_float
from ruler.model.numbers import number_texts
from ruler.model.table import NO_LABEL
from ruler.promql.aggregate import aggregated, by_size, grouping_names
from ruler.promql.ast import Aggregation
from ruler.promql.columns import group_all, group_by, is_any_label_name, keeping, setting
from ruler.promql.frame import Frame, Grid, empty_frame
from ruler.promql.merge import merged
from ruler.promql.notes import invalid_ratio
from ruler.promql.scope import Scope

_FEW = 4  # of so many times as many series it pays to look for the best first
_PLAIN = (1e-4, 1e15)  # numbers between these are written without an exponent by whatever writes them
_INT64 = 9223372036854774784  # the largest float that is an int64


def chosen(scope: Scope, expr: Aggregation, frame: Frame, param: FloatArray, grid: Grid) -> Frame:
    """The series that the operator keeps, each at the steps where it keeps it."""
    if expr.op == "limit_ratio":
        kept = _in_ratio(scope, expr, frame, param)
        return Frame(frame.table, np.broadcast_to(frame.values, kept.shape), kept, frame.drop).pruned()
    wanted = _checked_count(param)
    if frame.series == 0 or not (wanted >= 1).any():
        return empty_frame(scope.strings)
    steps = max(len(frame.values), len(wanted))
    frame = frame.spread(steps)
    if expr.op != "limitk":
        frame = frame.take(_contenders(expr, frame, int(wanted.max())))
    place = _places(expr, frame)
    kept = frame.mask & (place < wanted[:, np.newaxis])
    result = Frame(frame.table, frame.values, kept, frame.drop)
    if grid.instant and expr.op != "limitk":
        groups = group_by(frame.table, grouping_names(frame, expr))
        result = result.take(np.lexsort((place[0], groups.of)))
    return result.pruned()


def _checked_count(param: FloatArray) -> IntArray:
    if np.isnan(param).any():
        raise QueryError("Parameter value is NaN")
    if param.max() < 1:
        return np.zeros(1, dtype=np.int64)
    if param.min() <= -_INT64:
        raise QueryError(f"Scalar value {format_float(float(param.min()), 'g')} underflows int64")
    if param.max() >= _INT64:
        raise QueryError(f"Scalar value {format_float(float(param.max()), 'g')} overflows int64")
    return param.astype(np.int64)


def _contenders(expr: Aggregation, frame: Frame, most: int) -> IntArray:
    """The series that may be among the `most` best of their group at any step: few of a large one, and soon told."""
    groups = group_by(frame.table, grouping_names(frame, expr))
    contending = np.ones(frame.series, dtype=np.bool_)
    for _, members in by_size(groups):
        if members.shape[1] > _FEW * most:
            keys = frame.values[:, members]
            keys = np.where(frame.mask[:, members] & ~np.isnan(keys), -keys if expr.op == "topk" else keys, np.inf)
            worst = np.partition(keys, most - 1, axis=2)[:, :, most - 1 : most]
            contending[members] = (keys <= worst).any(axis=0)
    return np.flatnonzero(contending)


def _places(expr: Aggregation, frame: Frame) -> IntArray:
    """Where each series stands within its group at each step, the best at 0 and those without a sample behind."""
    groups = group_by(frame.table, grouping_names(frame, expr))
    place = np.zeros(frame.values.shape, dtype=np.int64)
    for _, members in by_size(groups):
        missing = ~frame.mask[:, members]
        if expr.op == "limitk":
            order = np.argsort(missing, axis=2, kind="stable")
        else:
            values = frame.values[:, members]
            keys = -values if expr.op == "topk" else values
            # NaN is behind every number, and what has no sample is behind NaN.
            order = np.lexsort((np.where(np.isnan(keys), 0.0, keys), np.isnan(keys), missing), axis=2)
        standing = np.empty(order.shape, dtype=np.int64)
        np.put_along_axis(standing, order, np.broadcast_to(np.arange(order.shape[2]), order.shape), axis=2)
        place[:, members] = standing
    return place


def _in_ratio(scope: Scope, expr: Aggregation, frame: Frame, param: FloatArray) -> BoolArray:
    """Which series fall into the ratio, by a hash of their labels: below it, or for a negative one above the rest."""
    if np.isnan(param).any():
        raise QueryError("Ratio value is NaN")
    if expr.param is not None:
        if param.max() > 1:
            scope.notes.warn(invalid_ratio(float(param.max())), expr.param)
        if param.min() < -1:
            scope.notes.warn(invalid_ratio(float(param.min())), expr.param)
    ratio = np.clip(param, -1, 1)[:, np.newaxis]
    offset = _label_hash(frame) / float(1 << 64)
    return frame.mask & (((ratio >= 0) & (offset < ratio)) | ((ratio < 0) & (offset >= 1 + ratio)))


def _label_hash(frame: Frame) -> FloatArray:
    """A number in [0, 2⁶⁴) for each series that depends on its labels alone."""
    state = np.zeros(frame.series, dtype=np.uint64)
    for name in frame.table.names:
        distinct, inverse = np.unique(frame.table.column(name), return_inverse=True)
        texts = [(code, frame.table.strings.text(code)) for code in distinct.tolist()]
        hashes = [0 if code == NO_LABEL else _hash(f"{name}\xff{text}") for code, text in texts]
        state += np.array(hashes, dtype=np.uint64)[inverse]
    return state.astype(np.float64)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def count_values(scope: Scope, expr: Aggregation, frame: Frame, label: str) -> Frame:
    """For each group and each distinct value in it, how many series have it."""
    if not is_any_label_name(label):
        raise QueryError(f'invalid label name "{label}"')
    if frame.series == 0:
        return frame
    if expr.without and label in expr.grouping:  # the values go with the label
        return aggregated(replace(expr, op="count"), frame)
    names = grouping_names(frame, expr)
    base = keeping(frame.table, (name for name in names if name != label))
    groups = group_all(base)
    mask = frame.mask
    step, series = np.nonzero(mask)
    samples = np.broadcast_to(frame.values, mask.shape)[mask]
    samples = np.where(np.isnan(samples), np.nan, samples)
    bits, which = np.unique(samples.view(np.int64), return_inverse=True)  # by which 0 is not -0
    distinct = bits.view(np.float64)
    pair, column = np.unique(groups.of[series] * len(distinct) + which, return_inverse=True)
    scope.limits.charge(len(mask) * len(pair))
    counts = np.zeros((len(mask), len(pair)))
    np.add.at(counts, (step, column), 1)
    codes = np.array([scope.strings.code(text) for text in _texts(distinct)], dtype=np.int32)[pair % len(distinct)]
    table = setting(base.take(groups.first[pair // len(distinct)]), label, codes)
    return merged(Frame(table, counts, counts > 0, np.zeros(len(pair), dtype=np.bool_)))


def _texts(values: FloatArray) -> list[str]:
    """Each number in full, without an exponent."""
    texts = [text.decode() for text in number_texts(values)]
    size = np.abs(values)
    for place in np.flatnonzero(~((size >= _PLAIN[0]) & (size < _PLAIN[1]))).tolist():
        texts[place] = format_float(float(values[place]))
    return texts
