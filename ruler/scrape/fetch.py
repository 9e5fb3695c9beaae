"""One page over HTTP/1.1: a small protocol on llhttp, one kept connection per target, one deadline for everything.

What comes in is bounded: the head by MAX_HEAD, the body and what it inflates to by the job's cap. Credentials go to the
origin they are for and to no other; a redirect elsewhere is followed without them.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import httptools
from isal import isal_zlib
from isal.igzip_lib import IsalError

from common.errors import ScrapeError, ScrapeFailure
from ruler.scrape.client import Client
from ruler.scrape.media import refuse_media_type

ACCEPT = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
USER_AGENT = "tocsin"
MAX_HEAD = 64 << 10
MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]  # scheme, host, port


@dataclass(slots=True)
class Response:
    """A Response is what has come of an answer."""

    status: int = 0
    headers: dict[bytes, bytes] | None = None
    body: bytes = b""


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
            async with asyncio.timeout(self._seconds):
                return await self._follow()
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

    async def _follow(self) -> bytes:
        if self._home is None:
            self._home = _place(self._url)
            if self._client.authorization is None:
                self._plain = self._request(self._home, trusted=True)
        url, place = self._url, self._home
        request = self._plain or self._request(place, trusted=True)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._get(place.origin, request)
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

    async def _get(self, origin: Origin, request: bytes) -> Response:
        idle, self._idle = self._idle, None
        if idle is not None and idle.origin == origin and idle.usable:
            try:
                return await self._ask(idle, request)
            except ConnectionResetError:
                if idle.answered:
                    raise
                # The target closed the kept connection while the request was under way: not its last word.
        elif idle is not None:
            idle.close()
        return await self._ask(await self._connect(origin), request)

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

    async def _ask(self, connection: Connection, request: bytes) -> Response:
        try:
            response = await connection.ask(request)
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


class Connection(asyncio.Protocol):
    """A Connection carries one request and its answer at a time."""

    def __init__(self, origin: Origin, cap: int) -> None:
        self.origin, self._cap = origin, cap
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._response = Response()
        self._chunks: list[bytes] = []
        self._size = 0
        self._parser: Any = None
        self._head: dict[bytes, bytes] = {}
        self._keep = True
        self.answered = False

    @property
    def usable(self) -> bool:
        """Whether another request may go over it."""
        return self._keep and self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> Response:
        """The answer to `request`; raises OSError or ScrapeError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._response, self._chunks, self._size, self.answered = Response(), [], 0, False
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        self._keep = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.answered = True
        self._size += len(data)
        if self._waiter is None or self._waiter.done():
            self.close()  # nobody asked
            return
        if self._size > self._cap + MAX_HEAD:
            self._fail(_body_too_large(self._cap))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ScrapeError(ScrapeFailure.BAD_BODY, f"malformed HTTP response: {error}"))
            return
        if self._response.headers is None and self._size > MAX_HEAD:
            self._fail(ScrapeError(ScrapeFailure.TOO_LARGE, f"response head larger than {MAX_HEAD} bytes"))

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep = False
        if self._waiter is None or self._waiter.done():
            return
        headers = self._response.headers
        ends_with_connection = (
            headers is not None and b"content-length" not in headers and b"transfer-encoding" not in headers
        )
        if exc is None and ends_with_connection:
            self._finish()
        elif headers is not None or self.answered:
            self._fail(ScrapeError(ScrapeFailure.BAD_BODY, "unexpected EOF"))
        else:
            self._fail(exc if isinstance(exc, OSError) else ConnectionResetError("EOF"))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._response.headers is None:
            self._head[name.lower()] = value

    def on_message_begin(self) -> None:
        self._head = {}

    def on_headers_complete(self) -> None:
        self._response.status = self._parser.get_status_code()
        if self._response.status >= 200:
            self._response.headers = self._head

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._response.status >= 200:
            self._keep = self._keep and self._parser.should_keep_alive()
            self._finish()

    def _finish(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._response.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            if len(self._response.body) > self._cap:
                self._fail(_body_too_large(self._cap))
            else:
                self._waiter.set_result(self._response)
        if not self._keep and self._transport is not None:
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.close()


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
                raise _body_too_large(cap)
            if not stream.eof:
                raise ScrapeError(ScrapeFailure.BAD_BODY, "gzip body: unexpected EOF")
            pages.append(page)
            rest = stream.unused_data
    except IsalError as error:  # type: ignore[misc]  # its stub declares the class as a value
        raise ScrapeError(ScrapeFailure.BAD_BODY, f"gzip body: {error}") from None
    return pages[0] if len(pages) == 1 else b"".join(pages)


def _body_too_large(cap: int) -> ScrapeError:
    return ScrapeError(ScrapeFailure.TOO_LARGE, f"body size limit exceeded: more than {cap} bytes")


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
