"""A real HTTP server that Apprise's json:// reaches."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """A Webhook keeps what is posted to it, as (path, document); it answers with 200, at `/status/500` with 500."""

    def __init__(self) -> None:
        posts: list[tuple[str, dict[str, Any]]] = []
        self.posts = posts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append((self.path, json.loads(body)))
                self.send_response(int(self.path.split("/")[2]) if self.path.startswith("/status/") else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="webhook")
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, path: str = "/") -> str:
        """Its address as Apprise has it."""
        return f"json://127.0.0.1:{self.port}{path}"

    def texts(self) -> list[str]:
        """The messages, each with its title above it."""
        return [f"{post['title']}\n{post['message']}" for _, post in self.posts]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
