"""Asking: any server, any answer, over TCP or a unix socket, and what makes us known stays with whom it is for."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from common.errors import ScrapeError
from ruler.scrape.http.ask import ask
from tests.ruler.scrape.http.asking import CAP, asked, client, refusal
from tests.ruler.scrape.http.peer import OK, Asked, peer
from tests.ruler.scrape.world import answer

CANARY = "canary"


def test_an_answer_comes_whatever_its_status() -> None:
    """Status, headers in lower case, and the body inflated; what is told is sent."""

    async def run() -> None:
        async with peer(lambda _: answer(b"no", status="404 Not Found", gzipped=True, X_More="Yes")) as server:
            deadline = asyncio.get_running_loop().time() + 5
            found = await ask(
                f"http://{server.address}/a?b=c",
                client(),
                deadline=deadline,
                headers={"X-Mine": "1"},
                method="POST",
                body=b"told",
            )
            assert (404, "Yes", b"no") == (found.status, found.headers["x-more"], found.body)
            [request] = server.asked
            assert ("POST", "/a?b=c", b"told") == (request.method, request.target, request.body)
            assert [["1"], ["gzip, zstd"]] == [request.header(name) for name in ("X-Mine", "Accept-Encoding")]

    asyncio.run(run())


def test_a_unix_socket_is_a_server_like_any_other(tmp_path: Path) -> None:
    """The socket takes the place of the connection; the URL's host is what the server is told."""

    async def run() -> None:
        async with peer(path=tmp_path / "socket") as server:
            found = await asked("http://docker/v1", client(), unix_socket=str(tmp_path / "socket"))
            assert (200, ["docker"]) == (found.status, server.asked[0].header("Host"))

    asyncio.run(run())


@pytest.mark.parametrize(
    "block",
    [
        "basic_auth: {username: u, password: canary}",
        "authorization: {type: Token, credentials: canary}",
        "bearer_token: canary",
        "http_headers: {X: {values: [canary, canary]}, X-Secret: {secrets: [canary]}, Cookie: {values: [canary]}}",
        "http_headers: {X-File: {files: [FILE]}}",
        "bearer_token_file: FILE",
        "basic_auth: {username_file: FILE, password_file: FILE}",
    ],
)
def test_what_makes_us_known_goes_to_no_other_server(tmp_path: Path, block: str) -> None:
    """Over a chain of redirects home and away, strangers get nothing: leaks are 0; nothing of it is lost at home."""
    (tmp_path / "file").write_text(f"{CANARY}\n")
    who = client(block.replace("FILE", str(tmp_path / "file")))

    async def run() -> None:
        def guide(other: Callable[[], str]) -> Callable[[Asked], bytes]:
            def answers(request: Asked) -> bytes:
                step = int(request.target.strip("/") or 0)
                where = other() if step % 3 == 2 else ""
                return OK if step == 6 else answer(status="302 Found", Location=f"{where}/{step + 1}")

            return answers

        async with peer() as home, peer() as away:
            home.answers = guide(lambda: f"http://{away.address}")
            away.answers = guide(lambda: f"http://{home.address}")
            url = f"http://{home.address}/"
            assert 200 == (await asked(url, who, headers={"X-Own": CANARY})).status
            assert (4, 3) == (len(home.asked), len(away.asked))
            secrets = [CANARY.encode(), b"dTpjYW5hcnk=", b"Y2FuYXJ5OmNhbmFyeQ==", b"Cookie", b"X-Own"]
            leaks = sum(each.raw.count(secret) for each in away.asked for secret in secrets)
            assert 0 == leaks
            known = [tuple(value for name, value in each.headers if name != "Host") for each in home.asked]
            assert 1 == len(set(known))
            assert any(secret in home.asked[0].raw for secret in secrets[:3])

    asyncio.run(run())


def test_a_user_in_the_url_is_known_to_its_server_alone() -> None:
    """http://user:password@host is basic authentication there, as in Go, and the password is in no error."""

    async def run() -> None:
        async with peer() as home, peer() as away:
            home.answers = lambda _: answer(status="302 Found", Location=f"http://{away.address}/")
            await asked(f"http://u:p%40@{home.address}/", client())
            assert [["Basic dTpwQA=="], []] == [each.asked[0].header("Authorization") for each in (home, away)]
            home.answers = lambda _: b""
            assert "hush" not in await refusal(f"http://u:hush@{home.address}/", client())

    asyncio.run(run())


def test_a_body_is_sent_to_its_server_alone() -> None:
    """307 repeats a POST at home; elsewhere it is refused, and 303 asks there for the result without it."""

    async def run() -> None:
        async with peer() as home, peer() as away:
            statuses = {"/a": ("307 Again", "/b"), "/c": ("303 See", f"http://{away.address}/")}
            statuses["/d"] = ("307 Again", f"http://{away.address}/")

            def answers(request: Asked) -> bytes:
                if request.target not in statuses:
                    return OK
                status, where = statuses[request.target]
                return answer(status=status, Location=where)

            home.answers = answers

            async def post(path: str) -> None:
                deadline = asyncio.get_running_loop().time() + 5
                await ask(f"http://{home.address}{path}", client(), deadline=deadline, method="POST", body=b"told")

            await post("/a")
            await post("/c")
            assert ["POST /a told", "POST /b told", "POST /c told"] == [
                f"{each.method} {each.target} {each.body.decode()}" for each in home.asked
            ]
            assert ["GET / "] == [f"{each.method} {each.target} {each.body.decode()}" for each in away.asked]
            with pytest.raises(ScrapeError, match="to another server"):
                await post("/d")
            assert 1 == len(away.asked)

    asyncio.run(run())


def test_redirects_are_answers_where_they_are_not_to_be_followed() -> None:
    """follow_redirects: false."""

    async def run() -> None:
        async with peer(lambda _: answer(status="302 Found", Location="/x")) as server:
            found = await asked(f"http://{server.address}/", client("follow_redirects: false"))
            assert (302, "/x", 1) == (found.status, found.headers["location"], len(server.asked))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://x/", "not a URL of http or https: 'ftp://x/'"),
        ("http:///x", "not a URL of http or https"),
        ("http://x:99999/", "invalid address"),
        ("http://[::1/", "invalid address"),
    ],
)
def test_an_address_that_is_none_is_told(url: str, problem: str) -> None:
    """Every failure is a ScrapeError."""
    assert problem in asyncio.run(refusal(url, client()))


@pytest.mark.parametrize("location", ["http://[::1", "http://x:y/", "//", "http://%zz:1x/", "/a\tb", "/é", "\x00"])
def test_a_redirect_may_say_anything(location: str) -> None:
    """A Location that leads nowhere is a failure in words or a request that a server can read, never a crash."""

    async def run() -> None:
        def once(request: Asked) -> bytes:
            return OK if request.target != "/start" else answer(status="302 Found", Location=location)

        async with peer(once) as server:
            with suppress(ScrapeError):
                assert 200 == (await asked(f"http://{server.address}/start", client())).status

    asyncio.run(run())


def test_a_value_of_two_lines_is_no_header(tmp_path: Path) -> None:
    """A file that holds more than a value cannot write headers."""
    (tmp_path / "file").write_text("a\r\nEvil: 1")

    async def run() -> None:
        async with peer() as server:
            who = client(f"http_headers: {{X: {{files: [{tmp_path / 'file'}]}}}}")
            assert "more than one line" in await refusal(f"http://{server.address}/", who)
            assert [] == server.asked

    asyncio.run(run())


def test_an_answer_is_bounded() -> None:
    """What inflates past the client's cap is refused."""
    bomb = answer(gzip.compress(bytes(CAP + 1)), Content_Encoding="gzip")

    async def run() -> None:
        async with peer(lambda _: bomb) as server:
            assert "body size limit exceeded" in await refusal(f"http://{server.address}/", client())

    asyncio.run(run())


def test_a_client_prints_no_secret() -> None:
    """Whoever logs a client tells nobody's password."""
    blocks = ("bearer_token: canary", "http_headers: {X: {secrets: [canary]}}", "basic_auth: {password: canary}")
    assert [False] * 3 == [CANARY in repr(client(block)) for block in blocks]
