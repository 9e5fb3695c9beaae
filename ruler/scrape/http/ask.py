"""One request and its answer, for whatever asks but seldom: discovery, tokens. Targets have Fetchers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruler.scrape.http.caller import Caller
from ruler.scrape.http.credentials import header
from ruler.scrape.http.failure import failure
from ruler.scrape.http.inflate import inflated
from ruler.scrape.http.media import ENCODINGS

if TYPE_CHECKING:
    from ruler.scrape.http.client import Client


@dataclass(frozen=True, slots=True)
class Answer:
    """An Answer is what a server said: its status, headers by lower-case name, and its body, inflated."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(
    url: str,
    client: Client,
    *,
    deadline: float,
    headers: Mapping[str, str] = {},
    method: str = "GET",
    body: bytes = b"",
    unix_socket: str = "",
) -> Answer:
    """The answer to one request, whatever its status, by `deadline` on the loop's clock; raises ScrapeError.

    `headers` go to the origin of `url` alone, as the client's own do. With a `unix_socket` the URL's host is only said.
    """
    lines = [header(name, value) for name, value in headers.items()]
    if not any(name.lower() == "accept-encoding" for name in headers):
        lines.append(f"Accept-Encoding: {ENCODINGS}")
    caller = Caller(url, client, (), lines, method=method, body=body, unix_socket=unix_socket)
    try:
        response = await caller.call(deadline)
    except OSError as error:
        raise failure(method, url, error) from None
    finally:
        caller.close()
    found = response.headers or {}
    inflated_body = await inflated(response.body, found.get(b"content-encoding", b""), client.cap)
    return Answer(
        response.status,
        {name.decode("latin-1"): value.decode("latin-1") for name, value in found.items()},
        inflated_body,
    )
