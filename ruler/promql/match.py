"""Vector matching: which series of two vectors belong together, by their code columns.

Sides pair by group (equal matching labels). Two series of one group may share a side as long as they never have samples
at the same step, so what breaks the matching is looked for at the steps, but only in groups that could.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.errors import BadMatching
from common.labels import METRIC_NAME, Labels, is_label_name, quote
from ruler.kernels.series.pairing import Pairing
from ruler.model.arrays import BoolArray, CodeArray, FloatArray, IntArray
from ruler.model.table import LabelTable, all_names, stacked
from ruler.promql.ast import Binary, Cardinality, Matching
from ruler.promql.columns import METADATA, dropping, group_both, grouped, keeping, setting
from ruler.promql.frame import Frame, empty_frame
from ruler.promql.merge import merged, presence
from ruler.promql.operators import ARITHMETIC, COMPARISON
from ruler.promql.scope import Scope


def _matching_names(left: LabelTable, right: LabelTable, matching: Matching) -> tuple[str, ...]:
    if matching.on:
        return tuple(sorted(set(matching.labels)))
    gone = {*matching.labels, METRIC_NAME}
    return tuple(name for name in all_names((left.names, right.names)) if name not in gone)


def _have_equals(group: IntArray, groups: int) -> bool:
    """Whether any group has several series."""
    return len(group) > groups or bool((np.bincount(group, minlength=groups) > 1).any())


# --- and, or, unless -------------------------------------------------------------------------------------------------


def combined(scope: Scope, expr: Binary, left: Frame, right: Frame) -> Frame:
    """The set operators: series of the left side, and for `or` those of the right that match none of them."""
    matching = expr.matching or Matching(Cardinality.MANY_TO_MANY)
    names = _matching_names(left.table, right.table, matching)
    left_group, right_group, groups = group_both(left.table, right.table, names)
    if expr.op == "or":
        taken = presence(left, left_group, groups)[0].take(right_group, axis=1)
        rest = Frame(right.table, *_masked(right, ~taken), right.drop).pruned()
        return left if rest.series == 0 else merged(side_by_side(scope, left, rest))
    matches = presence(right, right_group, groups)[0].take(left_group, axis=1)
    return Frame(left.table, *_masked(left, matches if expr.op == "and" else ~matches), left.drop).pruned()


def _masked(frame: Frame, kept: BoolArray) -> tuple[FloatArray, BoolArray]:
    present = kept & frame.mask
    return np.broadcast_to(frame.values, present.shape), present


def side_by_side(scope: Scope, left: Frame, right: Frame) -> Frame:
    """The series of both vectors."""
    steps = max(len(left.values), len(right.values))
    left, right = left.spread(steps), right.spread(steps)
    return Frame(
        stacked((left.table, right.table), scope.strings),
        np.concatenate((left.values, right.values), axis=1),
        None if left.present is None and right.present is None else np.concatenate((left.mask, right.mask), axis=1),
        np.concatenate((left.drop, right.drop)),
    )


# --- arithmetic and comparison ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sides:
    """The sides of an operation as many and one, with each series' group; `swapped` when the left is the one side."""

    many: Frame
    one: Frame
    many_group: IntArray
    one_group: IntArray
    groups: int
    names: tuple[str, ...]
    swapped: bool


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Operated pairs of series: where both have samples (`frame`), and at which of those the result is kept."""

    frame: Frame
    group: IntArray
    kept: BoolArray | None

    def results(self) -> Frame:
        if self.kept is None:
            return self.frame
        return Frame(self.frame.table, *_masked(self.frame, self.kept), self.frame.drop)


def matched(scope: Scope, expr: Binary, left: Frame, right: Frame) -> Frame:
    """Each series of the many side with its partner on the one side."""
    matching = expr.matching or Matching()
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    # As in Prometheus, `group_right` turns the sides round and leaves their fill values where they are.
    fill_many, fill_one = matching.fill_left, matching.fill_right
    if (left.series == 0 or right.series == 0) and fill_many is None and fill_one is None:
        return empty_frame(scope.strings)

    names = _matching_names(left.table, right.table, matching)
    left_group, right_group, groups = group_both(left.table, right.table, names)
    sides = _Sides(left, right, left_group, right_group, groups, names, swapped=False)
    if swapped:
        sides = _Sides(right, left, right_group, left_group, groups, names, swapped=True)
    _check_one_side(sides, filling=fill_many is not None or fill_one is not None)
    pairing = Pairing(sides.many_group, sides.one_group, groups)
    # Many, where groups are large on both sides: each pair's results, and the numbers of its series.
    scope.limits.charge(len(pairing) * (2 + max(len(left.values), len(right.values))))
    pairs = _paired(expr, matching, sides, pairing)
    _check_pairs(pairs, matching)

    whole = pairs.results()
    if fill_one is not None and sides.many.series:
        lonely = _lonely_many(expr, matching, sides, fill_one)
        _check_pairs(lonely, matching)
        whole = side_by_side(scope, whole, lonely.results())
    if fill_many is not None and sides.one.series:
        whole = side_by_side(scope, whole, _lonely_one(expr, matching, sides, fill_many).results())
    return merged(whole.pruned())


def _paired(expr: Binary, matching: Matching, sides: _Sides, pairing: Pairing) -> _Pairs:
    """All series of the many side with those of the same group on the one side."""
    of_many, of_one = np.empty(len(pairing), dtype=np.int64), np.empty(len(pairing), dtype=np.int64)
    all_many, all_one = pairing.write(of_many, of_one)
    many = sides.many if all_many else sides.many.take(of_many)
    one = sides.one if all_one else sides.one.take(of_one)
    values, kept = _operated(expr, sides, many.values, one.values)
    present = one.present if many.present is None else many.present if one.present is None else many.mask & one.mask
    table = _result_table(expr, matching, many.table, {name: one.table.column(name) for name in matching.include})
    return _pairs(expr, table, values, present, many.drop, sides.many_group[of_many], kept)


def _lonely_many(expr: Binary, matching: Matching, sides: _Sides, fill: float) -> _Pairs:
    """Samples of the many side whose group has none on the one side, with the value that stands in for it."""
    many = sides.many
    answered, _ = presence(sides.one, sides.one_group, sides.groups)
    lonely = ~answered.take(sides.many_group, axis=1) & many.mask
    values, kept = _operated(expr, sides, many.values, np.full((1, 1), fill))
    include = {
        name: many.table.column(name) if name in sides.names else np.zeros(many.series, dtype=np.int32)
        for name in matching.include
    }
    table = _result_table(expr, matching, many.table, include)
    return _pairs(expr, table, values, lonely, many.drop, sides.many_group, kept)


def _lonely_one(expr: Binary, matching: Matching, sides: _Sides, fill: float) -> _Pairs:
    """Samples of the one side whose group has none on the many side, with the value that stands in for it."""
    one = sides.one
    answered, _ = presence(sides.many, sides.many_group, sides.groups)
    lonely = ~answered.take(sides.one_group, axis=1) & one.mask
    values, kept = _operated(expr, sides, np.full((1, 1), fill), one.values)
    include = {name: one.table.column(name) for name in matching.include}
    table = _result_table(expr, matching, keeping(one.table, sides.names), include)
    return _pairs(expr, table, values, lonely, one.drop, sides.one_group, kept)


def _pairs(
    expr: Binary,
    table: LabelTable,
    values: FloatArray,
    present: BoolArray | None,
    drop: BoolArray,
    group: IntArray,
    kept: BoolArray | None,
) -> _Pairs:
    if present is not None and len(present) != len(values):
        shape = np.broadcast_shapes(present.shape, values.shape)
        present, values = np.broadcast_to(present, shape), np.broadcast_to(values, shape)
    if expr.bool_result:
        drop = np.ones_like(drop)
    return _Pairs(Frame(table, values, present, drop), group, kept)


def _operated(expr: Binary, sides: _Sides, many: FloatArray, one: FloatArray) -> tuple[FloatArray, BoolArray | None]:
    """The operation's values, and for a comparison that filters, where it holds."""
    left, right = (one, many) if sides.swapped else (many, one)
    if expr.op in ARITHMETIC:
        return ARITHMETIC[expr.op](left, right), None
    holds = COMPARISON[expr.op](left, right)
    if expr.bool_result:
        return holds.astype(np.float64), None
    return np.broadcast_to(left, holds.shape), holds


def _result_table(expr: Binary, matching: Matching, many: LabelTable, include: dict[str, CodeArray]) -> LabelTable:
    """What results are called: the many side's labels, as far as the matching leaves them, and those to include."""
    table = dropping(many, METADATA) if expr.op in ARITHMETIC else many
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        table = keeping(table, matching.labels) if matching.on else dropping(table, matching.labels)
    for name, codes in include.items():
        table = setting(table, name, codes)
    return table


def _check_one_side(sides: _Sides, *, filling: bool) -> None:
    """Refuse two samples of one group on the one side, at a step where the operation has something to do."""
    if not _have_equals(sides.one_group, sides.groups):
        return
    one, active = sides.one, sides.one.mask
    if not filling:
        busy: BoolArray = np.any(sides.many.mask, axis=1, keepdims=True)
        active = active & busy
    active_ones = Frame(one.table, np.broadcast_to(one.values, active.shape), active, one.drop)
    _, step = presence(active_ones, sides.one_group, sides.groups)
    if step is None:
        return
    here = np.flatnonzero(active[step])
    group = sides.one_group[here]
    opening = np.zeros(len(here), dtype=np.bool_)
    opening[np.unique(group, return_index=True)[1]] = True
    clash = int(np.argmin(opening))
    first, second = int(here[np.argmax(group == group[clash])]), int(here[clash])
    table = one.table
    pair = ", ".join(sorted((shown(table.labels(first)), shown(table.labels(second)))))
    raise BadMatching(
        f"found duplicate series for the match group {shown(keeping(table, sides.names).labels(first))} on the "
        f"{'left' if sides.swapped else 'right'} hand-side of the operation: [{pair}];"
        "many-to-many matching not allowed: matching labels must be unique on one side"
    )


def shown(labels: Labels) -> str:
    """Labels as Prometheus's error messages have them."""
    pairs = ((name if is_label_name(name) else quote(name), quote(value)) for name, value in labels.items())
    return "{" + ", ".join(f"{name}={value}" for name, value in pairs) + "}"


def _check_pairs(pairs: _Pairs, matching: Matching) -> None:
    """Refuse what is not unique: two pairs of a group one to one, or many to one two results with equal labels."""
    if pairs.frame.series == 0:
        return
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        group, count = pairs.group, int(pairs.group.max()) + 1
        problem = "many-to-one matching must be explicit (group_left/group_right)"
    else:
        table = pairs.frame.table
        columns = [table.column(name) for name in table.names]
        alike = grouped([*columns, pairs.group.astype(np.int32)], pairs.frame.series)
        group, count = alike.of, len(alike)
        problem = "grouping labels must ensure unique matches"
    if _have_equals(group, count) and presence(pairs.frame, group, count)[1] is not None:
        raise BadMatching(f"multiple matches for labels: {problem}")
