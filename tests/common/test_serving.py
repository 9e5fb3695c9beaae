"""HTTP serving keeps answering while some clients are slow, and says in one line why it cannot listen."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
import requests

from common import connection, serving
from common.connection import Reply
from common.errors import StartError
from common.serving import HttpServer, Listener, Receive, Scope, Send, address_of, bind, split_address
from ruler.kernels.text.requests import is_begun, plain_request
from ruler.loop import new_event_loop

URLENCODED = "application/x-www-form-urlencoded"
KEPT = 0.6  # s


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


class Echo:
    """Echo answers at once with what was asked, unless the body is `later`: then, and elsewhere, as `hello` does."""

    is_begun = staticmethod(is_begun)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)

    def at_once(self, data: bytes) -> Reply | None:
        request = plain_request(data)
        if request is None or request[0] != b"/echo" or request[2] == b"later":
            return None
        return 200, b"text/plain", b" ".join(request)


@pytest.fixture(params=[None, new_event_loop], ids=["asyncio", "uvloop"])
def address(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(serving, "KEEP_ALIVE_SECONDS", KEPT)
    server = HttpServer([Listener("test", bind("127.0.0.1:0", "test"), Echo())], new_loop=request.param)
    server.start()
    yield server.addresses[0]
    server.stop()


def _cut_after(address: str, sent: bytes, *, dripping: bytes = b"") -> float:
    """Seconds until the server closes a connection that sent `sent` and then drips."""
    host, port = split_address(address)
    begun = time.monotonic()
    with socket.create_connection((host, port), timeout=5) as client:
        client.sendall(sent)
        client.settimeout(0.1)
        while time.monotonic() - begun < 5:
            try:
                if dripping:
                    client.sendall(dripping)
                if not client.recv(100):
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
    assert _cut_after(address, _posted(b"x" * 100)[:-50], dripping=b"") < 2
    assert _cut_after(address, b"") < 2
    assert "3" == requests.post(f"http://{address}/", data=b"abc", timeout=5).text


def test_a_large_body_may_take_its_time(address: str) -> None:
    """A body that goes on coming is not cut, however long it takes as a whole."""

    def slowly() -> Iterator[bytes]:
        for _ in range(4):
            yield bytes(connection.BODY_STEP)
            time.sleep(0.15)

    assert str(4 * connection.BODY_STEP) == requests.post(f"http://{address}/", data=slowly(), timeout=10).text


def test_idle_keep_alive_connections_stay(address: str) -> None:
    """The deadlines are those of a request: between two requests a connection may rest."""
    with requests.Session() as session:
        assert "1" == session.post(f"http://{address}/", data=b"a", timeout=5).text
        time.sleep(0.5)
        assert "2" == session.post(f"http://{address}/", data=b"ab", timeout=5).text


def _conversation(address: str, *sent: bytes) -> bytes:
    """All that comes back to what is sent, one piece a while after the other, until the server closes."""
    with socket.create_connection(split_address(address), timeout=5) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in sent:
            client.sendall(piece)
            time.sleep(0.02)
        received = b""
        while piece := client.recv(1 << 16):
            received += piece
    return received


def _posted(body: bytes, *, close: bool = False, path: str = "/echo") -> bytes:
    ending = "Connection: close\r\n" if close else ""
    about = f"Host: x\r\n{ending}Content-Type: {URLENCODED}\r\nContent-Length: {len(body)}"
    return f"POST {path} HTTP/1.1\r\n{about}\r\n\r\n".encode() + body


LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_what_is_prompt_is_answered_whole(address: str) -> None:
    """An app that can answers where the request arrives, with the heads that all answers have."""
    with requests.Session() as session:
        session.headers["content-type"] = URLENCODED
        for _ in range(3):
            answer = session.get(f"http://{address}/echo?a=1", timeout=5)
            assert ("/echo a=1 ", "text/plain") == (answer.text, answer.headers["content-type"])
            assert "date" in answer.headers
            assert "5" == session.post(f"http://{address}/echo", data=b"later", timeout=5).text
            assert "/echo  now" == session.post(f"http://{address}/echo", data=b"now", timeout=5).text
        large = b"x" * (connection.PROMPT_BYTES + 1)
        assert str(len(large)) == session.post(f"http://{address}/echo", data=large, timeout=5).text


def test_quiet_connections_are_let_go(address: str) -> None:
    """A while after the last answer, whether the ones before were given at once or not."""
    with socket.create_connection(split_address(address), timeout=5) as client:
        for path in ("/echo", "/", "/echo", "/echo"):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            received = b""
            while not received.endswith((b"\r\n\r\n0", b"\r\n\r\n/echo  ")):
                received += client.recv(1 << 16)
            time.sleep(KEPT / 3)
        begun = time.monotonic()
        assert b"" == client.recv(1)
        assert time.monotonic() - begun < 2 * KEPT


@pytest.mark.parametrize("size", [50, 100, 10_000])
def test_answers_come_in_turn(address: str, size: int) -> None:
    """However requests are cut or joined on their way, and whichever of them are answered at once."""
    bodies = (b"one", b"later", b"two", b"", b"later", b"three")
    asgi = [b"%d" % len(body) for body in bodies]
    at_once = [b"/echo  " + body for body in bodies]
    alone, joined = (
        _texts(_conversation(address, *(part[at : at + size] for part in parts for at in range(0, len(part), size))))
        for parts in ([*map(_posted, bodies), LAST], [b"".join([*map(_posted, bodies), LAST])])
    )
    assert [*(asgi[n] if bodies[n] == b"later" else at_once[n] for n in range(6)), b"0"] == alone
    assert [True] * 6 == [text in either for text, *either in zip(joined, asgi, at_once, strict=False)]
    assert (7, b"0") == (len(joined), joined[-1])


def _texts(answers: bytes) -> list[bytes]:
    return [part.partition(b"\r\n\r\n")[2] for part in answers.split(b"HTTP/1.1 200 OK\r\n")[1:]]


def test_a_client_that_wants_to_close_is_let_go(address: str) -> None:
    """Its answer says so, and is the last."""
    answers = _conversation(address, _posted(b"now", close=True))
    assert (1, True) == (answers.count(b"HTTP/1.1 200 OK"), b"connection: close" in answers)
    assert _conversation(address, b"GET /echo HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n0")


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
