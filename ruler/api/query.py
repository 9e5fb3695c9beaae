"""/api/v1: what is asked about series: series, labels, label values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from flask import Blueprint, Response, request

from ruler.api import params
from ruler.api.encode import encode_labels
from ruler.api.errors import BadRequest
from ruler.api.question import TRUNCATED
from ruler.api.respond import json_response, success
from ruler.model.matcher import Matcher
from ruler.model.table import LabelTable


class Searchable(Protocol):
    """What is asked of stored labels alone. Times are ms, both ends included."""

    def tables(self, matchers: Sequence[Matcher], start: int, end: int) -> LabelTable: ...

    def label_names(self, matchers: Sequence[Matcher], start: int, end: int) -> list[str]: ...

    def label_values(self, name: str, matchers: Sequence[Matcher], start: int, end: int) -> list[str]: ...


def blueprint(storage: Searchable) -> Blueprint:
    """The routes."""
    routes = Blueprint("query", __name__)

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
