"""One page of a target: one kept connection, one deadline for everything, redirects, and what a page must be.

What a page inflates to is bounded by the job's cap. Credentials go to the origin they are for and to no other; a
redirect elsewhere is followed without them.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from isal import isal_zlib
from isal.igzip_lib import IsalError

from common.errors import ScrapeError, ScrapeFailure
from ruler.scrape.http.client import Client
from ruler.scrape.http.connection import Connection, Origin, Response, body_too_large
from ruler.scrape.http.media import refuse_media_type

ACCEPT = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
USER_AGENT = "tocsin"
MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """A Place is where a URL leads: whom to connect to and what to ask there (Host and target of a request)."""

    origin: Origin
    host: str
    target: str


class Fetcher:
    """A Fetcher fetches the page of one target, over a connection that it keeps."""

    def __init__(self, url: str, timeout: int, client: Client) -> None:
        self._url, self._seconds, self._client = url, timeout / 1000, client
        self._home: Place | None = None
        self._plain = b""  # the request to the target, where it is the same every time
        self._idle: Connection | None = None

    async def fetch(self) -> bytes:
        """The page, inflated; raises ScrapeError, which names the reason."""
        try:
            return await self._follow(asyncio.get_running_loop().time() + self._seconds)
        except TimeoutError:
            problem = f"Get {self._url!r}: context deadline exceeded after {self._seconds:g} s"
            raise ScrapeError(ScrapeFailure.TIMEOUT, problem) from None
        except (OSError, ssl.SSLError) as error:
            raise ScrapeError(ScrapeFailure.REFUSED, f"Get {self._url!r}: {_why(error)}") from None

    def close(self) -> None:
        """Drop the kept connection."""
        if self._idle is not None:
            self._idle.close()
            self._idle = None

    async def _follow(self, deadline: float) -> bytes:
        if self._home is None:
            self._home = _place(self._url)
            if self._client.authorization is None:
                self._plain = self._request(self._home, trusted=True)
        url, place = self._url, self._home
        request = self._plain or self._request(place, trusted=True)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._get(place.origin, request, deadline)
            headers = response.headers or {}
            location = headers.get(b"location", b"").decode("latin-1")
            if response.status not in _REDIRECTS or not location:
                return self._page(response.status, headers, response.body)
            url = urljoin(url, location)
            if urlsplit(url).scheme not in _PORTS:
                problem = f"Get {self._url!r}: redirected to an unsupported protocol scheme: {url!r}"
                raise ScrapeError(ScrapeFailure.STATUS, problem)
            place = _place(url)
            request = self._request(place, trusted=place.origin == self._home.origin)
        raise ScrapeError(ScrapeFailure.STATUS, f"Get {self._url!r}: stopped after {MAX_REDIRECTS} redirects")

    async def _get(self, origin: Origin, request: bytes, deadline: float) -> Response:
        idle, self._idle = self._idle, None
        if idle is not None and idle.origin == origin and idle.usable:
            try:
                return await self._ask(idle, request, deadline)
            except ConnectionResetError:
                if idle.answered:
                    raise
                # The target closed the kept connection while the request was under way: not its last word.
        elif idle is not None:
            idle.close()
        async with asyncio.timeout_at(deadline):
            connection = await self._connect(origin)
        return await self._ask(connection, request, deadline)

    async def _connect(self, origin: Origin) -> Connection:
        scheme, host, port = origin
        loop = asyncio.get_running_loop()
        cap = self._client.cap
        if scheme == "https":
            name = self._client.server_name or host
            context = self._client.tls()
            _, connection = await loop.create_connection(
                lambda: Connection(origin, cap), host, port, ssl=context, server_hostname=name
            )
        else:
            _, connection = await loop.create_connection(lambda: Connection(origin, cap), host, port)
        return connection

    async def _ask(self, connection: Connection, request: bytes, deadline: float) -> Response:
        try:
            response = await connection.ask(request, deadline)
        except BaseException:
            connection.close()
            raise
        if connection.usable:
            self._idle = connection
        return response

    def _request(self, place: Place, *, trusted: bool) -> bytes:
        lines = [
            f"GET {place.target} HTTP/1.1",
            f"Host: {place.host}",
            f"User-Agent: {USER_AGENT}",
            f"Accept: {ACCEPT}",
            "Accept-Encoding: gzip",
            f"X-Prometheus-Scrape-Timeout-Seconds: {self._seconds:g}",
        ]
        if trusted and self._client.authorization is not None:
            lines.append(f"Authorization: {self._client.authorization()}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _page(self, status: int, headers: dict[bytes, bytes], body: bytes) -> bytes:
        if status != 200:
            raise ScrapeError(ScrapeFailure.STATUS, f"server returned HTTP status {status} {_phrase(status)}")
        refuse_media_type(headers.get(b"content-type", b"").decode("latin-1"))
        encoding = headers.get(b"content-encoding", b"").strip().lower()
        if encoding in (b"", b"identity"):
            return body
        if encoding != b"gzip":
            raise ScrapeError(ScrapeFailure.BAD_BODY, f"unsupported Content-Encoding: {encoding.decode('latin-1')!r}")
        return inflate(body, self._client.cap)


def inflate(body: bytes, cap: int) -> bytes:
    """What a gzip body holds, all members; raises ScrapeError, and never makes more than `cap` bytes of it."""
    pages: list[bytes] = []
    size = 0
    rest = body
    try:
        while rest:
            stream = isal_zlib.decompressobj(wbits=31)
            page = stream.decompress(rest, cap - size + 1)
            size += len(page)
            if size > cap:
                raise body_too_large(cap)
            if not stream.eof:
                raise ScrapeError(ScrapeFailure.BAD_BODY, "gzip body: unexpected EOF")
            pages.append(page)
            rest = stream.unused_data
    except IsalError as error:  # type: ignore[misc]  # its stub declares the class as a value
        raise ScrapeError(ScrapeFailure.BAD_BODY, f"gzip body: {error}") from None
    return pages[0] if len(pages) == 1 else b"".join(pages)


def _place(url: str) -> Place:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ScrapeError(ScrapeFailure.REFUSED, f"invalid port in address: {parts.netloc!r}") from None
    origin = parts.scheme, parts.hostname or "", _PORTS[parts.scheme] if port is None else port
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(origin, parts.netloc.rpartition("@")[2], target)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"tls: {error.reason or error}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return (error.strerror or str(error) or type(error).__name__).lower()
