"""The ruler over HTTP: the APIs and the pages behind one address, the cheap answers as raw ASGI in front of Flask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from a2wsgi import WSGIMiddleware
from flask import Blueprint, Flask, Response
from prometheus_client import CollectorRegistry

from common.errors import TocsinError
from common.exposition import metrics_app
from common.serving import App, Receive, Scope, Send
from ruler.api.respond import install_error_handlers
from ruler.web import pages

MAX_BODY_BYTES = 2 << 20
THREADS = 12


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Lifecycle is what may be asked of the running ruler; `reload` raises ConfigError and then nothing has changed."""

    enabled: bool
    reload: Callable[[], None]
    ready: Callable[[], bool]


class Front:
    """The Front answers every request to a ruler."""

    def __init__(
        self, v1: Sequence[Blueprint], v2: Blueprint, lifecycle: Lifecycle, registry: CollectorRegistry
    ) -> None:
        flask = Flask("ruler", static_folder=None)
        flask.config["MAX_CONTENT_LENGTH"] = flask.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
        install_error_handlers(flask)
        for blueprint in v1:
            flask.register_blueprint(blueprint, url_prefix="/api/v1")
        flask.register_blueprint(v2)
        flask.register_blueprint(_lifecycle_routes(lifecycle))
        flask.register_blueprint(pages.blueprint())
        self.flask = flask
        self._wsgi = WSGIMiddleware(flask, workers=THREADS)  # type: ignore[arg-type]  # its own words for WSGI's types
        self._app = metrics_app(registry, otherwise=self._wsgi)  # type: ignore[arg-type]  # and for ASGI's

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    @property
    def app(self) -> App:
        """The ASGI app."""
        return self

    def close(self) -> None:
        """Let go of the threads, once nothing is served any more."""
        self._wsgi.executor.shutdown(wait=False)


def _lifecycle_routes(lifecycle: Lifecycle) -> Blueprint:
    routes = Blueprint("lifecycle", __name__)

    @routes.route("/-/healthy", methods=["GET", "HEAD"])
    def healthy() -> Response:
        return _text("Prometheus Server is Healthy.\n")

    @routes.route("/-/ready", methods=["GET", "HEAD"])
    def ready() -> Response:
        if lifecycle.ready():
            return _text("Prometheus Server is Ready.\n")
        return _text("Service Unavailable", 503)

    @routes.route("/-/reload", methods=["POST", "PUT"])
    def reload() -> Response:
        if not lifecycle.enabled:
            return _text("Lifecycle API is not enabled.", 403)
        try:
            lifecycle.reload()
        except TocsinError as error:
            return _text(f"failed to reload config: {error}\n", 500)
        return _text("")

    return routes


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
