"""Runs Prometheus's own PromQL tests (promql/promqltest/testdata/*.test) against the engine, and counts.

As in Prometheus, an instant query is also run as a range query and, where its time does not matter, under `@` at other
times. `python -m tests.conformance.promqltest` prints the table; further arguments name files whose failures to show.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from common.errors import TocsinError
from common.labels import METRIC_NAME, Labels
from ruler.model.arrays import is_stale
from ruler.model.result import Matrix, Result, Scalar, String, Value, Vector
from ruler.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    Paren,
    Subquery,
    Unary,
    VectorSelector,
)
from ruler.promql.engine import Engine
from ruler.promql.parser import parse
from ruler.storage import Queryable
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from tests.conformance.script import Clear, Eval, Load, Points, Series, parse_script
from tests.peers import testdata_folder
from tests.ruler.promql.memory_storage import MemoryStorage

SCRIPTS = "prometheus/promql/promqltest/testdata"
MINUTE = 60_000
EPSILON = 1e-6
LONGEST = 40 * 86_400_000  # ms of samples that a script may load

# Functions whose result changes with the time of evaluation though their arguments do not.
_OF_TIME = frozenset(
    "days_in_month day_of_month day_of_week day_of_year hour minute month year predict_linear time timestamp".split()  # noqa: SIM905  (read as words)
)
_OF_QUERY = ("start()", "end()", "range()", "step()")


class Storage(Protocol):
    """A Storage takes samples of series and can be queried."""

    @property
    def queryable(self) -> Queryable: ...

    def load(self, interval: int, series: list[Series]) -> None: ...


class Mismatch(Exception):  # noqa: N818  (an expectation that was not met, not a fault)
    """A result that is not as expected."""


@dataclass
class Tally:
    """A Tally counts the evals of one script."""

    passed: int = 0
    excepted: int = 0
    failures: list[tuple[Eval, str]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.passed + len(self.failures)


def run_script(text: str, new_storage: Callable[[], Storage]) -> Tally:
    """Run all commands of a script. An eval that selects or expects a native histogram is excepted."""
    tally, world = Tally(), _World(new_storage)
    for command in parse_script(text):
        if not isinstance(command, Eval):
            world.do(command)
            continue
        try:
            if command.native or world.selects_native(command):
                tally.excepted += 1
                continue
            _run_eval(Engine(world.storage.queryable), command)
            tally.passed += 1
        except Mismatch as mismatch:
            tally.failures.append((command, str(mismatch)))
        except TocsinError as error:
            tally.failures.append((command, f"unexpected error: {error}"))
    return tally


class _World:
    """The storage that a script fills, and the series that could not be put into it."""

    def __init__(self, new_storage: Callable[[], Storage]) -> None:
        self._new_storage = new_storage
        self.storage = new_storage()
        self._native: list[Labels] = []

    def do(self, command: Load | Clear) -> None:
        if isinstance(command, Clear):
            self.storage, self._native = self._new_storage(), []
            return
        if any(series.starts for series in command.series):  # which the database does not store
            self.storage = ListedStorage()
        plain = [series for series in command.series if not series.native]
        self.storage.load(command.interval, plain)
        self._native += [series.labels for series in command.series if series.native]
        if command.with_nhcb:
            self._native += [native for series in plain for native in _custom_buckets(series.labels)]

    def selects_native(self, command: Eval) -> bool:
        try:
            expr = parse(command.query)
        except TocsinError as error:
            return "histogram trim operator" in str(error)
        return any(
            all(matcher.matches(labels.get(matcher.name, "")) for matcher in selector.matchers)
            for selector in selectors(expr)
            for labels in self._native
        )


def _custom_buckets(labels: Labels) -> list[Labels]:
    """The native histogram that a series of a classic one would be converted into."""
    name = labels.get(METRIC_NAME, "")
    for suffix in ("_bucket", "_count", "_sum"):
        if name.endswith(suffix):
            return [labels.without(("le",)).replacing({METRIC_NAME: name.removesuffix(suffix)})]
    return []


def selectors(expr: Expr) -> Iterator[VectorSelector]:
    """All selectors of an expression."""
    for node in _nodes(expr):
        if isinstance(node, VectorSelector):
            yield node


def _nodes(expr: Expr) -> Iterator[Expr]:
    todo: list[Expr] = [expr]
    while todo:
        node = todo.pop()
        yield node
        match node:
            case MatrixSelector():
                todo.append(node.selector)
            case Subquery() | Unary() | Paren():
                todo.append(node.expr)
            case Binary():
                todo += (node.left, node.right)
            case Call():
                todo += node.args
            case Aggregation():
                todo.append(node.expr)
                if node.param is not None:
                    todo.append(node.param)


def _run_eval(engine: Engine, command: Eval) -> None:
    failing = command.expected("fail")
    try:
        if command.step:
            result = engine.range(command.query, command.start, command.end, command.step)
        else:
            result = engine.instant(command.query, command.start)
    except TocsinError as error:
        if not failing:
            raise
        if not failing[0].met_by(str(error)):
            message = f"expected an error like {failing[0].text!r}, got: {error}"
            raise Mismatch(message) from None
        return
    if failing:
        raise Mismatch("expected an error, got none")
    _check_notes(command, result)
    check(command, result.value)
    if not command.step:
        _check_other_ways(engine, command, result.value)


def _check_other_ways(engine: Engine, command: Eval, value: Value) -> None:
    """The same query as a range query around its time, and under `@`, where these must agree."""
    if command.grid is not None or command.string is not None or any(word in command.query for word in _OF_QUERY):
        return
    _check_in_range(engine, command, command.query, command.start, value)
    expr = parse(command.query)
    if any(isinstance(node, Call) and node.function in _OF_TIME for node in _nodes(expr)):
        return
    pinned = _pinned(expr, command.start)
    for time in (-10 * command.start or -1000, 0, command.start // 5, 10 * command.start or 1000):
        check(command, engine.instant(pinned, time).value)
        _check_in_range(engine, command, pinned, time, value)


def _check_in_range(engine: Engine, command: Eval, query: str | Expr, time: int, value: Value) -> None:
    if command.expected("ordered"):
        return
    matrix = engine.range(query, time - MINUTE, time + MINUTE, MINUTE).value
    assert isinstance(matrix, Matrix)
    at = matrix.times == time
    series = np.repeat(np.arange(len(matrix.table)), np.diff(matrix.offsets))[at]
    if isinstance(value, Scalar):
        check(command, Scalar(time, float(matrix.values[at][0])))
    else:
        check(command, Vector(time, matrix.table.take(series), matrix.values[at]))


def _pinned(expr: Expr, time: int) -> Expr:
    """The expression with every selector and subquery that is not under `@` yet fixed at this time."""
    match expr:
        case VectorSelector() | Subquery():
            return expr if expr.at is not None else replace(expr, at=time)
        case MatrixSelector():
            selector = expr.selector if expr.selector.at is not None else replace(expr.selector, at=time)
            return replace(expr, selector=selector)
        case Paren() | Unary():
            return replace(expr, expr=_pinned(expr.expr, time))
        case Binary():
            return replace(expr, left=_pinned(expr.left, time), right=_pinned(expr.right, time))
        case Call():
            return replace(expr, args=tuple(_pinned(arg, time) for arg in expr.args))
        case Aggregation():
            param = None if expr.param is None else _pinned(expr.param, time)
            return replace(expr, expr=_pinned(expr.expr, time), param=param)
        case _:
            return expr


def _check_notes(command: Eval, result: Result) -> None:
    for kind, notes in (("warn", result.warnings), ("info", result.infos)):
        expected = command.expected(kind)
        for each in expected:
            if not any(each.met_by(note) for note in notes):
                message = f"expected {kind} {each.text!r}, got {notes}"
                raise Mismatch(message)
        unexpected = [note for note in notes if not any(each.met_by(note) for each in expected)]
        if unexpected and (expected or command.expected(f"no_{kind}")):
            message = f"unexpected {kind} {unexpected}"
            raise Mismatch(message)


def check(command: Eval, value: Value) -> None:
    """Raise Mismatch unless the value is what the eval expects."""
    match value:
        case Scalar():
            if command.scalar is None or not alike(command.scalar, value.value):
                message = f"expected {command.scalar}, got scalar {value.value}"
                raise Mismatch(message)
        case String():
            if command.string != value.value:
                message = f"expected string {command.string!r}, got {value.value!r}"
                raise Mismatch(message)
        case Vector():
            _check_vector(command, value)
        case Matrix():
            _check_matrix(command, value)


def _check_vector(command: Eval, vector: Vector) -> None:
    if command.scalar is not None:
        raise Mismatch("expected a scalar, got a vector")
    actual = list(zip(vector.table.all_labels(), vector.values.tolist(), strict=True))
    wanted = {series.labels: series.points[0] if series.points else None for series in command.series}
    _check_labels(set(wanted), [labels for labels, _ in actual])
    for labels, number in actual:
        if not alike(wanted[labels], number):
            message = f"expected {wanted[labels]} for {labels}, got {number}"
            raise Mismatch(message)
    if command.expected("ordered") and list(wanted) != [labels for labels, _ in actual]:
        message = f"expected the order {list(map(str, wanted))}, got {[str(labels) for labels, _ in actual]}"
        raise Mismatch(message)


def _check_labels(wanted: set[Labels], actual: list[Labels]) -> None:
    if len(set(actual)) < len(actual):
        message = f"series twice: {sorted(map(str, actual))}"
        raise Mismatch(message)
    if wanted != set(actual):
        missing, extra = wanted - set(actual), set(actual) - wanted
        message = f"missing {sorted(map(str, missing))}, unexpected {sorted(map(str, extra))}"
        raise Mismatch(message)


def _check_matrix(command: Eval, matrix: Matrix) -> None:
    start, step = command.grid or (command.start, command.step)
    labels = matrix.table.all_labels()
    _check_labels({series.labels for series in command.series}, labels)
    if labels != sorted(labels):
        raise Mismatch("the matrix is not sorted by labels")
    wanted = {series.labels: _timed(series, start, step) for series in command.series}
    for index, each in enumerate(labels):
        within = slice(matrix.offsets[index], matrix.offsets[index + 1])
        actual = dict(zip(matrix.times[within].tolist(), matrix.values[within].tolist(), strict=True))
        if wanted[each].keys() != actual.keys() or not all(
            alike(number, actual[time]) for time, number in wanted[each].items()
        ):
            message = f"expected {wanted[each]} for {each}, got {actual}"
            raise Mismatch(message)


def _timed(series: Series, start: int, step: int) -> dict[int, float]:
    points: Points = series.points
    return {start + place * step: point for place, point in enumerate(points) if point is not None}


def alike(expected: float | None, actual: float) -> bool:
    """Whether two numbers are equal within a relative error; NaN is like NaN."""
    if expected is None:
        return False
    if math.isnan(expected) or math.isnan(actual):
        return math.isnan(expected) and math.isnan(actual) and not is_stale(np.array([actual]))[0]
    if expected == actual:
        return True
    size, apart = abs(expected) + abs(actual), abs(expected - actual)
    tiny = sys.float_info.min
    if expected == 0 or actual == 0 or size < tiny:
        return apart < EPSILON * tiny
    return apart / min(size, sys.float_info.max) < EPSILON


class ListedStorage:
    """A ListedStorage is the obvious storage, made of lists."""

    def __init__(self) -> None:
        self.queryable = MemoryStorage()

    def load(self, interval: int, series: list[Series]) -> None:
        for each in series:
            samples = [(row * interval, point) for row, point in enumerate(each.points) if point is not None]
            starts = {
                row * interval: row * interval + offset for row, offset in enumerate(each.starts) if offset is not None
            }
            self.queryable.put(each.labels, samples, stream=str(each.labels), starts=starts)


class PagedStorage:
    """A PagedStorage is the database without a directory; every load is a stream that brings its own timestamps."""

    def __init__(self) -> None:
        self.queryable = DB.open(None, retention=Retention(LONGEST))

    def load(self, interval: int, series: list[Series]) -> None:
        if not series:
            return
        ids = self.queryable.series([each.labels for each in series])
        stream = self.queryable.stream(f"load {ids[0]}", None)
        for row in range(max(len(each.points) for each in series)):
            given = [each.points[row] if row < len(each.points) else None for each in series]
            present = np.array([point is not None for point in given])
            values = np.array([point for point in given if point is not None], dtype=np.float64)
            stream.append(row * interval, row * interval, ids[present], values)


def main(shown: list[str]) -> int:
    folder = testdata_folder() / SCRIPTS
    if not folder.is_dir():
        sys.stdout.write(f"Prometheus's test scripts are not at {folder} (set TOCSIN_SHARED)\n")
        return 1
    rows, passed, total, excepted = [], 0, 0, 0
    for path in sorted(folder.glob("*.test")):
        tally = run_script(path.read_text(), PagedStorage)
        rows.append(f"{path.name:28} {tally.passed:5} / {tally.total:<5} {tally.excepted:5}")
        passed, total, excepted = passed + tally.passed, total + tally.total, excepted + tally.excepted
        if path.name in shown or path.stem in shown:
            rows += [f"  line {command.line}: {command.query}\n    {problem}" for command, problem in tally.failures]
    header = f"{'file':28} {'passed':>5} / {'of':<5} {'native histograms, excepted'}"
    footer = f"{'total':28} {passed:5} / {total:<5} {excepted:5}"
    sys.stdout.write("\n".join([header, *rows, footer]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
