"""Answers in Prometheus's envelope: `{"status": "success", "data": …}` or `{"status": "error", "errorType": …}`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from common.errors import TocsinError
from ruler.api.errors import BadRequest, answer

log = logging.getLogger("api")


def success(data: Any, warnings: Sequence[str] = ()) -> Response:
    """`data` (plain values) as the answer."""
    body: dict[str, Any] = {"status": "success", "data": data}
    if warnings:
        body["warnings"] = list(warnings)
    return json_response(orjson.dumps(body))


def json_response(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type="application/json")


def failure(kind: str, text: str, status: int) -> Response:
    return json_response(orjson.dumps({"status": "error", "errorType": kind, "error": text}), status)


def install_error_handlers(app: Flask) -> None:
    """Turn what a view raises into an answer: the table for ours, one opaque sentence for a fault of the program."""

    @app.errorhandler(TocsinError)
    def _known(error: TocsinError) -> Response:
        kind, status = answer(error)
        return failure(kind, str(error), status)

    @app.errorhandler(RequestEntityTooLarge)
    def _too_large(_error: RequestEntityTooLarge) -> Response:
        return failure("bad_data", "request body too large", 413)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        text = f"{error.code} {(error.name or 'error').lower()}\n"
        response = Response(text, error.code, content_type="text/plain; charset=utf-8")
        if isinstance(allowed := getattr(error, "valid_methods", None), list | set | tuple):
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    @app.errorhandler(UnicodeError)
    def _undecodable(_error: UnicodeError) -> Response:
        return _known(BadRequest("the request is not UTF-8 text"))

    @app.errorhandler(Exception)
    def _unknown(error: Exception) -> Response:
        log.error("an API request failed by a fault of the program", exc_info=error)
        return failure("internal", "internal error; the log of the ruler has its cause", 500)
