"""/api/v1: what is asked of the samples: query, query_range, series, labels, label values, format_query."""

from __future__ import annotations

import threading
import time as timer
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from flask import Blueprint, Response, request

from common.clock import Clock
from common.errors import ParseError, QueryTimeout
from ruler.api import params
from ruler.api.encode import encode_labels, encode_result
from ruler.api.errors import BadRequest
from ruler.api.respond import json_response, success
from ruler.model.matcher import Matcher
from ruler.model.result import Matrix, Result, Value, Vector
from ruler.model.table import LabelTable
from ruler.promql.ast import Expr, ValueType
from ruler.promql.engine import Engine
from ruler.promql.parser import parse

MAX_POINTS = 11_000
TRUNCATED = "results truncated due to limit"


class Searchable(Protocol):
    """What is asked of stored labels alone. Times are ms, both ends included."""

    def tables(self, matchers: Sequence[Matcher], start: int, end: int) -> LabelTable: ...

    def label_names(self, matchers: Sequence[Matcher], start: int, end: int) -> list[str]: ...

    def label_values(self, name: str, matchers: Sequence[Matcher], start: int, end: int) -> list[str]: ...


def blueprint(engine: Engine, storage: Searchable, clock: Clock, *, timeout: float, concurrency: int) -> Blueprint:
    """The routes; at most `concurrency` queries run at once, each for `timeout` seconds at most, waiting included."""
    routes = Blueprint("query", __name__)
    turns = threading.BoundedSemaphore(concurrency)

    @contextmanager
    def turn() -> Iterator[float]:
        asked = params.duration_of(request.values, "timeout")
        deadline = timer.monotonic() + (min(timeout, asked / 1000) if asked else timeout)
        if not turns.acquire(timeout=max(0.0, deadline - timer.monotonic())):
            msg = "query timed out in query queue"
            raise QueryTimeout(msg)
        try:
            yield deadline
        finally:
            turns.release()

    @routes.route("/query", methods=["GET", "POST"])
    def query() -> Response:
        form = request.values
        limit = params.limit_of(form)
        at = params.time_of(form, "time", clock.now())
        lookback = params.duration_of(form, "lookback_delta")
        text = form.get("query", "")
        expr = _parsed(text)
        with turn() as deadline:
            result = engine.instant(expr, at, text=text, deadline=deadline, lookback=lookback)
        return json_response(encode_result(_limited(result, limit)))

    @routes.route("/query_range", methods=["GET", "POST"])
    def query_range() -> Response:
        form = request.values
        limit = params.limit_of(form)
        start, end = params.span(form)
        step = _step(form)
        if (end - start) // step > MAX_POINTS:
            msg = (
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
            raise BadRequest(msg)
        lookback = params.duration_of(form, "lookback_delta")
        text = form.get("query", "")
        expr = _parsed(text)
        if expr.type not in (ValueType.SCALAR, ValueType.VECTOR):
            msg = (
                f'invalid parameter "query": invalid expression type "{expr.type.documented}" for range query, '
                "must be Scalar or instant Vector"
            )
            raise BadRequest(msg)
        with turn() as deadline:
            result = engine.range(expr, start, end, step, text=text, deadline=deadline, lookback=lookback)
        return json_response(encode_result(_limited(result, limit)))

    @routes.route("/format_query", methods=["GET", "POST"])
    def format_query() -> Response:
        return success(str(_parsed(request.values.get("query", ""))))

    @routes.route("/series", methods=["GET", "POST"])
    def series() -> Response:
        form = request.values
        selectors = params.matchers_of(form, required=True)
        start, end = params.span(form, params.EARLIEST, params.LATEST)
        found: dict[bytes, None] = {}
        for matchers in selectors:
            found.update(dict.fromkeys(encode_labels(storage.tables(matchers, start, end))))
        rows, warning = _cut(sorted(found), params.limit_of(form))
        return json_response(b'{"status":"success","data":[' + b",".join(rows) + b"]" + warning + b"}")

    @routes.route("/labels", methods=["GET", "POST"])
    def labels() -> Response:
        return _names(storage.label_names)

    @routes.route("/label/<path:name>/values", methods=["GET"])
    def label_values(name: str) -> Response:
        if not name:
            msg = f'invalid label name: "{name}"'
            raise BadRequest(msg)
        return _names(lambda matchers, start, end: storage.label_values(name, matchers, start, end))

    return routes


def _names(find: Callable[[Sequence[Matcher], int, int], list[str]]) -> Response:
    form = request.values
    selectors = params.matchers_of(form) or [()]
    start, end = params.span(form, params.EARLIEST, params.LATEST)
    names = sorted({name for matchers in selectors for name in find(matchers, start, end)})
    limit = params.limit_of(form)
    if limit and len(names) > limit:
        return success(names[:limit], [TRUNCATED])
    return success(names)


def _cut(rows: list[bytes], limit: int) -> tuple[list[bytes], bytes]:
    if limit and len(rows) > limit:
        return rows[:limit], b',"warnings":["' + TRUNCATED.encode() + b'"]'
    return rows, b""


def _step(form: params.Form) -> int:
    step = params.duration_of(form, "step")
    if step is None:
        msg = 'invalid parameter "step": cannot parse "" to a valid duration'
        raise BadRequest(msg)
    if step <= 0:
        msg = (
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
        raise BadRequest(msg)
    return step


def _parsed(text: str) -> Expr:
    try:
        return parse(text)
    except ParseError as error:
        msg = f'invalid parameter "query": {error}'
        raise BadRequest(msg) from None


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
    return Result(kept, (*result.warnings, TRUNCATED), result.infos)
