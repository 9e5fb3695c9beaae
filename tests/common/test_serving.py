"""HTTP serving keeps answering while some clients are slow, and says in one line why it cannot listen."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
import requests

from common import serving
from common.errors import StartError
from common.serving import HttpServer, Listener, Receive, Scope, Send, address_of, bind, split_address
from ruler.loop import new_event_loop


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body."""
    assert scope["type"] == "http"
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(params=[None, new_event_loop], ids=["asyncio", "uvloop"])
def address(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.3)
    server = HttpServer([Listener("test", bind("127.0.0.1:0", "test"), hello)], new_loop=request.param)
    server.start()
    yield server.addresses[0]
    server.stop()


def _cut_after(address: str, sent: bytes, *, dripping: bytes = b"") -> float:
    """Seconds until the server closes a connection that sent `sent` and then drips."""
    host, port = split_address(address)
    begun = time.monotonic()
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(sent)
        connection.settimeout(0.1)
        while time.monotonic() - begun < 5:
            try:
                if dripping:
                    connection.sendall(dripping)
                if not connection.recv(100):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    return time.monotonic() - begun


def test_slow_clients_are_cut_and_others_are_served(address: str) -> None:
    """A head or a body that drips has a deadline; dripping does not move it."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    assert _cut_after(address, b"GET / HT", dripping=b"x") < 2
    assert _cut_after(address, head + b"half", dripping=b"x") < 2
    assert _cut_after(address, b"") < 2
    assert "3" == requests.post(f"http://{address}/", data=b"abc", timeout=5).text


def test_a_large_body_may_take_its_time(address: str) -> None:
    """A body that goes on coming is not cut, however long it takes as a whole."""

    def slowly() -> Iterator[bytes]:
        for _ in range(4):
            yield bytes(serving.BODY_STEP)
            time.sleep(0.15)

    assert str(4 * serving.BODY_STEP) == requests.post(f"http://{address}/", data=slowly(), timeout=10).text


def test_idle_keep_alive_connections_stay(address: str) -> None:
    """The deadlines are those of a request: between two requests a connection may rest."""
    with requests.Session() as session:
        assert "1" == session.post(f"http://{address}/", data=b"a", timeout=5).text
        time.sleep(0.5)
        assert "2" == session.post(f"http://{address}/", data=b"ab", timeout=5).text


def test_a_taken_port_is_one_clear_line() -> None:
    """The error says who wanted which port and what to do."""
    with bind("127.0.0.1:0", "first") as first:
        taken = address_of(first)
        with pytest.raises(StartError) as caught:
            bind(taken, "ruler")
    port = taken.rpartition(":")[2]
    assert (
        f"ruler: cannot listen on {taken}: port {port} is taken by another program "
        "(choose another listen address, or stop that program)"
    ) == str(caught.value)


@pytest.mark.parametrize("address", ["9090", "localhost", "localhost:x", "localhost:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """The error shows how to write one."""
    with pytest.raises(StartError, match=r"write it like 127.0.0.1:9090 or :9090"):
        split_address(address)


def test_addresses_have_a_host_and_a_port() -> None:
    """IPv6 hosts stand in brackets; no host means every interface."""
    assert [("::1", 9090), ("", 9090), ("a", 1)] == [split_address(a) for a in ("[::1]:9090", ":9090", "a:1")]
