"""Aggregations that keep some series of each group as they are (topk, bottomk, limitk, limit_ratio); count_values."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import numpy as np

from common.errors import QueryError
from ruler.kernels.series.best import keep_best, keep_first
from ruler.kernels.series.numbering import Numbering
from ruler.model.arrays import BoolArray, CodeArray, FloatArray, IntArray
from ruler.model.golang import format_float
from ruler.model.groups import Groups, numbered
from ruler.model.numbers import number_texts
from ruler.model.table import NO_LABEL
from ruler.promql.aggregate import aggregated, grouping_names
from ruler.promql.ast import Aggregation
from ruler.promql.columns import group_all, group_by, grouped, is_any_label_name, keeping, setting
from ruler.promql.frame import Frame, Grid, empty_frame
from ruler.promql.merge import merged
from ruler.promql.notes import invalid_ratio
from ruler.promql.scope import Scope
from ruler.promql.stretches import CELLS, stretches

_TEXTS = 1 << 14  # that are written at a time
_PLAIN = (1e-4, 1e15)  # numbers between these are written without an exponent by whatever writes them
_INT64 = 9223372036854774784  # the largest float that is an int64

Numbers = TypeVar("Numbers", FloatArray, IntArray)


def chosen(scope: Scope, expr: Aggregation, frame: Frame, param: FloatArray, grid: Grid) -> Frame:
    """The series that the operator keeps, each at the steps where it keeps it."""
    frame = frame.spread(max(len(frame.values), len(param)))
    if expr.op == "limit_ratio":
        kept = _in_ratio(scope, expr, frame, param)
        return Frame(frame.table, frame.values, kept, frame.drop).pruned()
    wanted = _checked_count(param)
    if frame.series == 0 or not (wanted >= 1).any():
        return empty_frame(scope.strings)
    groups = group_by(frame.table, grouping_names(frame, expr))
    sign = -1.0 if expr.op == "bottomk" else 1.0
    kept = _first_or_best(scope, expr, frame, groups, sign, wanted)
    result = Frame(frame.table, frame.values, kept, frame.drop)
    if grid.instant and expr.op != "limitk":
        return result.take(_best_first(sign * frame.values[0], groups.of, np.flatnonzero(kept))).pruned()
    return result.pruned()


def _first_or_best(
    scope: Scope, expr: Aggregation, frame: Frame, groups: Groups, sign: float, wanted: IntArray
) -> BoolArray:
    kept = np.zeros(frame.values.shape, dtype=np.bool_)
    for rows in stretches(len(kept), frame.series, CELLS // 4):
        scope.limits.check()
        part, most, where = frame.rows(rows), _at(wanted, rows), kept[rows].view(np.uint8)
        if expr.op == "limitk":
            keep_first(most, part.values, part.bytes, groups.of, len(groups), where)
        else:
            keep_best(sign, most, part.values, part.bytes, groups.of, len(groups), where)
    return kept


def _at(param: Numbers, rows: slice) -> Numbers:
    """A parameter [steps or 1] at some of the steps."""
    return param if len(param) == 1 else param[rows]


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
    offset = _label_hash(frame) / float(1 << 64)
    kept = np.empty(frame.values.shape, dtype=np.bool_)
    for rows in stretches(len(kept), frame.series):
        scope.limits.check()
        ratio = np.clip(_at(param, rows), -1, 1)[:, np.newaxis]
        within = np.where(ratio < 0, offset >= 1 + ratio, offset < ratio)
        kept[rows] = within & frame.rows(rows).mask
    return kept


def _label_hash(frame: Frame) -> FloatArray:
    """A number in [0, 2⁶⁴) for each series that depends on its labels alone."""
    state = np.zeros(frame.series, dtype=np.uint64)
    for name in frame.table.names:
        column = frame.table.column(name)
        distinct = grouped((column,), len(column))
        texts = [(code, frame.table.strings.text(code)) for code in column[distinct.first].tolist()]
        hashes = [0 if code == NO_LABEL else _hash(f"{name}\xff{text}") for code, text in texts]
        state += np.array(hashes, dtype=np.uint64)[distinct.of]
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
        return aggregated(scope, expr.replaced(op="count"), frame)
    base = keeping(frame.table, (name for name in grouping_names(frame, expr) if name != label))
    groups = group_all(base)
    keys, counts = _tally(scope, frame, groups)
    distinct = grouped((keys[:, 1], keys[:, 2]), len(keys))
    values = np.ascontiguousarray(keys[distinct.first, 1:]).view(np.float64)[:, 0]
    codes = np.empty(len(values), dtype=np.int32)
    for run in stretches(len(values), 1, _TEXTS):
        scope.limits.check()
        codes[run] = [scope.strings.code(text) for text in _texts(values[run])]
    table = setting(base.take(groups.first[keys[:, 0]]), label, codes[distinct.of])
    return merged(Frame(table, counts, counts > 0, np.zeros(len(keys), dtype=np.bool_)))


def _tally(scope: Scope, frame: Frame, groups: Groups) -> tuple[CodeArray, FloatArray]:
    """Each pair of a group and the bits of a value in it, in three codes, and how often it is there at each step."""
    pairs, keys, tallies = Numbering(3), [], []
    for rows in stretches(len(frame.values), frame.series, CELLS // 32):
        scope.limits.check()
        part = frame.rows(rows)
        step, series = np.nonzero(part.mask)
        samples = part.values[step, series]
        samples[np.isnan(samples)] = np.nan
        key = np.empty((len(samples), 3), dtype=np.int32)
        key[:, 0] = groups.of[series]
        key[:, 1:] = samples.view(np.int32).reshape(-1, 2)  # of its bits, by which 0 is not -0
        found = numbered(pairs, key)
        keys.append(key[found.first])
        scope.limits.charge(len(frame.values) * len(pairs))
        shape = len(part.values), len(pairs)
        cells = step * shape[1] + found.of
        tallies.append(np.bincount(cells, minlength=shape[0] * shape[1]).astype(np.int32).reshape(shape))
    counts = np.zeros((len(frame.values), len(pairs)))
    for rows, tally in zip(stretches(len(frame.values), frame.series, CELLS // 32), tallies, strict=True):
        counts[rows, : tally.shape[1]] = tally
    return np.concatenate(keys), counts


def _texts(values: FloatArray) -> list[str]:
    """Each number in full, without an exponent."""
    texts = [text.decode() for text in number_texts(values)]
    size = np.abs(values)
    for place in np.flatnonzero(~((size >= _PLAIN[0]) & (size < _PLAIN[1]))).tolist():
        texts[place] = format_float(float(values[place]))
    return texts
