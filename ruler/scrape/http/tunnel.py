"""The way through a proxy to a server that speaks TLS: CONNECT, and what the proxy answers."""

from __future__ import annotations

import asyncio
from typing import cast

from common.errors import ScrapeError, ScrapeFailure
from ruler.scrape.http.connection import MAX_HEAD

_END = b"\r\n\r\n"


class Tunnel(asyncio.Protocol):
    """A Tunnel is a connection to a proxy that has not let us through yet."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def to(self, request: bytes) -> asyncio.Transport:
        """The transport that leads where the request says; raises ScrapeError or OSError."""
        transport = self._transport
        if transport is None:
            raise ConnectionResetError
        try:
            transport.write(request)
            head = await self._answer
            status = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
            if len(status) < 2 or not status[0].startswith("HTTP/1.") or not status[1].isdigit():
                raise ScrapeError(ScrapeFailure.REFUSED, "proxy: malformed answer to CONNECT")
            if not status[1].startswith("2"):
                raise ScrapeError(ScrapeFailure.REFUSED, f"proxy: refused the tunnel: {' '.join(status[1:])!r}")
        except BaseException:
            transport.abort()
            raise
        transport.pause_reading()  # what comes now is for TLS
        return transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        end = self._head.find(_END)
        if self._answer.done():
            return
        if end < 0 and len(self._head) > MAX_HEAD:
            self._answer.set_exception(ScrapeError(ScrapeFailure.REFUSED, "proxy: answer to CONNECT is too large"))
        elif 0 <= end < len(self._head) - len(_END):
            problem = "proxy: sent more than its answer to CONNECT"
            self._answer.set_exception(ScrapeError(ScrapeFailure.REFUSED, problem))
        elif end >= 0:
            self._answer.set_result(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(
                exc if isinstance(exc, OSError) else ConnectionResetError("proxy: hung up without an answer")
            )
            self._answer.exception()  # seen, where nobody waits any more
