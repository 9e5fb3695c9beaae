"""What /api/v1/query and /api/v1/query_range ask: parameters → Question → Plan → Answer. No threads, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

from common.errors import ParseError, TooManySamples
from common.labels import METRIC_NAME
from ruler.api import params
from ruler.api.encode import encoded_pieces
from ruler.api.errors import BadRequest
from ruler.api.form import Form
from ruler.model.matcher import Matcher, MatchOp
from ruler.model.result import Matrix, Result, Spent, Value, Vector
from ruler.promql.ast import Expr, Subquery, ValueType, VectorSelector
from ruler.promql.engine import Engine
from ruler.promql.limits import Limits
from ruler.promql.parser import parse
from ruler.promql.walk import nodes

MAX_POINTS: Final = 11_000
TRUNCATED: Final = "results truncated due to limit"
SHORT: Final = 4096  # characters of a text up to which it is parsed where it arrives, and its tree is kept
LIGHT_NODES: Final = 24
PLANS: Final = 1024

_SLOW_TO_MATCH: Final = (MatchOp.REGEX, MatchOp.NOT_REGEX)


class Question(NamedTuple):
    """A Question is what a request asks: times in ms, a step of 0 for an instant query, a limit of 0 for none.

    `timeout` is in ms, None when the client did not say.
    """

    text: str
    start: int
    end: int
    step: int
    limit: int
    timeout: int | None
    lookback: int | None
    stats: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A Plan is a parsed query. One that is `light` costs little beside what it charges to its limits."""

    expr: Expr
    light: bool


def instant_question(form: Form, now: int) -> Question:
    """What a request to /api/v1/query asks; raises BadRequest."""
    limit = params.limit_of(form)
    at = params.time_of(form, "time", now)
    timeout, lookback, stats = _options(form)
    return Question(form.get("query"), at, at, 0, limit, timeout, lookback, stats)


def range_question(form: Form) -> Question:
    """What a request to /api/v1/query_range asks; raises BadRequest."""
    limit = params.limit_of(form)
    start, end = params.span(form)
    step = params.step_of(form)
    if (end - start) // step > MAX_POINTS:
        msg = (
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
        raise BadRequest(msg)
    timeout, lookback, stats = _options(form)
    return Question(form.get("query"), start, end, step, limit, timeout, lookback, stats)


def _options(form: Form) -> tuple[int | None, int | None, bool]:
    timeout = params.duration_of(form, "timeout")
    try:
        lookback = params.duration_of(form, "lookback_delta")
    except BadRequest as error:
        reason = str(error).partition(": ")[2]
        raise BadRequest(f"error parsing lookback delta duration: {reason}") from None
    return timeout, lookback if lookback is not None and lookback > 0 else None, form.get("stats") != ""


def plan_of(text: str) -> Plan:
    """The plan of a query's text; raises BadRequest."""
    try:
        return _kept_plan(text) if len(text) <= SHORT else _plan(text)
    except ParseError as error:
        raise BadRequest(f'invalid parameter "query": {error}') from None


def _plan(text: str) -> Plan:
    expr = parse(text)
    return Plan(expr, _is_light(expr))


_kept_plan = lru_cache(maxsize=PLANS)(_plan)


def _is_light(expr: Expr) -> bool:
    """Whether a query of few nodes looks at metrics by name, and at nothing by a pattern or over and over."""
    for count, node in enumerate(nodes(expr)):
        if count >= LIGHT_NODES or isinstance(node, Subquery):
            return False
        if isinstance(node, VectorSelector) and not _is_named(node.matchers):
            return False
    return True


def _is_named(matchers: tuple[Matcher, ...]) -> bool:
    """Whether a metric is selected by its name, and by no pattern."""
    named = False
    for matcher in matchers:
        if matcher.op in _SLOW_TO_MATCH:
            return False
        if matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL:
            named = True
    return named


def answered(engine: Engine, question: Question, plan: Plan, limits: Limits, waited: float = 0.0) -> list[bytes]:
    """The body of the answer in pieces; raises BadRequest or QueryError. The question has `waited` so many seconds."""
    try:
        result = _result(engine, question, plan.expr, limits)
    except ParseError as error:  # of a duration that is none, which shows when it is known what the query runs over
        raise BadRequest(f'invalid parameter "query": {error}') from None
    stats = _stats(result.spent, waited) if question.stats else b""
    try:
        return encoded_pieces(_limited(result, question.limit), limits.check, stats)
    except MemoryError:
        raise TooManySamples("query processing needs more memory than there is") from None


def _result(engine: Engine, question: Question, expr: Expr, limits: Limits) -> Result:
    if not question.step:
        return engine.instant(expr, question.start, text=question.text, limits=limits, lookback=question.lookback)
    if expr.type not in (ValueType.SCALAR, ValueType.VECTOR):
        msg = (
            f'invalid parameter "query": invalid expression type "{expr.type.documented}" for range query, '
            "must be Scalar or instant Vector"
        )
        raise BadRequest(msg)
    return engine.range(
        expr,
        question.start,
        question.end,
        question.step,
        text=question.text,
        limits=limits,
        lookback=question.lookback,
    )


def _stats(spent: Spent, waited: float) -> bytes:
    """What a query has cost, as Prometheus tells it."""
    ordered = spent.ordered or 0.0
    total = spent.prepared + spent.evaluated + ordered
    timings = {
        "evalTotalTime": total,
        "resultSortTime": ordered,
        "queryPreparationTime": spent.prepared,
        "innerEvalTime": spent.evaluated,
        "execQueueTime": waited,
        "execTotalTime": waited + total,
    }
    samples = {"totalQueryableSamples": spent.samples, "peakSamples": spent.peak}
    return orjson.dumps({"timings": timings, "samples": samples})


def _limited(result: Result, limit: int) -> Result:
    value = result.value
    if not limit or not isinstance(value, Vector | Matrix) or len(value.table) <= limit:
        return result
    kept: Value
    if isinstance(value, Vector):
        kept = Vector(value.time, value.table.take(slice(limit)), value.values[:limit])
    else:
        last = int(value.offsets[limit])
        kept = Matrix(
            value.table.take(slice(limit)), value.offsets[: limit + 1], value.times[:last], value.values[:last]
        )
    return replace(result, value=kept, warnings=(*result.warnings, TRUNCATED))
