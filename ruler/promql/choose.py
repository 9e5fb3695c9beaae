"""Aggregations that keep some series of each group as they are (topk, bottomk, limitk, limit_ratio); count_values."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from common.errors import QueryError
from ruler.kernels.best import keep_best, keep_first
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.model.golang import format_float
from ruler.model.numbers import number_texts
from ruler.model.table import NO_LABEL
from ruler.promql.aggregate import aggregated, grouping_names
from ruler.promql.ast import Aggregation
from ruler.promql.columns import group_all, group_by, grouped, is_any_label_name, keeping, setting
from ruler.promql.frame import Frame, Grid, empty_frame
from ruler.promql.merge import merged
from ruler.promql.notes import invalid_ratio
from ruler.promql.scope import Scope

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
    frame = frame.spread(max(len(frame.values), len(wanted)))
    groups = group_by(frame.table, grouping_names(frame, expr))
    sign = -1.0 if expr.op == "bottomk" else 1.0
    kept = np.zeros(frame.values.shape, dtype=np.bool_)
    if expr.op == "limitk":
        keep_first(wanted, frame.values, frame.bytes, groups.of, len(groups), kept.view(np.uint8))
    else:
        keep_best(sign, wanted, frame.values, frame.bytes, groups.of, len(groups), kept.view(np.uint8))
    result = Frame(frame.table, frame.values, kept, frame.drop)
    if grid.instant and expr.op != "limitk":
        return result.take(_best_first(sign * frame.values[0], groups.of, np.flatnonzero(kept))).pruned()
    return result.pruned()


def _best_first(keys: FloatArray, group_of: IntArray, kept: IntArray) -> IntArray:
    """The series that are kept, group by group, the greatest first and NaN last."""
    keys = keys[kept]
    return kept[np.lexsort((-keys, np.isnan(keys), group_of[kept]))]


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
    step, series = np.nonzero(frame.mask)
    samples = frame.values[step, series]
    samples[np.isnan(samples)] = np.nan
    halves = samples.view(np.int32)  # of the bits, by which 0 is not -0
    scope.limits.check()
    pairs = grouped((groups.of[series].astype(np.int32), halves[::2], halves[1::2]), len(samples))
    scope.limits.charge(len(frame.values) * len(pairs))
    cells = np.bincount(step * len(pairs) + pairs.of, minlength=len(frame.values) * len(pairs))
    counts = cells.reshape(len(frame.values), len(pairs)).astype(np.float64)
    scope.limits.check()
    distinct = grouped((halves[::2][pairs.first], halves[1::2][pairs.first]), len(pairs))
    texts = _texts(samples[pairs.first[distinct.first]])
    codes = np.array([scope.strings.code(text) for text in texts], dtype=np.int32)[distinct.of]
    table = setting(base.take(groups.first[groups.of[series[pairs.first]]]), label, codes)
    return merged(Frame(table, counts, counts > 0, np.zeros(len(pairs), dtype=np.bool_)))


def _texts(values: FloatArray) -> list[str]:
    """Each number in full, without an exponent."""
    texts = [text.decode() for text in number_texts(values)]
    size = np.abs(values)
    for place in np.flatnonzero(~((size >= _PLAIN[0]) & (size < _PLAIN[1]))).tolist():
        texts[place] = format_float(float(values[place]))
    return texts
