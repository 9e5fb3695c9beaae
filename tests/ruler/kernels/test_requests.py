"""A request that is told to be plain is just what a parser of all of HTTP finds."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ruler.kernels.text.requests import is_begun, plain_request

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
GET = b"GET /a?b=c%20d HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 3\r\n\r\nd=e"
PLAIN = [
    (GET, (b"/a", b"b=c%20d", b"")),
    (POST, (b"/a", b"", b"d=e")),
    (b"GET /a HTTP/1.1\r\n\r\n", (b"/a", b"", b"")),
    (b"GET /a? HTTP/1.1\r\n\r\n", (b"/a", b"", b"")),
    (POST.replace(b"coded", b"coded ;  charset=UTF-8 ").replace(b"POST /a", b"POST /a?b"), (b"/a", b"b", b"d=e")),
    (POST.replace(b"d=e", b"").replace(b": 3", b": 0"), (b"/a", b"", b"")),
]
HEADERS = (
    "Host: x|Connection: keep-alive|connection: Keep-Alive |Connection: close|Connection: keep-alive, upgrade"
    "|Upgrade: h2c|Content-Length: 3|content-length: 0|Content-Length: 03|Content-Length: +3|Content-Length: 3, 3"
    "|Content-Length : 3|Content-Type: application/x-www-form-urlencoded|Content-Type: application/json|Content-Type:"
    "|Transfer-Encoding: chunked|Transfer-Encoding: identity|Expect: 100-continue|Proxy-Connection: close|X: y| folded"
    "|no colon|: no name|A:\tb |Accept: \x7f|Accept: \xe9|X-\xe9: a|Keep-Alive: 5|TE: trailers|Cookie: a=b; c=d"
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "get", "PUT", "GET ", ""])
TARGETS = st.sampled_from(["/a", "/a?b=c", "/a?b=c#d", "*", "http://x/a", "/é", "/a b", "", '/a?{}[]|\\^`"<>', "//a"])
VERSIONS = st.sampled_from(["HTTP/1.1"] * 5 + ["HTTP/1.0", "HTTP/2.0", "http/1.1", "HTTP/1.1 "])
ENDS = st.sampled_from(["\r\n"] * 9 + ["\n", "\r"])


class Found:
    """Found is what the parser of HTTP tells of."""

    def __init__(self, data: bytes) -> None:
        self.url, self.body, self.whole = b"", b"", 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole += 1
        assert (True, False, "1.1") == (
            self.parser.should_keep_alive(),
            self.parser.should_upgrade(),
            self.parser.get_http_version(),
        )


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    lines = [" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS)))]
    lines += draw(st.lists(st.sampled_from(HEADERS.split("|")), max_size=5))
    text = "".join(line + draw(ENDS) for line in [*lines, ""]) + draw(st.sampled_from(["", "d=e", "d=ef", "d"]))
    return text.encode("latin-1")


@given(requests())
@example(GET + GET)
@example(POST + GET)
@example(POST + b"\r\n")
def test_what_is_plain_is_what_the_parser_finds(data: bytes) -> None:
    """One request, whole, that neither closes its connection nor turns it into another."""
    request = plain_request(data)
    if request is None:
        return
    found, (path, query, body) = Found(data), request
    assert (1, body) == (found.whole, found.body)
    assert path in (b"/a", b"//a")
    assert found.url in (path, path + b"?" + query)
    assert not body or data.startswith(b"POST")


@pytest.mark.parametrize(("data", "request_"), PLAIN)
def test_plain_requests_are_found(data: bytes, request_: tuple[bytes, bytes, bytes]) -> None:
    """However much of it comes at once; and nothing else behind it."""
    assert request_ == plain_request(data)
    assert [(None, True)] * len(data) == [(plain_request(data[:end]), is_begun(data[:end])) for end in range(len(data))]
    assert (None, False, False) == (plain_request(data + b"G"), is_begun(data + b"G"), is_begun(data))
    capitals = data.replace(b"Content-Length", b"CONTENT-LENGTH").replace(b"keep-alive", b"Keep-Alive")
    assert request_ == plain_request(capitals)


@pytest.mark.parametrize("header", HEADERS.split("|")[3:])
def test_what_is_not_plain_is_left(header: str) -> None:
    """Whatever may change how a request is read, or what becomes of its connection."""
    harmless = header in ("X: y", "A:\tb ", "Keep-Alive: 5", "TE: trailers", "Cookie: a=b; c=d")
    harmless = harmless or header.startswith("Content-Type")
    data = GET.replace(b"Connection: keep-alive", header.encode("latin-1"))
    assert harmless == (plain_request(data) is not None)
    assert harmless or not is_begun(data)
