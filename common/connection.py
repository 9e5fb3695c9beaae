"""One client's connection: uvicorn's protocol (httptools) with what it lacks, deadlines and answers without a task.

What comes to a connection at rest is shown to an app that is Prompt, which may answer it where it arrives, in one
write. All else goes the way of ASGI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic  # finer than the clock of uvloop, by which many clients are quiet since the same moment
from typing import Any, Final, Protocol, runtime_checkable

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_SECONDS = 10
BODY_SECONDS = 30
BODY_STEP = 1 << 20  # bytes, after which a body gets BODY_SECONDS anew
PROMPT_BYTES: Final = 1 << 14  # of a request up to which it may be answered at once

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Reply = tuple[int, bytes, bytes]  # an answer, whole: its status, its content type, its body


@runtime_checkable
class Prompt(Protocol):
    """A Prompt app answers what is small at once: it has about a millisecond, and everybody waits meanwhile."""

    def at_once(self, data: bytes) -> Reply | None:
        """The answer to what came from a client; None unless that is one request, whole, which is answered like this.

        No more may be in it than the parser of HTTP would find, and nothing that closes the connection.
        """

    def is_begun(self, data: bytes) -> bool:
        """Whether what came is the beginning of such a request."""


class Shared(ServerState):
    """A Shared is what all connections have in common; `lines` are the headers that every answer has."""

    lines = b""

    def renew(self) -> None:
        """Make the lines anew, after the default headers."""
        self.lines = b"".join(b"%b: %b\r\n" % header for header in self.default_headers)


class Connection(HttpToolsProtocol):
    """A Connection is uvicorn's protocol, with a deadline for the head and one for the body of each request.

    The time for the head starts with its first byte (a connection's idle time is uvicorn's keep-alive), so a client
    that drips bytes cannot hold a connection. A large body may take longer, as long as it comes on. A timer is only
    set for what has not come whole.
    """

    quiet_since: float | None = None  # the connection rests: nothing of a request has come that is not answered
    _deadline: asyncio.TimerHandle | None = None
    _allowed = 0.0  # seconds that what has begun may take from now on, when no timer is set for it
    _in_request = False
    _body_bytes = 0
    _held = b""  # the beginning of a request that may be answered at once

    def __init__(self, prompt: Prompt | None, config: uvicorn.Config, shared: Shared, app_state: Any) -> None:
        super().__init__(config=config, server_state=shared, app_state=app_state)
        self._prompt, self._shared = prompt, shared

    def make_room(self) -> None:
        self._cut()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_request, self.quiet_since = True, monotonic()
        self._arm(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._prompt is not None and (self.quiet_since is not None or self._held):
            data = self._held + data
            if self._is_answered(self._prompt, data) or self._is_held(self._prompt, data):
                return
        self.quiet_since, self._held = None, b""
        if not self._in_request:
            self._in_request, self._allowed = True, HEAD_SECONDS
        super().data_received(data)
        if self._allowed and self._in_request:
            self._arm(self._allowed)

    def on_headers_complete(self) -> None:
        self._in_request, self._body_bytes, self._allowed = True, 0, BODY_SECONDS
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes >= BODY_STEP:
            self._body_bytes, self._allowed = 0, BODY_SECONDS
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._disarm()
        self._in_request = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self._in_request:
            self.quiet_since = monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    # --- answering at once --------------------------------------------------------------------------------------------

    def _is_answered(self, prompt: Prompt, data: bytes) -> bool:
        if len(data) > PROMPT_BYTES or self.flow.write_paused:
            return False
        reply = prompt.at_once(data)
        if reply is None:
            return False
        status, content_type, body = reply
        length = b"\r\ncontent-length: %d\r\n\r\n" % len(body)
        pieces = (STATUS_LINE[status], self._shared.lines, b"content-type: ", content_type, length, body)
        self.transport.write(b"".join(pieces))
        if self._in_request:  # the first, for which there is a deadline, or one that was held
            self._disarm()
            self._in_request, self._held = False, b""
        if self.timeout_keep_alive_task is None:
            self._stay(self.timeout_keep_alive)
        self.quiet_since = monotonic()
        return True

    def _is_held(self, prompt: Prompt, data: bytes) -> bool:
        if len(data) > PROMPT_BYTES or not prompt.is_begun(data):
            return False
        if not self._in_request:
            self._in_request = True
            self._arm(HEAD_SECONDS)
        self._unset_keepalive_if_required()
        self.quiet_since, self._held = None, data
        return True

    def _stay(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Let a client go that has been quiet for long. Answers at once have not put this off, so it is looked at."""
        left = 0.0 if self.quiet_since is None else self.quiet_since + self.timeout_keep_alive - monotonic()
        if left > 0:
            self._stay(left)
        else:
            super().timeout_keep_alive_handler()

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
