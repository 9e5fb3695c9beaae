"""How tests ask: a client from a block in YAML, and one request with it."""

from __future__ import annotations

import asyncio

import pytest

from common.config import parse_yaml
from common.errors import ScrapeError
from ruler.scrape.http.ask import Answer, ask
from ruler.scrape.http.client import Client, client_of
from ruler.scrape.http.settings import ClientSettings

CAP = 1 << 20


def client(text: str = "") -> Client:
    """The client of a block."""
    return client_of(parse_yaml(text or "{}", "client.yml").decode(ClientSettings), CAP)


async def asked(
    url: str, who: Client, *, seconds: float = 5, headers: dict[str, str] | None = None, unix_socket: str = ""
) -> Answer:
    """The answer to one request."""
    deadline = asyncio.get_running_loop().time() + seconds
    return await ask(url, who, deadline=deadline, headers=headers or {}, unix_socket=unix_socket)


async def refusal(url: str, who: Client, *, seconds: float = 5) -> str:
    """Why a request fails."""
    with pytest.raises(ScrapeError) as caught:
        await asked(url, who, seconds=seconds)
    return str(caught.value)
