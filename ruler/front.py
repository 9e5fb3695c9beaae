"""The ruler over HTTP: the APIs and the pages behind one address, the cheap answers as raw ASGI in front of Flask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Blueprint, Flask, Response
from prometheus_client import CollectorRegistry

from common.errors import TocsinError
from common.exposition import metrics_app
from common.serving import App, Receive, Scope, Send
from ruler.api.asking import Asking
from ruler.api.form import MAX_BODY_BYTES
from ruler.api.respond import install_error_handlers
from ruler.web import pages

THREADS = 12
ANY = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Lifecycle is what may be asked of the running ruler; `reload` raises ConfigError and then nothing has changed."""

    enabled: bool
    reload: Callable[[], None]
    ready: Callable[[], bool]


class Front:
    """The Front answers every request to a ruler: at first queries alone, and once it is complete all."""

    def __init__(self, asking: Asking, queries: Blueprint, registry: CollectorRegistry) -> None:
        self._asking, self._queries = asking, queries
        self.at_once, self.is_begun = asking.at_once, asking.is_begun
        self.flask = _flask((queries,), _early_routes())
        self._wsgi = WSGIMiddleware(self._answer, workers=THREADS)  # type: ignore[arg-type]  # its own words for WSGI's types
        self._app = metrics_app(registry, otherwise=self._wsgi)  # type: ignore[arg-type]  # and for ASGI's

    def complete(self, v1: Sequence[Blueprint], v2: Blueprint, lifecycle: Lifecycle) -> None:
        """Answer everything from now on."""
        self.flask = _flask((self._queries, *v1), v2, _lifecycle_routes(lifecycle), pages.blueprint())

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.flask(environ, start_response)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in Asking.paths:
            await self._asking(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @property
    def app(self) -> App:
        """The ASGI app."""
        return self

    def close(self) -> None:
        """Let go of the threads, once nothing is served any more."""
        self._asking.close()
        self._wsgi.executor.shutdown(wait=False)


def _flask(v1: Sequence[Blueprint], *others: Blueprint) -> Flask:
    flask = Flask("ruler", static_folder=None)
    flask.config["MAX_CONTENT_LENGTH"] = flask.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    install_error_handlers(flask)
    for blueprint in v1:
        flask.register_blueprint(blueprint, url_prefix="/api/v1")
    for blueprint in others:
        flask.register_blueprint(blueprint)
    return flask


def _early_routes() -> Blueprint:
    """What is answered, besides queries, before the other stages stand."""
    routes = Blueprint("early", __name__)

    @routes.route("/-/healthy", methods=["GET", "HEAD"])
    def healthy() -> Response:
        return _healthy()

    @routes.route("/", defaults={"path": ""}, methods=ANY)
    @routes.route("/<path:path>", methods=ANY)
    def early(path: str) -> Response:  # noqa: ARG001  (any)
        return _unready()

    return routes


def _lifecycle_routes(lifecycle: Lifecycle) -> Blueprint:
    routes = Blueprint("lifecycle", __name__)

    @routes.route("/-/healthy", methods=["GET", "HEAD"])
    def healthy() -> Response:
        return _healthy()

    @routes.route("/-/ready", methods=["GET", "HEAD"])
    def ready() -> Response:
        if lifecycle.ready():
            return _text("Prometheus Server is Ready.\n")
        return _unready()

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


def _healthy() -> Response:
    return _text("Prometheus Server is Healthy.\n")


def _unready() -> Response:
    return _text("Service Unavailable", 503)


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
