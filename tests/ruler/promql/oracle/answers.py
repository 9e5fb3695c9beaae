"""What a query is answered with, in one form for all who answer, and what two answers differ in."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.errors import ParseError, QueryError
from common.labels import Labels
from ruler.model.result import Matrix, Result, Scalar, String, Vector
from ruler.promql.engine import Engine
from ruler.promql.parser import parsed
from tests.ruler.promql.oracle.queries import Asked

Points = dict[int, float]


@dataclass(frozen=True)
class Answer:
    """An Answer is a kind of value with its series in the order that they came in, or an error; and its notes."""

    kind: str
    series: list[tuple[Labels, Points]] = field(default_factory=list)
    error: str = ""
    notes: frozenset[str] = frozenset()

    def __str__(self) -> str:
        lines = [self.kind, *([self.error] if self.error else [])]
        lines += [f"  {labels} {points}" for labels, points in self.series]
        lines += [f"  note: {note}" for note in sorted(self.notes)]
        return "\n".join(lines)


def ours(engine: Engine, asked: Asked) -> Answer:
    """The engine's answer."""
    try:
        query = parsed(asked.text)
    except ParseError as error:
        return Answer("bad_data", error=f'invalid parameter "query": {error}')
    try:
        if asked.instant:
            result = engine.instant(query, asked.start, lookback=asked.lookback)
        else:
            result = engine.range(query, asked.start, asked.end, asked.step, lookback=asked.lookback)
    except QueryError as error:
        return Answer("execution", error=str(error))
    return _of_result(result)


def _of_result(result: Result) -> Answer:
    notes = frozenset((*result.warnings, *result.infos))
    match result.value:
        case Scalar(time, value):
            return Answer("scalar", [(Labels(), {time: value})], notes=notes)
        case String(_, text):
            return Answer("string", error=text, notes=notes)
        case Vector(time, table, values):
            pairs = zip(table.all_labels(), values.tolist(), strict=True)
            return Answer("vector", [(labels, {time: value}) for labels, value in pairs], notes=notes)
        case Matrix(table, offsets, times, values):
            series = []
            for index, labels in enumerate(table.all_labels()):
                within = slice(offsets[index], offsets[index + 1])
                series.append((labels, dict(zip(times[within].tolist(), values[within].tolist(), strict=True))))
            return Answer("matrix", series, notes=notes)


def theirs(document: Mapping[str, Any]) -> Answer:
    """Prometheus's answer, from what its API said."""
    if document["status"] != "success":
        return Answer(document["errorType"], error=document["error"])
    notes = frozenset((*document.get("warnings", ()), *document.get("infos", ())))
    kind, result = document["data"]["resultType"], document["data"]["result"]
    if kind == "scalar":
        return Answer(kind, [(Labels(), dict([_point(result)]))], notes=notes)
    if kind == "string":
        return Answer(kind, error=result[1], notes=notes)
    series = [
        (Labels(each["metric"]), dict(map(_point, each["values"] if kind == "matrix" else [each["value"]])))
        for each in result
    ]
    return Answer(kind, series, notes=notes)


def _point(pair: tuple[float, str]) -> tuple[int, float]:
    return round(pair[0] * 1000), float(pair[1])


def difference(expected: Answer, actual: Answer, tolerance: float = 1e-12) -> str:
    """What is not the same, in a word or two; empty when all is."""
    if expected.kind != actual.kind:
        return f"kind: {expected.kind} and {actual.kind}"
    if expected.error != actual.error:
        return "error"
    mine, other = dict(expected.series), dict(actual.series)
    if mine.keys() != other.keys() or len(expected.series) != len(actual.series):
        return "labels"
    for labels, points in mine.items():
        if points.keys() != other[labels].keys():
            return "times"
    for labels, points in mine.items():
        for time, value in points.items():
            if not same(value, other[labels][time], tolerance):
                return "values"
    if expected.notes != actual.notes:
        return "notes"
    return ""


def order(answer: Answer, asked: Asked) -> list[str]:
    """What an instant query that sorts puts one after the other: labels, or values where equal ones may swap.

    Where a series without a label stands among those with it is not settled.
    """
    if not asked.instant or not asked.text.startswith("sort") or answer.kind != "vector":
        return []
    if asked.text.startswith("sort_by_label"):
        named = re.search(r'(?:, "\w+")+\)$', asked.text)
        wanted = re.findall(r'"(\w+)"', named[0]) if named else []
        settled = all(name in labels for labels, _ in answer.series for name in wanted)
        return [str(labels) for labels, _ in answer.series] if settled else []
    return [f"{value + 0.0:.10g}" for _, points in answer.series for value in points.values()]


def same(expected: float, actual: float, tolerance: float) -> bool:
    """Whether two values are equal, up to rounding; zeros have signs."""
    if math.isnan(expected) or math.isnan(actual):
        return math.isnan(expected) and math.isnan(actual)
    if expected == actual:
        return math.copysign(1, expected) == math.copysign(1, actual)
    return math.isclose(expected, actual, rel_tol=tolerance, abs_tol=0.0)
