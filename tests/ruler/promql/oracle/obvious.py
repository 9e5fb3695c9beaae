"""The slow, obvious evaluator: PromQL over lists of samples, one moment after the other and one series after the other.

It shares the parser with the engine, and nothing that evaluates. It takes no notes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import ParseError
from common.labels import Labels
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
from tests.ruler.promql.oracle.called import CALLED
from tests.ruler.promql.oracle.groups import aggregated
from tests.ruler.promql.oracle.pairing import ARITHMETIC, of_numbers, of_sets, of_vectors, with_number
from tests.ruler.promql.oracle.queries import Asked
from tests.ruler.promql.oracle.vectors import (
    DATES,
    POINTWISE,
    Point,
    Refused,
    Value,
    Vector,
    distinct,
    nameless,
)
from tests.ruler.promql.oracle.windows import WINDOWED, Sample
from tests.ruler.promql.oracle.world import stale

MINUTE = 60_000


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
        return Evaluation(series, asked).answer(expr)
    except (Refused, ValueError) as error:
        return Answer("execution", error=str(error))


class Evaluation:
    """An Evaluation is one query at work; it remembers what each expression was at each moment."""

    def __init__(self, series: Mapping[Labels, Sequence[Sample]], asked: Asked) -> None:
        self._series = [
            (labels, [time for time, _ in samples], samples)
            for labels, samples in sorted(series.items(), key=lambda item: list(item[0].items()))
        ]
        self.asked = asked
        self._lookback = 5 * MINUTE if asked.lookback is None else asked.lookback
        self._known: dict[tuple[int, int], Value] = {}

    def answer(self, expr: Expr) -> Answer:
        asked = self.asked
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
                return [Point(labels, sample[1]) for labels, sample in self.latest(expr, time)]
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
        edges = {AtEdge.START: self.asked.start, AtEdge.END: self.asked.end}
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
            asked = self.asked
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

    def latest(self, selector: VectorSelector, time: int) -> list[tuple[Labels, Sample]]:
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
        return CALLED[name](self, time, *args)

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


def _unnamed(vector: Vector) -> Vector:
    """A vector as it leaves: without the names that were to go."""
    return distinct(Point(nameless(point.labels) if point.drop else point.labels, point.value) for point in vector)
