"""/api/v1: what is asked of a query's text alone: format_query, parse_query."""

from __future__ import annotations

from flask import Blueprint, Response, request

from common.errors import ParseError
from ruler.api.errors import BadRequest
from ruler.api.respond import json_response, success
from ruler.promql.ast import Expr
from ruler.promql.described import described
from ruler.promql.parser import parse
from ruler.promql.pretty import pretty


def blueprint() -> Blueprint:
    """The routes."""
    routes = Blueprint("language", __name__)

    @routes.route("/format_query", methods=["GET", "POST"])
    def format_query() -> Response:
        return success(pretty(_parsed()))

    @routes.route("/parse_query", methods=["GET", "POST"])
    def parse_query() -> Response:
        return json_response(b'{"status":"success","data":' + described(_parsed()) + b"}")

    return routes


def _parsed() -> Expr:
    try:
        return parse(request.values.get("query", ""))
    except ParseError as error:
        raise BadRequest(f'invalid parameter "query": {error}') from None
