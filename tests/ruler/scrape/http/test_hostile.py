"""Hostile targets: whatever they do, a scrape ends by its deadline, with a reason, and holds no more than its cap."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from common.errors import ScrapeError, ScrapeFailure
from ruler.scrape.http.client import client_of
from ruler.scrape.http.fetch import Fetcher
from ruler.scrape.http.settings import ClientSettings

CAP = 256 << 10
TIMEOUT = 300  # ms
OVERRUN = 0.15  # seconds
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
LONG = HEAD + b"Content-Length: 1000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def dripping(writer: asyncio.StreamWriter, head: bytes, drop: bytes) -> None:
    writer.write(head)
    while True:
        writer.write(drop)
        await asyncio.sleep(0.01)


async def flooding(writer: asyncio.StreamWriter, head: bytes, flood: bytes) -> None:
    writer.write(head)
    while True:
        writer.write(flood)
        await writer.drain()
        await asyncio.sleep(0)


async def failed(url: str) -> tuple[ScrapeFailure, str, float]:
    """Why a fetch fails, and how long it took longer than it may."""
    loop = asyncio.get_running_loop()
    fetcher = Fetcher(url, TIMEOUT, client_of(ClientSettings(), CAP))
    began = loop.time()
    with pytest.raises(ScrapeError) as caught:
        await fetcher.fetch()
    took = loop.time() - began
    assert fetcher._caller._idle is None
    return caught.value.reason, str(caught.value), took - TIMEOUT / 1000


async def failed_at(serve: Serve) -> tuple[ScrapeFailure, str, float]:
    """The same at a server that does as `serve` does once it is asked."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.ensure_future(served(reader, writer)))

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        return await failed(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics")
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"H"),
        (LONG, b"a"),
        (CHUNKED, b"1\r\na\r\n"),
        (HEAD, b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b""),
        (LONG, b""),
    ],
    ids=["head", "body", "chunks", "headers", "interim answers", "nothing", "half"],
)
def test_a_drip_ends_with_the_deadline(head: bytes, drop: bytes) -> None:
    """Each byte may come in time: the deadline is for all of them."""

    async def run() -> None:
        reason, problem, overrun = await failed_at(lambda _, writer: dripping(writer, head, drop))
        if head or drop != b"H":
            assert ScrapeFailure.TIMEOUT is reason, problem
        assert overrun < OVERRUN

    asyncio.run(run())


@pytest.mark.parametrize(
    ("head", "flood", "problem"),
    [
        (CHUNKED, b"1000\r\n" + bytes(0x1000) + b"\r\n", "body size limit exceeded"),
        (CHUNKED, b"2\r\nab\r\n" * 999, "body size limit exceeded"),
        (HEAD + b"\r\n", bytes(0x1000), "body size limit exceeded"),
        (HEAD + b"Content-Length: 300000\r\n\r\n", bytes(0x1000), "body size limit exceeded"),
        (HEAD + b"Content-Length: 99999999999\r\n\r\n", b"", "body size limit exceeded"),
        (HEAD, b"X: y\r\n" * 99, "response head larger than"),
        (HEAD + b"X: ", b"y" * 999, "response head larger than"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99, "response head larger than"),
        (CHUNKED + b"1;", b"x" * 999, "more framing than data"),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * 99, "more framing than data"),
    ],
    ids=[
        "chunks",
        "small chunks",
        "until the end",
        "length",
        "announced",
        "headers",
        "header",
        "interim",
        "extension",
        "trailers",
    ],
)
def test_a_flood_ends_at_the_cap(head: bytes, flood: bytes, problem: str) -> None:
    """What never ends is given up as soon as it is too much, long before the deadline."""

    async def run() -> None:
        reason, told, overrun = await failed_at(lambda _, writer: flooding(writer, head, flood))
        assert reason in (ScrapeFailure.TOO_LARGE, ScrapeFailure.BAD_BODY)
        assert problem in told
        assert overrun < 0

    asyncio.run(run())


def test_a_reset_is_told() -> None:
    """RST in the middle of an answer, and before it."""

    async def run() -> None:
        def reset(writer: asyncio.StreamWriter) -> None:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

        async def at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reset(writer)

        async def half_way(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(LONG)
            await asyncio.sleep(0.05)
            reset(writer)

        assert "connection reset by peer" in (await failed_at(at_once))[1]
        assert ScrapeFailure.BAD_BODY is (await failed_at(half_way))[0]

    asyncio.run(run())


def test_packets_that_are_swallowed_end_with_the_deadline() -> None:
    """A listener whose backlog is full answers no SYN, as a firewall that drops them."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            fill = socket.socket()
            fill.setblocking(False)
            fill.connect_ex(address)
            waiting.append(fill)

        async def run() -> None:
            reason, _, overrun = await failed(f"http://127.0.0.1:{address[1]}/metrics")
            assert (ScrapeFailure.TIMEOUT, True) == (reason, overrun < OVERRUN)

        try:
            asyncio.run(run())
        finally:
            for fill in waiting:
                fill.close()


STOPPED = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
listener.accept()
"""


def test_a_process_that_is_stopped_ends_with_the_deadline() -> None:
    """The kernel goes on taking connections for a process that hangs."""
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGSTOP)
            reason, _, overrun = asyncio.run(failed(f"http://127.0.0.1:{port}/metrics"))
            assert (ScrapeFailure.TIMEOUT, True) == (reason, overrun < OVERRUN)
        finally:
            process.kill()


def test_a_name_that_does_not_exist_is_refused() -> None:
    """NXDOMAIN, by the system's own resolver."""

    async def run() -> None:
        reason, problem, _ = await failed("http://no-such-host.invalid/metrics")
        assert reason in (ScrapeFailure.REFUSED, ScrapeFailure.TIMEOUT), problem
        assert "no-such-host.invalid" in problem

    asyncio.run(run())
