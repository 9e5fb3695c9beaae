"""/api/v1/query_exemplars: the exemplars of the series that an expression selects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, Response, request

from common.errors import ParseError
from common.labels import METRIC_NAME, Labels
from ruler.api import params
from ruler.api.errors import BadRequest
from ruler.api.respond import json_response, success
from ruler.model.golang import format_float
from ruler.model.matcher import Matcher
from ruler.promql.ast import VectorSelector
from ruler.promql.parser import parse
from ruler.promql.walk import nodes
from ruler.scrape.exemplars import Kept

Keeps = Callable[[int, int], Sequence[Kept]]  # what is kept of a range of time (ms)


def blueprint(keeps: Keeps) -> Blueprint:
    """The route."""
    routes = Blueprint("exemplars", __name__)

    @routes.route("/query_exemplars", methods=["GET", "POST"])
    def query_exemplars() -> Response:
        form = request.values
        start = params.time_of(form, "start", params.EARLIEST)
        end = params.time_of(form, "end", params.LATEST)
        if end < start:
            raise BadRequest("end timestamp must not be before start timestamp")
        selections = _selections(form.get("query", ""))
        if not selections:
            return json_response(b'{"status":"success"}')
        found: dict[Labels, list[Kept]] = {}
        for kept in keeps(start, end):
            if kept.series in found or any(_selects(matchers, kept.series) for matchers in selections):
                found.setdefault(kept.series, []).append(kept)
        return success([_series(labels, found[labels]) for labels in sorted(found)])

    return routes


def _selections(query: str) -> list[Sequence[Matcher]]:
    """The matchers of each selector of an expression, the metric's name among them."""
    try:
        expression = parse(query)
    except ParseError as error:
        raise BadRequest(f'invalid parameter "query": {error}') from None
    return [node.matchers for node in nodes(expression) if isinstance(node, VectorSelector)]


def _selects(matchers: Sequence[Matcher], labels: Labels) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def _series(labels: Labels, kept: Sequence[Kept]) -> dict[str, Any]:
    name = {METRIC_NAME: labels[METRIC_NAME]} if METRIC_NAME in labels else {}
    return {
        "seriesLabels": name | dict(labels),
        "exemplars": [
            {
                "labels": dict(sorted(each.exemplar.labels)),
                "value": format_float(each.exemplar.value),
                "timestamp": each.time / 1000,
            }
            for each in kept
        ],
    }
