"""One client's connection: uvicorn's protocol (httptools) with what it lacks, deadlines and answers without a task.

A request whose app is Prompt may be answered where its last byte arrives, in one write; all others go the way of ASGI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from time import monotonic  # finer than the clock of uvloop, by which many clients are quiet since the same moment
from typing import Any, Final, Protocol, cast, runtime_checkable

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_SECONDS = 10
BODY_SECONDS = 30
BODY_STEP = 1 << 20  # bytes, after which a body gets BODY_SECONDS anew
PROMPT_BODY: Final = 1 << 14  # bytes of a body up to which a request may be answered at once

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Reply:
    """A Reply is the answer to a request, whole."""

    status: Final[int]
    content_type: Final[bytes]
    body: Final[bytes]


@runtime_checkable
class Prompt(Protocol):
    """A Prompt app answers what is small at once: it has about a millisecond, and everybody waits meanwhile."""

    prompt_paths: frozenset[bytes]

    def at_once(self, scope: Scope, body: bytes) -> Reply | None:
        """The answer to a request whose path is one of `prompt_paths`; None leaves it to the app as ASGI."""


class Connection(HttpToolsProtocol):
    """A Connection is uvicorn's protocol, with a deadline for the head and one for the body of each request.

    The time for the head starts with its first byte (a connection's idle time is uvicorn's keep-alive), so a client
    that drips bytes cannot hold a connection. A large body may take longer, as long as it comes on. A timer is only
    set for what has not come whole.
    """

    quiet_since: float | None = None
    _deadline: asyncio.TimerHandle | None = None
    _allowed = 0.0  # seconds that what has begun may take from now on, when no timer is set for it
    _in_request = False
    _body_bytes = 0
    _held: bytearray | None = None  # the body so far of a request that may be answered at once
    _may_be_prompt = False

    def __init__(self, prompt: Prompt | None, config: uvicorn.Config, state: ServerState, app_state: Any) -> None:
        super().__init__(config=config, server_state=state, app_state=app_state)
        self._prompt = prompt
        self._prompt_paths = frozenset[bytes]() if prompt is None else prompt.prompt_paths

    def make_room(self) -> None:
        self._cut()

    def data_received(self, data: bytes) -> None:
        self.quiet_since = None
        self._may_be_prompt = True  # one of those that come together: others have their turn before the next
        if not self._in_request:
            self._in_request, self._allowed = True, HEAD_SECONDS
        super().data_received(data)
        if self._allowed and self._in_request:
            self._arm(self._allowed)

    def on_headers_complete(self) -> None:
        self._in_request, self._body_bytes, self._allowed = True, 0, BODY_SECONDS
        if self._may_be_prompt and self._is_plain():
            self._may_be_prompt, self._held = False, bytearray()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes >= BODY_STEP:
            self._body_bytes, self._allowed = 0, BODY_SECONDS
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body
            if len(self._held) > PROMPT_BODY:
                self._let_go()

    def on_message_complete(self) -> None:
        self._disarm()
        self._in_request = False
        if self._held is not None:
            if self._is_answered(bytes(self._held)):
                return
            self._let_go()
        super().on_message_complete()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_request, self.quiet_since = True, monotonic()
        self._arm(HEAD_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self._in_request:
            self.quiet_since = monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    # --- answering at once --------------------------------------------------------------------------------------------

    def _is_plain(self) -> bool:
        """Whether nothing about the request, but what it asks, keeps it from being answered at once."""
        path, _, query = self.url.partition(b"?")
        if path not in self._prompt_paths or b"#" in query:
            return False
        idle = self.cycle is None or self.cycle.response_complete
        if not idle or self.flow.write_paused or self.expect_100_continue:
            return False
        parser, scope = self.parser, self.scope
        if parser.should_upgrade() or not parser.should_keep_alive() or parser.get_http_version() != "1.1":
            return False
        scope["method"] = parser.get_method().decode("ascii")
        scope["path"], scope["query_string"] = path.decode("ascii"), query
        return True

    def _is_answered(self, body: bytes) -> bool:
        reply = None if self._prompt is None else self._prompt.at_once(cast("Scope", self.scope), body)
        if reply is None:
            return False
        self._held = None
        pieces = [STATUS_LINE[reply.status]]
        for name, value in self.server_state.default_headers:
            pieces += (name, b": ", value, b"\r\n")
        pieces += (
            b"content-type: ",
            reply.content_type,
            b"\r\ncontent-length: %d\r\n\r\n" % len(reply.body),
            reply.body,
        )
        self.transport.write(b"".join(pieces))
        self.quiet_since = monotonic()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        return True

    def _let_go(self) -> None:
        """Give the request, as far as it has come, to the app as ASGI."""
        body, self._held = self._held, None
        super().on_headers_complete()
        if body:
            super().on_body(bytes(body))

    # --- deadlines ----------------------------------------------------------------------------------------------------

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self._cut)

    def _disarm(self) -> None:
        self._allowed = 0.0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
