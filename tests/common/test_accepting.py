"""Clients are let in as far as the process has files; the others are told so, and nothing spins meanwhile."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from common import accepting
from common.accepting import affordable_connections
from common.serving import HttpServer, Listener, Receive, Scope, Send, bind, split_address
from ruler.loop import new_event_loop

LIMIT = 3
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture(params=[None, new_event_loop], ids=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest) -> Iterator[HttpServer]:
    listeners = [Listener(name, bind("127.0.0.1:0", name), hello) for name in "ab"]
    server = HttpServer(listeners, max_connections=LIMIT, new_loop=request.param)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as clients:
        yield clients


def connected(clients: ExitStack, server: HttpServer, listener: int = 0) -> socket.socket:
    return clients.enter_context(socket.create_connection(split_address(server.addresses[listener]), timeout=5))


def asked(client: socket.socket) -> bytes:
    """The first line of the answer."""
    client.sendall(GET)
    return client.recv(1000).partition(b"\r\n")[0]


def test_above_the_limit_clients_are_refused_in_words(server: HttpServer, clients: ExitStack) -> None:
    """Clients that were just served are not thrown out for the next one; all listeners share the limit."""
    served = [asked(connected(clients, server, number % 2)) for number in range(LIMIT)]
    assert [b"HTTP/1.1 200 OK"] * LIMIT == served
    late = connected(clients, server)
    assert b"HTTP/1.1 503 Service Unavailable" == late.recv(1000).partition(b"\r\n")[0]
    assert b"" == late.recv(1000)


def test_the_longest_quiet_makes_room(server: HttpServer, clients: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has said nothing for a while, before a request or after one, leaves when another comes."""
    monkeypatch.setattr(accepting, "QUIET_SECONDS", 0.0)
    silent = connected(clients, server)
    talking = connected(clients, server)
    talking.sendall(b"GET / HT")
    assert b"HTTP/1.1 200 OK" == asked(connected(clients, server))
    assert b"HTTP/1.1 200 OK" == asked(connected(clients, server, 1))
    assert b"" == silent.recv(10)
    talking.sendall(b"TP/1.1\r\nHost: x\r\n\r\n")
    assert talking.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_room_comes_back(server: HttpServer, clients: ExitStack) -> None:
    """A client that leaves gives its place to the next."""
    for _ in range(3 * LIMIT):
        with socket.create_connection(split_address(server.addresses[0]), timeout=5) as client:
            client.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answer = b""
            while part := client.recv(1000):
                answer += part
            assert answer.startswith(b"HTTP/1.1 200 OK")


@contextmanager
def no_more_files() -> Iterator[None]:
    """A process that can open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_without_files_nothing_spins_and_clients_wait(server: HttpServer, clients: ExitStack) -> None:
    """Out of files, accepting rests instead of failing over and over; the client is served when there are some."""
    client = clients.enter_context(socket.socket())
    client.settimeout(5)
    with no_more_files():
        client.connect(split_address(server.addresses[0]))
        client.sendall(GET)
        used, began = time.process_time(), time.monotonic()
        client.settimeout(2 * accepting.REST_SECONDS + 0.2)
        with pytest.raises(TimeoutError):
            client.recv(10)
        assert (time.process_time() - used) / (time.monotonic() - began) < 0.3
    client.settimeout(5)
    assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_most_files_are_for_other_work() -> None:
    """One file in four may be a connection, and no more than a fixed number of them."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 1 <= affordable_connections() <= accepting.MOST_CONNECTIONS
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_the_soft_limit_is_raised() -> None:
    """A limit that the process may raise is no limit."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(limits[1], accepting.MOST_FILES) if limits[1] != resource.RLIM_INFINITY else accepting.MOST_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, wanted), limits[1]))
    try:
        affordable_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == wanted
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
