"""label_replace and label_join: new label values, worked out once for each distinct value that they are made from."""

from __future__ import annotations

import numpy as np

from common.errors import ParseError, QueryError
from common.labels import METRIC_NAME
from ruler.model.arrays import BoolArray, CodeArray
from ruler.model.golang import expansion
from ruler.model.matcher import compile_regex
from ruler.promql.ast import Call
from ruler.promql.columns import grouped, is_any_label_name, setting
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.merge import merged
from ruler.promql.scope import Scope

_BETWEEN_CHECKS = 4096  # texts


def label_replace(scope: Scope, call: Call, grid: Grid) -> Value:
    target, replacement, source, pattern = (scope.text(arg) for arg in call.args[1:])
    try:
        program = compile_regex(pattern)
    except ParseError:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern}") from None
    _checked_name(target, "destination", call)
    frame = scope.vector(call.args[0], grid)
    distinct, inverse = np.unique(frame.table.column(source), return_inverse=True)
    expand = expansion(replacement, program.groupindex, program.groups)
    codes: list[int | None] = []
    for place, code in enumerate(distinct.tolist()):
        if not place % _BETWEEN_CHECKS:
            scope.limits.check()
        match = program.match(scope.strings.text(code).encode())  # bytes take half the time
        codes.append(None if match is None else scope.strings.code(expand(match).decode(errors="replace")))
    matches = np.array([code is not None for code in codes], dtype=np.bool_)[inverse]
    new = np.array([code or 0 for code in codes], dtype=np.int32)[inverse]
    return _relabelled(frame, target, np.where(matches, new, frame.table.column(target)), matches)


def label_join(scope: Scope, call: Call, grid: Grid) -> Value:
    target, separator, *sources = (scope.text(arg) for arg in call.args[1:])
    for source in sources:
        _checked_name(source, "source", call)
    _checked_name(target, "destination", call)
    frame = scope.vector(call.args[0], grid)
    columns = [frame.table.column(source) for source in sources]
    groups = grouped(columns, len(frame.table))
    text = scope.strings.text
    joined = []
    for low in range(0, len(groups), _BETWEEN_CHECKS):
        scope.limits.check()
        some = groups.first[low : low + _BETWEEN_CHECKS]
        parts = (
            np.stack([column[some] for column in columns], axis=1) if columns else np.zeros((len(some), 0), np.int32)
        )
        joined += [scope.strings.code(separator.join(map(text, row))) for row in parts.tolist()]
    everything = np.ones(frame.series, dtype=np.bool_)
    return _relabelled(frame, target, np.array(joined, dtype=np.int32)[groups.of], everything)


def _relabelled(frame: Frame, target: str, codes: CodeArray, changed: BoolArray) -> Frame:
    if frame.series == 0:
        return frame
    drop = frame.drop & ~changed if target == METRIC_NAME else frame.drop
    table = setting(frame.table, target, codes.astype(np.int32))
    return merged(Frame(table, frame.values, frame.present, drop))


def _checked_name(name: str, role: str, call: Call) -> None:
    if not is_any_label_name(name):
        raise QueryError(f"invalid {role} label name in {call.function}(): {name}")
