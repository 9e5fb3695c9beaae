"""One page of a target: a request that is made again and again, within one deadline, and what its answer must be."""

from __future__ import annotations

import asyncio

from common.errors import ScrapeError, ScrapeFailure
from ruler.scrape.http.caller import Caller
from ruler.scrape.http.client import Client
from ruler.scrape.http.failure import failure
from ruler.scrape.http.inflate import inflated
from ruler.scrape.http.media import DEFAULT_FORMATS, Format, Negotiation, accept_header, format_of, status_text

ANY = Negotiation(accept_header(DEFAULT_FORMATS, "allow-utf-8"))


class Fetcher:
    """A Fetcher fetches the page of one target, over a connection that it keeps."""

    def __init__(
        self, url: str, timeout: int, client: Client, wanted: Negotiation = ANY, unix_socket: str = ""
    ) -> None:
        self._url, self._seconds, self._cap = url, timeout / 1000, client.cap
        self._fallback = wanted.fallback
        lines = (
            f"Accept: {wanted.accept}",
            f"Accept-Encoding: {wanted.encodings}",
            f"X-Prometheus-Scrape-Timeout-Seconds: {self._seconds:.12g}",
        )
        self._caller = Caller(url, client, lines, unix_socket=unix_socket)

    async def fetch(self) -> tuple[bytes, Format]:
        """The page, inflated, and what it is written in; raises ScrapeError, which names the reason."""
        try:
            response = await self._caller.call(asyncio.get_running_loop().time() + self._seconds)
        except OSError as error:
            raise failure("get", self._url, error, self._seconds) from None
        if response.status != 200:
            raise ScrapeError(ScrapeFailure.STATUS, f"server returned HTTP status {status_text(response.status)}")
        headers = response.headers or {}
        format_ = format_of(headers.get(b"content-type", b""), self._fallback)
        encoding = headers.get(b"content-encoding")
        return response.body if encoding is None else await inflated(response.body, encoding, self._cap), format_

    def close(self) -> None:
        """Drop the kept connection."""
        self._caller.close()
