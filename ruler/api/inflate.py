"""The body of a request as it comes, inflated, never more of it than allowed and never all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from flask import Request
from isal import isal_zlib
from isal.igzip_lib import IsalError
from werkzeug.exceptions import RequestEntityTooLarge

from ruler.api.errors import BadRequest

PIECE: Final = 1 << 20
_WINDOW: Final = {"gzip": 31, "deflate": 15}  # zlib's wbits


def body_of(request: Request, max_bytes: int, max_inflated: int) -> Iterator[bytes]:
    """The body in pieces of at most PIECE; raises BadRequest, or RequestEntityTooLarge."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", *_WINDOW):
        msg = f'Content-Encoding: not known: "{encoding}" (send gzip, deflate or none)'
        raise BadRequest(msg)
    pieces = _limited(_sent(request, max_bytes), max_bytes)
    if encoding in _WINDOW:
        pieces = _limited(_inflated(pieces, encoding), max_inflated)
    return pieces


def _sent(request: Request, max_bytes: int) -> Iterator[bytes]:
    # Flask gives nothing of a body that is sent in chunks; this server ends such a body where it ends.
    request.max_content_length = max_bytes
    known = request.content_length is not None
    stream = request.stream if known else request.environ["wsgi.input"]
    end = b"\n"
    while piece := stream.read(PIECE):
        yield piece
        end = piece[-1:]
    if not known and end != b"\n" and not request.headers.get("Content-Encoding"):
        msg = "the body was sent in chunks and ends within a line: it may have been cut off"
        raise BadRequest(msg)


def _limited(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise RequestEntityTooLarge
        yield piece


def _inflated(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    stream = None
    for piece in pieces:
        rest = piece
        while rest:
            if stream is None:
                stream = isal_zlib.decompressobj(wbits=_WINDOW[encoding])
            try:
                inflated = stream.decompress(rest, PIECE)
            except IsalError as error:  # type: ignore[misc]  # its stub declares the class as a value
                msg = f"the body is not {encoding}: {error}"
                raise BadRequest(msg) from None
            if inflated:
                yield inflated
            rest = stream.unconsumed_tail
            if stream.eof:  # more members may follow
                rest, stream = stream.unused_data, None
    if stream is not None:
        msg = f"the body is not whole: its {encoding} stream does not end"
        raise BadRequest(msg)
