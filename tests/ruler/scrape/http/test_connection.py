"""Connections: an answer is the same in whatever pieces it comes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ScrapeError
from ruler.scrape.http.connection import Connection, Response

PAGE = b"a 1\n" * 9
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "length": HEAD + LENGTH % len(PAGE) + PAGE,
    "chunks": HEAD + CHUNKED + b"%x\r\n" % len(PAGE) + PAGE + b"\r\n0\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + LENGTH % len(PAGE) + PAGE,
    "empty": HEAD + LENGTH % 0,
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "closing": HEAD + b"Connection: close\r\n" + LENGTH % len(PAGE) + PAGE,
    "old": HEAD.replace(b"1.1", b"1.0") + LENGTH % len(PAGE) + PAGE,
    "old, kept": HEAD.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n" + LENGTH % len(PAGE) + PAGE,
    "head end in the page": HEAD + LENGTH % 8 + b"\r\n\r\n" * 2,
}
BODIES = {"empty": b"", "no content": b"", "head end in the page": b"\r\n\r\n" * 2}
CLOSED = {"closing", "old"}


class Wire(asyncio.Transport):
    """A Wire is a transport that keeps nothing and goes nowhere."""

    closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True


async def answered(connection: Connection, pieces: list[bytes]) -> Response:
    loop = asyncio.get_running_loop()
    asked = loop.create_task(connection.ask(b"GET / HTTP/1.1\r\n\r\n", loop.time() + 5))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    return await asked


@given(st.sampled_from(sorted(ANSWERS)), st.data())
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(name: str, data: st.DataObject) -> None:
    """Where the network cuts an answer changes neither its body nor whether the connection serves again."""
    sent = ANSWERS[name]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=4)))
    pieces = [sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]

    async def run() -> None:
        connection = Connection(("http", "x", 80), 1 << 20)
        connection.connection_made(Wire())
        for _ in range(1 if name in CLOSED else 2):
            response = await answered(connection, pieces)
            assert BODIES.get(name, PAGE) == response.body
        assert (name not in CLOSED) == connection.usable

    asyncio.run(run())


@pytest.mark.parametrize("together", [True, False])
def test_what_comes_after_an_answer_ends_the_connection(together: bool) -> None:
    """Bytes that nobody asked for are no part of a page, and no answer to the next request."""
    sent = ANSWERS["length"]

    async def run() -> None:
        connection = Connection(("http", "x", 80), 1 << 20)
        connection.connection_made(Wire())
        response = await answered(connection, [sent + sent] if together else [sent])
        if not together:
            connection.data_received(sent)
        assert (PAGE, False) == (response.body, connection.usable)

    asyncio.run(run())


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\na 1\n",
        HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: -4\r\n\r\na 1\n",
        HEAD + b"Content-Length: 4_0\r\n\r\na 1\n",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\na 1\n",
        HEAD + b"Content-Length: 4 4\r\n\r\na 1\n",
    ],
)
def test_a_length_that_is_no_length_is_malformed(sent: bytes) -> None:
    """A head that leaves open where the body ends is refused, not guessed at."""

    async def run() -> None:
        connection = Connection(("http", "x", 80), 1 << 20)
        connection.connection_made(Wire())
        with pytest.raises(ScrapeError, match="malformed HTTP response"):
            await answered(connection, [sent])
        assert not connection.usable

    asyncio.run(run())
