"""Runs Prometheus's own PromQL tests (promql/promqltest/testdata/*.test) against the engine, and counts.

As in Prometheus, an instant query is also run as a range query and, where its time does not matter, under `@` at other
times. `python -m tests.conformance.promqltest` prints the table and all failures, with `--exceptions` those too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from common.errors import TocsinError
from common.labels import Labels
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
from ruler.promql.walk import nodes
from tests.conformance.script import Eval, Points, Series, parse_script
from tests.conformance.worlds import PagedStorage, Storage, World
from tests.peers import testdata_folder

SCRIPTS = "prometheus/promql/promqltest/testdata"
MINUTE = 60_000
EPSILON = 1e-6

# Functions whose result changes with the time of evaluation though their arguments do not.
_OF_TIME = frozenset(
    "days_in_month day_of_month day_of_week day_of_year hour minute month year predict_linear time timestamp".split()  # noqa: SIM905  (read as words)
)
_OF_QUERY = ("start()", "end()", "range()", "step()")


class Mismatch(Exception):  # noqa: N818  (an expectation that was not met, not a fault)
    """A result that is not as expected."""


@dataclass
class Tally:
    """A Tally counts the evals of one script; those that need native histograms are excepted, with the reason."""

    passed: int = 0
    exceptions: list[tuple[Eval, str]] = field(default_factory=list)
    failures: list[tuple[Eval, str]] = field(default_factory=list)

    @property
    def row(self) -> str:
        total = self.passed + len(self.failures) + len(self.exceptions)
        return f"{self.passed:6} {len(self.exceptions):9} {len(self.failures):7} {total:6}"

    def add(self, other: Tally) -> None:
        self.passed += other.passed
        self.exceptions += other.exceptions
        self.failures += other.failures


def run_script(text: str, new_storage: Callable[[], Storage]) -> Tally:
    """Run all commands of a script."""
    tally, world = Tally(), World(new_storage)
    for command in parse_script(text):
        if not isinstance(command, Eval):
            world.do(command)
            continue
        problem = _problem(world, command)
        if exception := _exception(world, command, problem):
            tally.exceptions.append((command, exception))
        elif problem:
            tally.failures.append((command, problem))
        else:
            tally.passed += 1
    return tally


def _problem(world: World, command: Eval) -> str:
    world.missed = set()
    try:
        _run_eval(Engine(world), command)
    except Mismatch as mismatch:
        return str(mismatch)
    except TocsinError as error:
        return f"unexpected error: {error}"
    return ""


def _exception(world: World, command: Eval, problem: str) -> str:
    """Why the eval cannot be held against us: it is about native histograms, which are not stored."""
    if command.native:
        return "expects a native histogram"
    if world.missed:
        return f"selects {min(map(str, world.missed))}"
    return "trims native histograms" if "the histogram trim operator" in problem else ""


def report(tallies: Mapping[str, Tally], *, listing: bool) -> list[str]:
    """A table of tallies, one of each script, and on demand every exception."""
    whole = Tally()
    lines = [f"{'script':20} passed  excepted  failed  total"]
    for name, tally in tallies.items():
        lines.append(f"{name:20} {tally.row}")
        whole.add(tally)
    lines.append(f"{'all':20} {whole.row}")
    if listing:
        for name, tally in tallies.items():
            lines += [f"{name}.test:{command.line}: {reason}: {command.query}" for command, reason in tally.exceptions]
    return lines


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
    if any(isinstance(node, Call) and node.function in _OF_TIME for node in nodes(expr)):
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
            return expr if expr.at is not None else expr.replaced(at=time)
        case MatrixSelector():
            selector = expr.selector if expr.selector.at is not None else expr.selector.replaced(at=time)
            return expr.replaced(selector=selector)
        case Paren() | Unary():
            return expr.replaced(expr=_pinned(expr.expr, time))
        case Binary():
            return expr.replaced(left=_pinned(expr.left, time), right=_pinned(expr.right, time))
        case Call():
            return expr.replaced(args=tuple(_pinned(arg, time) for arg in expr.args))
        case Aggregation():
            param = None if expr.param is None else _pinned(expr.param, time)
            return expr.replaced(expr=_pinned(expr.expr, time), param=param)
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


def main(arguments: list[str]) -> int:
    folder = testdata_folder() / SCRIPTS
    if not folder.is_dir():
        sys.stdout.write(f"Prometheus's test scripts are not at {folder} (set TOCSIN_SHARED)\n")
        return 1
    tallies = {path.stem: run_script(path.read_text(), PagedStorage) for path in sorted(folder.glob("*.test"))}
    lines = report(tallies, listing="--exceptions" in arguments)
    for name, tally in tallies.items():
        for command, problem in tally.failures:
            lines.append(f"{name}.test:{command.line}: {command.query}\n    {problem}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
