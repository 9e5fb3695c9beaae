"""A receiver in this process, spoken to as a server speaks to its ASGI app, on a clock that stands still."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.clock import ManualClock
from common.serving import Message
from receiver.app import Receiver, ReceiverSettings
from receiver.gauges import Limits
from receiver.tokens import load_tokens

NOW = 1_705_314_600_000  # 2024-01-15T10:30:00Z
TOKEN = "a-token-for-tests"

DOCUMENT: dict[str, Any] = {
    "timestamp": "2024-01-15T10:30:00.000000Z",
    "system": "laravel_app",
    "telescope": {
        "total_entries": 1500,
        "recent_entries": 25,
        "entry_types": {"request": 10, "query": 8, "exception": 2, "log": 5, "cache": 3, "job": 1, "mail": 2},
        "recent_entries_data": [
            {
                "type": "request",
                "content": {"uri": "/api/users", "method": "GET", "headers": {}, "payload": {}},
                "created_at": "2024-01-15T10:29:45.000000Z",
                "batch_id": "batch-123",
            },
            {"type": "request", "content": {"uri": "/slow", "duration": 5450}},
            {"type": "query", "content": {"sql": "select 1", "time": "0.51"}},
            {"type": "query", "content": {"sql": "select 2", "time": "1000.01"}},
        ],
    },
    "pulse": {
        "total_entries": 800,
        "recent_entries": 15,
        "entry_types": {"request": 8, "query": 4, "exception": 1, "log": 2},
        "recent_entries_data": [
            {
                "type": "request",
                "content": {"uri": "/api/dashboard", "method": "POST", "duration": 150, "memory": 2048},
                "created_at": "2024-01-15T10:29:50.000000Z",
                "batch_id": "batch-124",
            }
        ],
    },
    "server_info": {
        "php_version": "8.2.0",
        "laravel_version": "10.0.0",
        "memory_usage": 16777216,
        "peak_memory": 20971520,
        "server_time": "2024-01-15T10:30:00.000000Z",
    },
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An Answer is what the receiver said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A Client pushes to a receiver and reads its page."""

    def __init__(self, receiver: Receiver, clock: ManualClock) -> None:
        self.receiver, self.clock = receiver, clock

    def request(
        self, method: str, path: str, body: bytes | Sequence[bytes] = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request whose body comes in these pieces."""
        pieces = [body] if isinstance(body, bytes) else list(body)
        return asyncio.run(self._ask(method, path, pieces, headers or {}))

    def push(self, path: str, document: Any, token: str = TOKEN, **headers: str) -> Answer:
        """Post `document`, as it is if it is bytes, with everything that a push must have."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        sent = {"content-type": "application/json", "x-api-token": token}
        return self.request("POST", path, body, {**sent, **headers})

    def page(self, prefix: str = "") -> dict[str, float]:
        """The samples of /metrics whose lines begin with `prefix`."""
        lines = self.request("GET", "/metrics").body.decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if line.startswith(prefix) and not line.startswith("#"))
        return {series: float(value) for series, _, value in samples}

    async def _ask(self, method: str, path: str, pieces: list[bytes], headers: Mapping[str, str]) -> Answer:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "server": ("127.0.0.1", 9091),
            "client": ("127.0.0.1", 1234),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        incoming: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.receiver.app(scope, receive, send)
        start, *rest = sent
        told = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], told, b"".join(message.get("body", b"") for message in rest))


@contextmanager
def running(
    directory: Path | None = None, limits: Limits | None = None, clock: ManualClock | None = None
) -> Iterator[Client]:
    """A client of a receiver that knows one token, of `web-1`."""
    clock = clock or ManualClock(NOW)
    settings = ReceiverSettings(load_tokens(f"web-1={TOKEN}"), directory, limits or Limits())
    receiver = Receiver(settings, clock)
    try:
        yield Client(receiver, clock)
    finally:
        receiver.close()
