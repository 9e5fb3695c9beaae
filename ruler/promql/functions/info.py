"""info(): series enriched with the data labels of the info series that are about the same instance and job.

Which info series those are may change from step to step, so a series becomes one for each set of labels that it has in
turn. Everything is worked out for all series at once: loops go over info metrics and label names, never over series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.errors import QueryError
from common.labels import METRIC_NAME
from ruler.model.arrays import BoolArray, CodeArray, FloatArray, IntArray
from ruler.model.matcher import Matcher, MatchOp
from ruler.model.table import LabelTable
from ruler.promql.ast import Call, Expr, VectorSelector
from ruler.promql.columns import group_both, grouped, setting
from ruler.promql.frame import Frame, Grid, Value, empty_frame
from ruler.promql.functions.reference import Reference, reference_of
from ruler.promql.match import shown, side_by_side
from ruler.promql.merge import merged
from ruler.promql.scope import Scope

_IDENTIFYING = ("instance", "job")
_TARGET_INFO = Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info")
_ANY_INFO = Matcher(METRIC_NAME, MatchOp.REGEX, ".+_info")
_LISTED = 64  # up to so many values of an identifying label are asked of the storage; more are looked for in its answer


@dataclass(frozen=True, slots=True)
class _Wanted:
    """_Wanted is what the second argument asks of info series: their names, and labels that they are to have."""

    names: tuple[Matcher, ...]
    data: tuple[Matcher, ...]

    def gives(self, label: str) -> bool:
        """Whether this label is to be taken over."""
        return label != METRIC_NAME and (not self.data or any(matcher.name == label for matcher in self.data))

    @property
    def optional(self) -> bool:
        """Whether a series stays that no info series is about."""
        return all(matcher.matches_empty for matcher in self.data)


def info(scope: Scope, call: Call, grid: Grid) -> Value:
    """The first argument with the labels of info series; those that are info series themselves stay as they are."""
    base = scope.vector(call.args[0], grid).pruned()
    wanted = _wanted(call.args[1:])
    plain = _named_alike(base.table, wanted.names)
    if base.series == 0 or plain.all():
        return base
    rest = base.take(~plain)
    infos = _about(scope, call, grid, rest.table, wanted)
    steps = max(len(base.values), len(infos.values))
    scope.limits.charge(steps * (base.series + infos.series))
    busy: BoolArray = np.any(base.spread(steps).mask, axis=1)
    turns = _turns(infos.spread(steps), busy)
    enriched = _enriched(scope, rest.spread(steps), infos.table, turns, wanted)
    return merged(side_by_side(scope, base.take(plain), enriched) if plain.any() else enriched)


def _wanted(args: Sequence[Expr]) -> _Wanted:
    matchers = args[0].matchers if args and isinstance(args[0], VectorSelector) else ()
    names = tuple(matcher for matcher in matchers if matcher.name == METRIC_NAME)
    data = tuple(matcher for matcher in matchers if matcher.name != METRIC_NAME)
    if not names:
        return _Wanted((_TARGET_INFO,), data)
    if all(matcher.op in (MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX) for matcher in names):
        return _Wanted((_ANY_INFO, *names), data)
    return _Wanted(names, data)


def _named_alike(table: LabelTable, matchers: Sequence[Matcher]) -> BoolArray:
    """Which series have a name that all matchers take."""
    distinct, inverse = np.unique(table.column(METRIC_NAME), return_inverse=True)
    texts = [table.strings.text(code) for code in distinct.tolist()]
    taken = [all(matcher.matches(text) for matcher in matchers) for text in texts]
    return np.array(taken, dtype=np.bool_)[inverse]


def _about(scope: Scope, call: Call, grid: Grid, base: LabelTable, wanted: _Wanted) -> Frame:
    """The times of the last samples of the info series that have an instance or a job of the base series."""
    values = {label: codes[codes != 0] for label in _IDENTIFYING if len(codes := np.unique(base.column(label)))}
    values = {label: codes for label, codes in values.items() if len(codes)}
    if not values:
        return empty_frame(scope.strings)
    listed = tuple(_listing(scope, label, codes) for label, codes in values.items() if len(codes) <= _LISTED)
    at: Reference = reference_of(call.args[0], scope.asked)
    matchers = (*wanted.names, *wanted.data, *listed)
    selector = VectorSelector("", matchers, at.offset, at.time, span=call.span)
    infos = scope.sample_times(selector, grid)
    fitting = np.ones(infos.series, dtype=np.bool_)
    for label, codes in values.items():
        fitting &= np.isin(infos.table.column(label), codes)
    return infos.take(fitting)


def _listing(scope: Scope, label: str, codes: CodeArray) -> Matcher:
    texts = [scope.strings.text(code) for code in codes.tolist()]
    if len(texts) == 1:
        return Matcher(label, MatchOp.EQUAL, texts[0])
    return Matcher(label, MatchOp.REGEX, "|".join(map(_literally, texts)))


def _literally(text: str) -> str:
    """An expression that only this text matches, written as Go's QuoteMeta does."""
    return "".join(f"\\{char}" if char in "\\.+*?()|[]{}^$" else char for char in text)


@dataclass(frozen=True, slots=True)
class _Turns:
    """_Turns say which info series counts: for each (turn, signature) its number and 1, or 0 where there is none.

    A signature is the metric and the identifying labels that info series share; at one step the one with the newest
    sample counts. Steps with the same answers share a turn, `of_step`.
    """

    counting: IntArray
    of_step: IntArray
    signature: IntArray  # a member of each


def _turns(infos: Frame, busy: BoolArray) -> _Turns:
    table, steps = infos.table, len(infos.values)
    signatures = grouped([table.column(name) for name in (METRIC_NAME, *_IDENTIFYING)], infos.series)
    if infos.series == 0:
        return _Turns(np.zeros((1, 0), dtype=np.int64), np.zeros(steps, dtype=np.int64), signatures.first)
    order = np.argsort(signatures.of, kind="stable")
    of = signatures.of[order]
    starts = np.searchsorted(of, np.arange(len(signatures)))
    times: FloatArray = np.where(infos.mask, infos.values, -np.inf)[:, order]
    newest = np.maximum.reduceat(times, starts, axis=1)
    counts = (times == newest[:, of]) & (times > -np.inf)
    rivals = np.add.reduceat(counts, starts, axis=1, dtype=np.int64) > 1
    if rivals[busy].any():
        step, signature = (int(place[0]) for place in np.nonzero(rivals & busy[:, np.newaxis]))
        first, second = order[np.flatnonzero(counts[step] & (of == signature))[:2]].tolist()
        time = round(float(newest[step, signature]) * 1000)
        raise QueryError(
            f"found duplicate series for info metric: existing {shown(table.labels(first))} @ {time}, "
            f"new {shown(table.labels(second))} @ {time}"
        )
    counting = np.add.reduceat(np.where(counts, order + 1, 0), starts, axis=1)
    if (counting == counting[0]).all():
        return _Turns(counting[:1], np.zeros(steps, dtype=np.int64), signatures.first)
    distinct, of_step = np.unique(counting, axis=0, return_inverse=True)
    return _Turns(distinct, of_step.reshape(-1), signatures.first)


def _enriched(scope: Scope, base: Frame, infos: LabelTable, turns: _Turns, wanted: _Wanted) -> Frame:
    """A series for each base series and each choice of info series that it has in turn, one of every metric."""
    metrics, chosen = _chosen(base.table, infos, turns)
    number = np.broadcast_to(np.arange(base.series), (len(turns.counting), base.series))
    for metric in range(metrics):
        number = np.unique(number * (len(infos) + 1) + chosen[:, metric], return_inverse=True)[1]
        number = number.reshape(-1, base.series)
    _, first = np.unique(number, return_index=True)
    turn, series = np.divmod(first, base.series)
    scope.limits.charge(len(turns.of_step) * len(first))
    present = base.mask[:, series]
    if len(turns.counting) > 1:
        present = present & (number[turns.of_step][:, series] == np.arange(len(first)))
    choice = chosen[turn, :, series]
    kept: BoolArray = np.any(present, axis=0)
    if not wanted.optional:
        kept &= (choice > 0).any(axis=1)
    frame = Frame(base.table.take(series), base.values[:, series], present, base.drop[series]).take(kept)
    table = _labelled(frame.table, infos, choice[kept], wanted)
    return Frame(table, frame.values, frame.present, frame.drop).pruned()


def _chosen(base: LabelTable, infos: LabelTable, turns: _Turns) -> tuple[int, IntArray]:
    """How many info metrics there are, and for each (turn, metric, base series) the info series and 1, or 0."""
    members = infos.take(turns.signature)
    names, metric = np.unique(members.column(METRIC_NAME), return_inverse=True)
    of_base, of_member, groups = group_both(base, members, _IDENTIFYING)
    signature = np.full((len(names), groups), -1, dtype=np.int64)  # the last of all, which never counts
    signature[metric, of_member] = np.arange(len(members))
    counting = np.pad(turns.counting, ((0, 0), (0, 1)))
    return len(names), counting[:, signature[:, of_base]]


def _labelled(base: LabelTable, infos: LabelTable, choice: IntArray, wanted: _Wanted) -> LabelTable:
    """The base series' labels and, where they have none of that name, those of the info series chosen for each."""
    table = base
    for label in filter(wanted.gives, infos.names):
        codes = np.concatenate((np.zeros(1, dtype=np.int32), infos.column(label)))
        own = base.column(label)
        added = np.zeros_like(own)
        for of_metric in codes[choice].T:
            given = np.where(own == 0, of_metric, 0)
            if ((added != 0) & (given != 0) & (added != given)).any():
                raise QueryError(f"conflicting label: {label}")
            added = np.where(given == 0, added, given)
        if added.any():
            table = setting(table, label, np.where(own == 0, added, own).astype(np.int32))
    return table
