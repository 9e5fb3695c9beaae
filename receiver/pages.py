"""The receiver's pages and REST, in Flask: what people and programs ask for now and then."""

from __future__ import annotations

from flask import Flask, Response, render_template_string
from werkzeug.exceptions import HTTPException

from common.clock import Clock
from receiver import answers
from receiver.gauges import GaugeStore
from receiver.refusals import Code

CODES = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 500: Code.SERVER_ERROR}
CONTENT_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

_LANDING = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tocsin receiver</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { margin: 3rem auto; max-width: 40rem; padding: 0 1rem }
  th, td { text-align: left; padding-right: 2rem }
</style>
<h1>Tocsin receiver</h1>
<p>Pushed values are at <a href="/metrics">/metrics</a>; push to <code>/api/v1/push</code> or
<code>/api/monitoring</code>.</p>
{% if servers %}
<table>
  <tr><th>Server</th><th>Series</th></tr>
  {% for server, series in servers %}<tr><td>{{ server }}</td><td>{{ series }}</td></tr>
  {% endfor %}
</table>
{% else %}
<p>Nothing has been pushed yet, or it has gone stale.</p>
{% endif %}
"""


def pages(store: GaugeStore, clock: Clock) -> Flask:
    """The Flask app of a receiver."""
    app = Flask("receiver", static_folder=None)

    @app.get("/")
    def landing() -> str:
        return render_template_string(_LANDING, servers=store.servers(clock.now()))

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        code = error.code or 500
        body = answers.refused(CODES.get(code, Code.INVALID_DATA), error.name.lower(), clock.now())
        response = Response(body, code, mimetype="application/json")
        if allowed := getattr(error, "valid_methods", None):
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app
