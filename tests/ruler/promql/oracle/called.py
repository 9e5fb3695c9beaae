"""The obvious functions that are more than a fold of a window or of a value, by name: CALLED.

Each takes the evaluation that it is part of, the moment and its arguments, not yet evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from common.labels import METRIC_NAME, Labels
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.ast import Expr, Paren, VectorSelector
from tests.ruler.promql.oracle.labelling import IDENTIFYING, asked_for, enriched
from tests.ruler.promql.oracle.vectors import (
    Point,
    Refused,
    Value,
    Vector,
    bucket_fraction,
    bucket_quantile,
    distinct,
    greater,
    histograms,
    lesser,
    open_metrics,
    with_label,
)

if TYPE_CHECKING:
    from tests.ruler.promql.oracle.obvious import Evaluation


def _absent_over_time(of: Evaluation, time: int, arg: Expr) -> Vector:
    return [] if of.range(arg, time).windows else [Point(asked_for(arg), 1.0)]


def _absent(of: Evaluation, time: int, arg: Expr) -> Vector:
    return [] if of.vector(arg, time) else [Point(asked_for(arg), 1.0)]


def _clamp(of: Evaluation, time: int, arg: Expr, low: Expr, high: Expr) -> Vector:
    vector, least, most = of.vector(arg, time), of.scalar(low, time), of.scalar(high, time)
    if most < least:
        return []
    return [Point(point.labels, greater(least, lesser(most, point.value)), drop=True) for point in vector]


def _timestamp(of: Evaluation, time: int, arg: Expr) -> Vector:
    while isinstance(arg, Paren):
        arg = arg.expr
    if isinstance(arg, VectorSelector):
        return [Point(labels, sample[0] / 1000, drop=True) for labels, sample in of.latest(arg, time)]
    return [Point(point.labels, time / 1000, drop=True) for point in of.vector(arg, time)]


def _time(of: Evaluation, time: int) -> float:
    return time / 1000


def _pi(of: Evaluation, _: int) -> float:
    return math.pi


def _start(of: Evaluation, _: int) -> float:
    return of.asked.start / 1000


def _end(of: Evaluation, _: int) -> float:
    return of.asked.end / 1000


def _range(of: Evaluation, _: int) -> float:
    return (of.asked.end - of.asked.start) / 1000


def _step(of: Evaluation, _: int) -> float:
    return of.asked.step / 1000


def _min_of(of: Evaluation, time: int, one: Expr, other: Expr) -> float:
    return lesser(of.scalar(one, time), of.scalar(other, time))


def _max_of(of: Evaluation, time: int, one: Expr, other: Expr) -> float:
    return greater(of.scalar(one, time), of.scalar(other, time))


def _scalar(of: Evaluation, time: int, arg: Expr) -> float:
    vector = of.vector(arg, time)
    return vector[0].value if len(vector) == 1 else math.nan


def _vector(of: Evaluation, time: int, arg: Expr) -> Vector:
    return [Point(Labels(), of.scalar(arg, time))]


def _sort(of: Evaluation, time: int, arg: Expr) -> Vector:
    return sorted(of.vector(arg, time), key=lambda point: (math.isnan(point.value), point.value))


def _sort_desc(of: Evaluation, time: int, arg: Expr) -> Vector:
    return sorted(of.vector(arg, time), key=lambda point: (math.isnan(point.value), -point.value))


def _sort_by_label(of: Evaluation, time: int, arg: Expr, *names: Expr) -> Vector:
    wanted = [str(of.value(name, time)) for name in names]
    vector = of.vector(arg, time)
    return sorted(
        vector, key=lambda point: ([point.labels.get(name, "") for name in wanted], list(point.labels.items()))
    )


def _sort_by_label_desc(of: Evaluation, time: int, arg: Expr, *names: Expr) -> Vector:
    return _sort_by_label(of, time, arg, *names)[::-1]


def _histogram_quantile(of: Evaluation, time: int, share: Expr, arg: Expr) -> Vector:
    wanted, vector = of.scalar(share, time), of.vector(arg, time)
    return [Point(labels, bucket_quantile(wanted, buckets), drop=True) for labels, buckets in histograms(vector)]


def _histogram_fraction(of: Evaluation, time: int, low: Expr, high: Expr, arg: Expr) -> Vector:
    edges, vector = (of.scalar(low, time), of.scalar(high, time)), of.vector(arg, time)
    return [Point(labels, bucket_fraction(*edges, buckets), drop=True) for labels, buckets in histograms(vector)]


def _histogram_quantiles(of: Evaluation, time: int, arg: Expr, name: Expr, *shares: Expr) -> Vector:
    label, wanted = str(of.value(name, time)), [of.scalar(share, time) for share in shares]
    return distinct(
        Point(with_label(labels, label, open_metrics(share)), bucket_quantile(share, buckets), drop=True)
        for labels, buckets in histograms(of.vector(arg, time))
        for share in wanted
    )


def _label_replace(of: Evaluation, time: int, arg: Expr, *texts: Expr) -> Vector:
    target, replacement, source, pattern = (str(of.value(text, time)) for text in texts)
    program = re.compile(f"(?s:{pattern})")
    found = []
    for point in of.vector(arg, time):
        match = program.fullmatch(point.labels.get(source, ""))
        if match is None:
            found.append(point)
            continue
        groups = {**{str(place): text for place, text in enumerate(match.groups(), 1)}, **match.groupdict()}
        text = "".join(
            (groups.get(part) or "") if place % 2 else part
            for place, part in enumerate(re.split(r"\$\{?(\w+)\}?", replacement))
        )
        found.append(_relabelled(point, target, text))
    return distinct(found)


def _label_join(of: Evaluation, time: int, arg: Expr, *texts: Expr) -> Vector:
    target, separator, *sources = (str(of.value(text, time)) for text in texts)
    return distinct(
        _relabelled(point, target, separator.join(point.labels.get(source, "") for source in sources))
        for point in of.vector(arg, time)
    )


def _info(of: Evaluation, time: int, arg: Expr, wanted: Expr | None = None) -> Vector:
    """The labels of info series go to the series of the same instance and job; no modifier moves the moment."""
    matchers = wanted.matchers if isinstance(wanted, VectorSelector) else ()
    names = [matcher for matcher in matchers if matcher.name == METRIC_NAME]
    names = names or [Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info")]
    data = [matcher for matcher in matchers if matcher.name != METRIC_NAME]
    vector = of.vector(arg, time)
    plain = [point for point in vector if all(each.matches(point.labels.get(METRIC_NAME, "")) for each in names)]
    base = [point for point in vector if point not in plain]
    newest: dict[tuple[str, ...], tuple[int, Labels]] = {}
    for labels, (when, _) in of.latest(VectorSelector("", (*names, *data)), time):
        wants = [{point.labels[name] for point in base if name in point.labels} for name in IDENTIFYING]
        if not any(wants) or any(
            labels.get(name, "") not in want for name, want in zip(IDENTIFYING, wants, strict=True) if want
        ):
            continue
        signature = tuple(labels.get(name, "") for name in (METRIC_NAME, *IDENTIFYING))
        known = newest.get(signature)
        if known is not None and known[0] == when:
            raise Refused("found duplicate series for info metric")
        if known is None or known[0] < when:
            newest[signature] = (when, labels)
    return distinct([*plain, *(found for point in base for found in enriched(point, newest, data))])


def _relabelled(point: Point, name: str, value: str) -> Point:
    return Point(with_label(point.labels, name, value), point.value, point.drop and name != METRIC_NAME)


CALLED: dict[str, Callable[..., Value]] = {
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "clamp": _clamp,
    "end": _end,
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "histogram_quantiles": _histogram_quantiles,
    "info": _info,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "max_of": _max_of,
    "min_of": _min_of,
    "pi": _pi,
    "range": _range,
    "scalar": _scalar,
    "sort": _sort,
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": _sort_by_label_desc,
    "sort_desc": _sort_desc,
    "start": _start,
    "step": _step,
    "time": _time,
    "timestamp": _timestamp,
    "vector": _vector,
}
