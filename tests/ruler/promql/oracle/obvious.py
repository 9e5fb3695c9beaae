"""The slow, obvious evaluator: PromQL over lists of samples, one moment after the other and one series after the other.

It shares the parser with the engine, and nothing that evaluates. It takes no notes.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import ParseError
from common.labels import METRIC_NAME, Labels
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.ast import (
    Aggregation,
    At,
    AtEdge,
    Binary,
    Call,
    DurationExpr,
    Expr,
    Extent,
    MatrixSelector,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    ValueType,
    VectorSelector,
)
from ruler.promql.parser import parse
from tests.ruler.promql.oracle.answers import Answer, Points
from tests.ruler.promql.oracle.groups import aggregated
from tests.ruler.promql.oracle.labelling import IDENTIFYING, asked_for, enriched
from tests.ruler.promql.oracle.pairing import ARITHMETIC, of_numbers, of_sets, of_vectors, with_number
from tests.ruler.promql.oracle.queries import Asked
from tests.ruler.promql.oracle.vectors import (
    DATES,
    POINTWISE,
    Point,
    Refused,
    Vector,
    bucket_fraction,
    bucket_quantile,
    distinct,
    greater,
    histograms,
    lesser,
    nameless,
    with_label,
)
from tests.ruler.promql.oracle.windows import WINDOWED, Sample
from tests.ruler.promql.oracle.world import stale

MINUTE = 60_000

Value = float | str | Vector


@dataclass(frozen=True, slots=True)
class Window:
    """A Window is one series' samples between two moments."""

    labels: Labels
    samples: list[Sample]
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """A Range is a range vector at one moment: its windows, where they end and how long they are (ms)."""

    windows: list[Window]
    end: int
    reach: int


def answered(series: Mapping[Labels, Sequence[Sample]], asked: Asked) -> Answer:
    """What the query gives for these samples, staleness markers among them."""
    try:
        expr = parse(asked.text)
    except ParseError as error:
        return Answer("bad_data", error=f'invalid parameter "query": {error}')
    try:
        return _Evaluation(series, asked).answer(expr)
    except (Refused, ValueError) as error:
        return Answer("execution", error=str(error))


class _Evaluation:
    """An _Evaluation is one query at work; it remembers what each expression was at each moment."""

    def __init__(self, series: Mapping[Labels, Sequence[Sample]], asked: Asked) -> None:
        self._series = [
            (labels, [time for time, _ in samples], samples)
            for labels, samples in sorted(series.items(), key=lambda item: list(item[0].items()))
        ]
        self._asked = asked
        self._lookback = 5 * MINUTE if asked.lookback is None else asked.lookback
        self._known: dict[tuple[int, int], Value] = {}

    def answer(self, expr: Expr) -> Answer:
        asked = self._asked
        if asked.instant:
            return self._at_once(expr, asked.start)
        found: dict[Labels, Points] = {}
        for time in range(asked.start, asked.end + 1, asked.step):
            value = self.value(expr, time)
            vector = [Point(Labels(), value)] if isinstance(value, float) else value
            assert isinstance(vector, list)
            for point in _unnamed(vector):
                found.setdefault(point.labels, {})[time] = point.value
        return Answer("matrix", sorted(found.items(), key=lambda item: list(item[0].items())))

    def _at_once(self, expr: Expr, time: int) -> Answer:
        if expr.type is ValueType.MATRIX:
            found: dict[Labels, Points] = {}
            for window in self.range(expr, time).windows:
                points = found.setdefault(nameless(window.labels) if window.drop else window.labels, {})
                if points.keys() & dict(window.samples).keys():
                    raise Refused("vector cannot contain metrics with the same labelset")
                points.update(window.samples)
            return Answer("matrix", [(labels, points) for labels, points in found.items() if points])
        value = self.value(expr, time)
        if isinstance(value, float):
            return Answer("scalar", [(Labels(), {time: value})])
        if isinstance(value, str):
            return Answer("string", error=value)
        return Answer("vector", [(point.labels, {time: point.value}) for point in _unnamed(value)])

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, expr: Expr, time: int) -> Value:
        key = (id(expr), time)
        if key not in self._known:
            self._known[key] = self._value(expr, time)
        return self._known[key]

    def _value(self, expr: Expr, time: int) -> Value:
        match expr:
            case Number():
                return expr.value
            case Text():
                return expr.value
            case Paren():
                return self.value(expr.expr, time)
            case Unary():
                return self._signed(expr, self.value(expr.expr, time))
            case VectorSelector():
                return [Point(labels, sample[1]) for labels, sample in self._latest(expr, time)]
            case Binary():
                return self._binary(expr, self.value(expr.left, time), self.value(expr.right, time))
            case Aggregation():
                parameter = None if expr.param is None else self.value(expr.param, time)
                assert not isinstance(parameter, list)
                return aggregated(expr, self.vector(expr.expr, time), parameter)
            case Call():
                return self._call(expr, time)
        raise AssertionError(expr)

    def vector(self, expr: Expr, time: int) -> Vector:
        value = self.value(expr, time)
        assert isinstance(value, list)
        return value

    def scalar(self, expr: Expr, time: int) -> float:
        value = self.value(expr, time)
        assert isinstance(value, float)
        return value

    @staticmethod
    def _signed(expr: Unary, value: Value) -> Value:
        if expr.op == "+":
            return value
        if isinstance(value, float):
            return -value
        assert isinstance(value, list)
        return [Point(point.labels, -point.value, drop=True) for point in value]

    @staticmethod
    def _binary(expr: Binary, left: Value, right: Value) -> Value:
        if isinstance(left, float) and isinstance(right, float):
            return of_numbers(expr.op, left, right)
        if isinstance(left, list) and isinstance(right, float):
            return with_number(expr, left, right, swapped=False)
        if isinstance(left, float) and isinstance(right, list):
            return with_number(expr, right, left, swapped=True)
        assert isinstance(left, list)
        assert isinstance(right, list)
        return of_sets(expr, left, right) if expr.op in ("and", "or", "unless") else of_vectors(expr, left, right)

    # --- selectors ----------------------------------------------------------------------------------------------------

    def _moment(self, at: At | None, offset: Extent, time: int) -> int:
        edges = {AtEdge.START: self._asked.start, AtEdge.END: self._asked.end}
        origin = time if at is None else edges[at] if isinstance(at, AtEdge) else at
        return origin - self._extent(offset)

    def _extent(self, extent: Extent) -> int:
        return extent if isinstance(extent, int) else int(self._seconds(extent) * 1000)

    def _seconds(self, term: DurationExpr | Number | None) -> float:
        if term is None:
            return 0.0
        if isinstance(term, Number):
            return term.value
        if term.right is None:
            asked = self._asked
            return {"step": asked.step, "range": asked.end - asked.start}[term.op] / 1000
        left, right = self._seconds(term.left), self._seconds(term.right)
        if term.op in ("min_of", "max_of"):
            return min(left, right) if term.op == "min_of" else max(left, right)
        return ARITHMETIC[term.op](left, right)

    def _within(self, selector: VectorSelector, start: int, end: int) -> list[tuple[Labels, Sequence[Sample]]]:
        """The samples in (start, end] of the series that match."""
        found = []
        for labels, times, samples in self._series:
            if all(matcher.matches(labels.get(matcher.name, "")) for matcher in selector.matchers):
                found.append((labels, samples[bisect_right(times, start) : bisect_right(times, end)]))
        return found

    def _latest(self, selector: VectorSelector, time: int) -> list[tuple[Labels, Sample]]:
        """The last sample of each series within the lookback, unless the series has ended."""
        end = self._moment(selector.at, selector.offset, time)
        within = self._within(selector, end - self._lookback, end)
        return [(labels, samples[-1]) for labels, samples in within if samples and not stale(samples[-1][1])]

    def range(self, expr: Expr, time: int) -> Range:
        while isinstance(expr, Paren):
            expr = expr.expr
        if isinstance(expr, MatrixSelector):
            end, reach = self._moment(expr.selector.at, expr.selector.offset, time), self._extent(expr.range)
            windows = [
                Window(labels, [sample for sample in samples if not stale(sample[1])])
                for labels, samples in self._within(expr.selector, end - reach, end)
            ]
            return Range([window for window in windows if window.samples], end, reach)
        assert isinstance(expr, Subquery)
        end, reach = self._moment(expr.at, expr.offset, time), self._extent(expr.range)
        step = MINUTE if expr.step is None else self._extent(expr.step)
        found: dict[Labels, Window] = {}
        for moment in range((end - reach) // step * step + step, end + 1, step):
            for point in distinct(self.vector(expr.expr, moment)):
                window = found.setdefault(point.labels, Window(point.labels, [], point.drop))
                window.samples.append((moment, point.value))
        return Range(list(found.values()), end, reach)

    # --- functions ----------------------------------------------------------------------------------------------------

    def _call(self, call: Call, time: int) -> Value:
        name, args = call.function, call.args
        if name in WINDOWED:
            return self._windowed(call, time)
        if name in POINTWISE:
            scalars = [self.scalar(arg, time) for arg in args[1:]]
            vector = self.vector(args[0], time)
            return [Point(point.labels, POINTWISE[name](point.value, *scalars), drop=True) for point in vector]
        if name in DATES:
            if not args:
                return [Point(Labels(), DATES[name](float(time // 1000)))]
            return [Point(point.labels, DATES[name](point.value), drop=True) for point in self.vector(args[0], time)]
        value: Value = getattr(self, f"_{name}")(time, *args)
        return value

    def _windowed(self, call: Call, time: int) -> Vector:
        ranges = [arg for arg in call.args if arg.type is ValueType.MATRIX]
        scalars = [self.scalar(arg, time) for arg in call.args if arg.type is not ValueType.MATRIX]
        found = self.range(ranges[0], time)
        keeps = call.function in ("last_over_time", "first_over_time")
        points = []
        for window in found.windows:
            value = WINDOWED[call.function](window.samples, found.end, found.reach, time, *scalars)
            if value is not None:
                points.append(Point(window.labels, value, window.drop or not keeps))
        return points

    def _absent_over_time(self, time: int, arg: Expr) -> Vector:
        return [] if self.range(arg, time).windows else [Point(asked_for(arg), 1.0)]

    def _absent(self, time: int, arg: Expr) -> Vector:
        return [] if self.vector(arg, time) else [Point(asked_for(arg), 1.0)]

    def _clamp(self, time: int, arg: Expr, low: Expr, high: Expr) -> Vector:
        vector, least, most = self.vector(arg, time), self.scalar(low, time), self.scalar(high, time)
        if most < least:
            return []
        return [Point(point.labels, greater(least, lesser(most, point.value)), drop=True) for point in vector]

    def _timestamp(self, time: int, arg: Expr) -> Vector:
        while isinstance(arg, Paren):
            arg = arg.expr
        if isinstance(arg, VectorSelector):
            return [Point(labels, sample[0] / 1000, drop=True) for labels, sample in self._latest(arg, time)]
        return [Point(point.labels, time / 1000, drop=True) for point in self.vector(arg, time)]

    def _time(self, time: int) -> float:
        return time / 1000

    def _pi(self, _: int) -> float:
        return math.pi

    def _scalar(self, time: int, arg: Expr) -> float:
        vector = self.vector(arg, time)
        return vector[0].value if len(vector) == 1 else math.nan

    def _vector(self, time: int, arg: Expr) -> Vector:
        return [Point(Labels(), self.scalar(arg, time))]

    def _sort(self, time: int, arg: Expr) -> Vector:
        return sorted(self.vector(arg, time), key=lambda point: (math.isnan(point.value), point.value))

    def _sort_desc(self, time: int, arg: Expr) -> Vector:
        return sorted(self.vector(arg, time), key=lambda point: (math.isnan(point.value), -point.value))

    def _sort_by_label(self, time: int, arg: Expr, *names: Expr) -> Vector:
        wanted = [str(self.value(name, time)) for name in names]
        vector = self.vector(arg, time)
        return sorted(
            vector, key=lambda point: ([point.labels.get(name, "") for name in wanted], list(point.labels.items()))
        )

    def _sort_by_label_desc(self, time: int, arg: Expr, *names: Expr) -> Vector:
        return self._sort_by_label(time, arg, *names)[::-1]

    def _histogram_quantile(self, time: int, share: Expr, arg: Expr) -> Vector:
        wanted, vector = self.scalar(share, time), self.vector(arg, time)
        return [Point(labels, bucket_quantile(wanted, buckets), drop=True) for labels, buckets in histograms(vector)]

    def _histogram_fraction(self, time: int, low: Expr, high: Expr, arg: Expr) -> Vector:
        edges, vector = (self.scalar(low, time), self.scalar(high, time)), self.vector(arg, time)
        return [Point(labels, bucket_fraction(*edges, buckets), drop=True) for labels, buckets in histograms(vector)]

    def _label_replace(self, time: int, arg: Expr, *texts: Expr) -> Vector:
        target, replacement, source, pattern = (str(self.value(text, time)) for text in texts)
        program = re.compile(f"(?s:{pattern})")
        found = []
        for point in self.vector(arg, time):
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

    def _label_join(self, time: int, arg: Expr, *texts: Expr) -> Vector:
        target, separator, *sources = (str(self.value(text, time)) for text in texts)
        return distinct(
            _relabelled(point, target, separator.join(point.labels.get(source, "") for source in sources))
            for point in self.vector(arg, time)
        )

    def _info(self, time: int, arg: Expr, wanted: Expr | None = None) -> Vector:
        """The labels of info series go to the series of the same instance and job; no modifier moves the moment."""
        matchers = wanted.matchers if isinstance(wanted, VectorSelector) else ()
        names = [matcher for matcher in matchers if matcher.name == METRIC_NAME]
        names = names or [Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info")]
        data = [matcher for matcher in matchers if matcher.name != METRIC_NAME]
        vector = self.vector(arg, time)
        plain = [point for point in vector if all(each.matches(point.labels.get(METRIC_NAME, "")) for each in names)]
        base = [point for point in vector if point not in plain]
        newest: dict[tuple[str, ...], tuple[int, Labels]] = {}
        for labels, (when, _) in self._latest(VectorSelector("", (*names, *data)), time):
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


def _unnamed(vector: Vector) -> Vector:
    """A vector as it leaves: without the names that were to go."""
    return distinct(Point(nameless(point.labels) if point.drop else point.labels, point.value) for point in vector)
