"""Serves the static pages. They load nothing from elsewhere and run no inline script; the headers see to it."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

STATIC = Path(__file__).with_name("static")

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def blueprint() -> Blueprint:
    """The routes `/` and `/static/<file>`."""
    routes = Blueprint("web", __name__)

    @routes.get("/")
    def index() -> Response:
        return send_from_directory(STATIC, "index.html")

    @routes.get("/static/<path:name>")
    def static_file(name: str) -> Response:
        return send_from_directory(STATIC, name)

    @routes.after_request
    def _harden(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return routes
