"""Tokens: fetched once for all, kept until they expire, renewed when they are refused, within the asker's time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import parse_qs

from tests.ruler.scrape.http.asking import asked, client, refusal
from tests.ruler.scrape.http.peer import OK, Asked, certificate, peer, serving_with
from tests.ruler.scrape.world import answer


class Issuer:
    """An Issuer gives token after token; `takes` says from which of a request's places it reads credentials."""

    def __init__(self, *, takes: str = "header", **more: object) -> None:
        self.count, self.takes, self.more = 0, takes, more

    def __call__(self, asked: Asked) -> bytes:
        in_form = "client_secret" in parse_qs(asked.body.decode())
        if in_form != (self.takes == "form"):
            return answer(b'{"error": "invalid_client"}', status="401 Unauthorized")
        self.count += 1
        given = {"access_token": f"token{self.count}", "token_type": "bearer", "expires_in": 3600, **self.more}
        return answer(json.dumps(given).encode(), content_type="application/json")


def oauth(port: int, more: str = "", scheme: str = "http", host: str = "127.0.0.1") -> str:
    """A client block that gets its tokens there."""
    return f"oauth2: {{client_id: me, client_secret: hush, token_url: '{scheme}://{host}:{port}/token'{more}}}"


def test_one_token_serves_all_until_it_expires() -> None:
    """A hundred requests at once and more afterwards cost one token, asked for as RFC 6749 says."""

    async def run() -> None:
        async with peer(Issuer()) as issuer, peer() as target:
            who = client(oauth(issuer.port, ", scopes: [a, b], endpoint_params: {audience: x}"))
            url = f"http://{target.address}/"
            await asyncio.gather(*(asked(url, who) for _ in range(100)))
            await asked(url, who)
            assert [["Bearer token1"]] * 101 == [each.header("Authorization") for each in target.asked]
            [token] = issuer.asked
            assert ("POST", "/token") == (token.method, token.target)
            assert {"grant_type": ["client_credentials"], "scope": ["a b"], "audience": ["x"]} == parse_qs(
                token.body.decode()
            )
            assert ["Basic bWU6aHVzaA=="] == token.header("Authorization")
            assert ["application/x-www-form-urlencoded"] == token.header("Content-Type")

    asyncio.run(run())


def test_a_token_that_expires_is_renewed_in_time() -> None:
    """One that lasts no longer than ten seconds is used for what waits for it, and not again."""

    async def run() -> None:
        async with peer(Issuer(expires_in=10)) as issuer, peer() as target:
            who = client(oauth(issuer.port))
            for _ in range(2):
                await asked(f"http://{target.address}/", who)
            assert [["Bearer token1"], ["Bearer token2"]] == [each.header("Authorization") for each in target.asked]

    asyncio.run(run())


def test_a_refused_token_is_renewed_once() -> None:
    """A 401 costs one new token and one more request; a second 401 is the answer."""

    async def run() -> None:
        def first_is_revoked(asked: Asked) -> bytes:
            refused = asked.header("Authorization") == ["Bearer token1"]
            return answer(status="401 Unauthorized") if refused else OK

        async with peer(Issuer()) as issuer, peer(first_is_revoked) as target:
            who = client(oauth(issuer.port))
            assert 200 == (await asked(f"http://{target.address}/", who)).status
            assert (2, 2) == (len(issuer.asked), len(target.asked))
            target.answers = lambda _: answer(status="401 Unauthorized")
            assert 401 == (await asked(f"http://{target.address}/", who)).status
            assert (3, 4) == (len(issuer.asked), len(target.asked))

    asyncio.run(run())


def test_credentials_go_into_the_form_where_the_header_is_not_read() -> None:
    """A server that refuses the header is asked once more, and from then on only in its way."""

    async def run() -> None:
        async with peer(Issuer(takes="form", expires_in=1)) as issuer, peer() as target:
            who = client(oauth(issuer.port))
            for _ in range(2):
                await asked(f"http://{target.address}/", who)
            assert [False, True, True] == [b"client_secret=hush" in each.body for each in issuer.asked]
            assert [1, 0, 0] == [len(each.header("Authorization")) for each in issuer.asked]

    asyncio.run(run())


def test_a_secret_in_a_file_may_be_rotated(tmp_path: Path) -> None:
    """The file is read for each token."""
    secret = tmp_path / "secret"

    async def run() -> None:
        async with peer(Issuer(expires_in=1)) as issuer, peer() as target:
            url = f"http://{issuer.address}/token"
            who = client(f"oauth2: {{client_id: me, client_secret_file: {secret}, token_url: '{url}'}}")
            for word in ("one", "two"):
                secret.write_text(f"{word}\n")
                await asked(f"http://{target.address}/", who)
            assert [["Basic bWU6b25l"], ["Basic bWU6dHdv"]] == [each.header("Authorization") for each in issuer.asked]

    asyncio.run(run())


def test_tokens_have_tls_and_a_proxy_of_their_own(tmp_path: Path) -> None:
    """What holds for the token's server does not hold for the target."""
    cert = certificate(tmp_path)

    async def run() -> None:
        async with (
            peer(Issuer(), context=serving_with(cert)) as issuer,
            peer(proxy=True) as proxy,
            peer() as target,
        ):
            more = f", tls_config: {{ca_file: {cert}}}, proxy_url: 'http://{proxy.address}'"
            who = client(oauth(issuer.port, more, scheme="https", host="localhost"))
            assert 200 == (await asked(f"http://{target.address}/", who)).status
            assert ["CONNECT"] == [each.method for each in proxy.asked]

    asyncio.run(run())


def test_why_there_is_no_token_is_told_without_the_secret() -> None:
    """Bad answers of the token's server are the failure of the scrape, in words."""

    async def run() -> None:
        async with peer() as issuer, peer() as target:
            for sent, problem in (
                (answer(status="503 No"), "server returned HTTP status 503"),
                (answer(b"<html>"), "the answer is not JSON with a token in it"),
                (answer(b"[]"), "the answer is not JSON with a token in it"),
                (answer(b"{}"), "the answer has no access_token"),
                (answer(b'{"access_token": "x\\r\\nEvil: 1"}'), "more than one line"),
                (answer(status="302 Found", Location="http://127.0.0.1:9/"), "connection refused"),
            ):
                issuer.answers = lambda _, sent=sent: sent  # type: ignore[misc]  # bound at once
                error = await refusal(f"http://{target.address}/", client(oauth(issuer.port)))
                assert problem in error
                assert "hush" not in error
            assert [] == target.asked

    asyncio.run(run())


def test_a_token_is_waited_for_no_longer_than_the_scrape_may_take() -> None:
    """An issuer that hangs is a timeout of the scrape."""

    async def run() -> None:
        async with peer(lambda _: answer(status="100 Continue")) as issuer, peer() as target:
            error = await refusal(f"http://{target.address}/", client(oauth(issuer.port)), seconds=0.1)
            assert error.endswith("context deadline exceeded")

    asyncio.run(run())
