"""A client that asks an ASGI app without a socket between, each request in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from common.serving import App


@dataclass(frozen=True, slots=True)
class Answer:
    """An Answer is what came back."""

    status_code: int
    headers: dict[str, str]
    data: bytes

    def get_json(self) -> Any:
        return orjson.loads(self.data)


@dataclass(frozen=True, slots=True)
class AsgiClient:
    """An AsgiClient asks `app`; parameters go into the URL, and `data` into a form in the body."""

    app: App

    def get(self, path: str, query_string: Mapping[str, Any] | bytes = b"", **headers: str) -> Answer:
        return self.request("GET", path, query_string, b"", headers)

    def post(
        self, path: str, data: Mapping[str, Any] | bytes, query_string: Mapping[str, Any] | bytes = b"", **headers: str
    ) -> Answer:
        headers = {"content_type": "application/x-www-form-urlencoded", **headers}
        return self.request("POST", path, query_string, _encoded(data), headers)

    def request(
        self,
        method: str,
        path: str,
        query_string: Mapping[str, Any] | bytes = b"",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "server": ("test", 80),
            "client": ("test", 1),
            "method": method,
            "path": path,
            "root_path": "",
            "query_string": _encoded(query_string),
            "headers": [
                (b"content-length", b"%d" % len(body)),
                *((name.encode(), value.encode()) for name, value in named.items()),
            ],
        }
        return asyncio.run(_asked(self.app, scope, body))


def _encoded(values: Mapping[str, Any] | bytes) -> bytes:
    return values if isinstance(values, bytes) else urlencode(values, doseq=True).encode()


async def _asked(app: App, scope: dict[str, Any], body: bytes) -> Answer:
    requests = [{"type": "http.request", "body": body, "more_body": False}]
    answered = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    answered.set()
    start, *rest = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(each.get("body", b"") for each in rest))
