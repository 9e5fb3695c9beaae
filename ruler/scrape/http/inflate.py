"""Bodies inflated, never past a cap: gzip and zstd, one encoding at a time.

A body that is cut short, or followed by anything but more of its kind, is refused.
"""

from __future__ import annotations

import zstandard
from isal import isal_zlib
from isal.igzip_lib import IsalError

from common.errors import ScrapeError, ScrapeFailure

PIECE = 1 << 20  # inflated at a time: a bomb costs the cap and one piece
MAX_WINDOW = 8 << 20  # of zstd, as browsers allow
MAX_BLOCKS = 1 << 16  # of a zstd frame: 8 GiB of ordinary ones

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = (0x184D2A50, 0x184D2A5F)


def inflated(body: bytes, encoding: bytes, cap: int) -> bytes:
    """What a body of this Content-Encoding holds, at most `cap` bytes; raises ScrapeError."""
    coding = encoding.strip().lower()
    if coding in (b"", b"identity"):
        return body
    if coding in (b"gzip", b"x-gzip"):
        return gunzip(body, cap)
    if coding == b"zstd":
        return unzstd(body, cap)
    raise ScrapeError(ScrapeFailure.BAD_BODY, f"unsupported Content-Encoding: {encoding.decode('latin-1')!r}")


def gunzip(body: bytes, cap: int) -> bytes:
    """What a gzip body holds, all members."""
    pieces: list[bytes] = []
    left = cap
    rest = body
    try:
        while rest:
            stream = isal_zlib.decompressobj(wbits=31)
            while True:
                piece = stream.decompress(rest, min(left + 1, PIECE))
                left -= len(piece)
                if left < 0:
                    raise body_too_large(cap)
                pieces.append(piece)
                rest = stream.unconsumed_tail
                if stream.eof:
                    rest = stream.unused_data
                    break
                if not piece and not rest:
                    raise _bad("gzip", "unexpected EOF")
    except IsalError as error:  # type: ignore[misc]  # its stub declares the class as a value
        raise _bad("gzip", str(error)) from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def unzstd(body: bytes, cap: int) -> bytes:
    """What a zstd body holds, all frames."""
    pieces: list[bytes] = []
    left = cap
    begin = 0
    while begin < len(body):
        end = _frame_end(body, begin)
        if body.startswith(_MAGIC, begin):
            piece = _frame(body[begin:end], left, cap)
            left -= len(piece)
            pieces.append(piece)
        begin = end
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _frame(frame: bytes, left: int, cap: int) -> bytes:
    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    said = zstandard.get_frame_parameters(frame).content_size
    known = said != zstandard.CONTENTSIZE_UNKNOWN
    if known and said > left:
        raise body_too_large(cap)
    try:
        if known:
            return decoder.decompress(frame)
        return b"".join(_pieces(decoder, frame, left, cap))
    except zstandard.ZstdError as error:
        raise _bad("zstd", str(error)) from None


def _pieces(decoder: zstandard.ZstdDecompressor, frame: bytes, left: int, cap: int) -> list[bytes]:
    pieces: list[bytes] = []
    with decoder.stream_reader(frame) as stream:
        while piece := stream.read(min(left + 1, PIECE)):
            left -= len(piece)
            if left < 0:
                raise body_too_large(cap)
            pieces.append(piece)
    return pieces


def _frame_end(body: bytes, begin: int) -> int:
    """Where the frame that begins there ends: its reader does not tell a whole frame from one that is cut short."""
    magic = int.from_bytes(body[begin : begin + 4], "little")
    if _SKIPPABLE[0] <= magic <= _SKIPPABLE[1]:
        end = begin + 8 + int.from_bytes(body[begin + 4 : begin + 8], "little")
        return _within(end, body)
    if not body.startswith(_MAGIC, begin):
        raise _bad("zstd", "not a zstd frame")
    try:
        head = body[begin : begin + 18]
        place = begin + zstandard.frame_header_size(head)
        checksum = 4 if zstandard.get_frame_parameters(head).has_checksum else 0
    except zstandard.ZstdError:
        raise _bad("zstd", "unexpected EOF") from None
    for _ in range(MAX_BLOCKS):
        block = int.from_bytes(body[place : place + 3], "little")
        run = block >> 1 & 3 == 1  # one byte, repeated
        place = _within(place + 3 + (1 if run else block >> 3), body)
        if block & 1:
            return _within(place + checksum, body)
    raise _bad("zstd", f"more than {MAX_BLOCKS} blocks")


def _within(end: int, body: bytes) -> int:
    if end > len(body):
        raise _bad("zstd", "unexpected EOF")
    return end


def _bad(coding: str, problem: str) -> ScrapeError:
    return ScrapeError(ScrapeFailure.BAD_BODY, f"{coding} body: {problem}")


def body_too_large(cap: int) -> ScrapeError:
    """What is wrong with a body that the cap does not allow."""
    return ScrapeError(ScrapeFailure.TOO_LARGE, f"body size limit exceeded: more than {cap} bytes")
