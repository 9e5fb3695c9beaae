"""Bodies inflated, never past a cap: gzip and zstd, one encoding at a time.

It is done in pieces, and between them others have their turn. A body that is cut short, or followed by anything but
more of its kind, is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import zstandard
from isal import isal_zlib
from isal.igzip_lib import IsalError

from common.errors import ScrapeError, ScrapeFailure

PIECE = 1 << 20  # inflated at a time: a bomb costs the cap and one piece
STEP = 1 << 18  # of a body that is given to the inflater at a time
MAX_MEMBERS = 1 << 12  # of a gzip body: each may be empty, and costs all the same
MAX_WINDOW = 8 << 20  # of zstd, as browsers allow
MAX_BLOCKS = 1 << 16  # of a zstd body: 8 GiB of ordinary ones

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = (0x184D2A50, 0x184D2A5F)
_RUN = 1  # the type of a block that is one byte, repeated


async def inflated(body: bytes, encoding: bytes, cap: int) -> bytes:
    """What a body of this Content-Encoding holds, at most `cap` bytes; raises ScrapeError."""
    pieces: list[bytes] = []
    for piece in pieces_in(body, encoding, cap):
        if pieces:
            await asyncio.sleep(0)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def pieces_in(body: bytes, encoding: bytes, cap: int) -> Iterator[bytes]:
    """The same in pieces, as they are made."""
    coding = encoding.strip().lower()
    if coding in (b"", b"identity"):
        return iter((body,))
    if coding in (b"gzip", b"x-gzip"):
        return _gunzipped(body, cap)
    if coding == b"zstd":
        return _unzstandardized(body, cap)
    raise ScrapeError(ScrapeFailure.BAD_BODY, f"unsupported Content-Encoding: {encoding.decode('latin-1')!r}")


def _gunzipped(body: bytes, cap: int) -> Iterator[bytes]:
    """What a gzip body holds, all members."""
    left, place = cap, 0
    for _ in range(MAX_MEMBERS):
        if place >= len(body):
            return
        stream = isal_zlib.decompressobj(wbits=31)
        rest = b""
        while not stream.eof:
            if not rest and place < len(body):
                rest = body[place : place + STEP]
                place += len(rest)
            most = min(left + 1, PIECE)
            try:
                piece = stream.decompress(rest, most)
            except IsalError as error:  # type: ignore[misc]  # its stub declares the class as a value
                raise _bad("gzip", str(error)) from None
            rest = stream.unconsumed_tail
            left -= len(piece)
            if left < 0:
                raise body_too_large(cap)
            if piece:
                yield piece
            elif not stream.eof and not rest and place >= len(body):
                raise _bad("gzip", "unexpected EOF")
        place -= len(stream.unused_data)
    if place < len(body):
        raise _bad("gzip", f"more than {MAX_MEMBERS} members")


def _unzstandardized(body: bytes, cap: int) -> Iterator[bytes]:
    """What a zstd body holds, all frames."""
    left = cap
    for frame in _frames(body):
        said = zstandard.get_frame_parameters(frame).content_size
        if said != zstandard.CONTENTSIZE_UNKNOWN and said > left:
            raise body_too_large(cap)
        decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        with decoder.stream_reader(frame) as stream:
            while piece := _read(stream, min(left + 1, PIECE)):
                left -= len(piece)
                if left < 0:
                    raise body_too_large(cap)
                yield piece


def _read(stream: zstandard.ZstdDecompressionReader, size: int) -> bytes:
    try:
        return stream.read(size)
    except zstandard.ZstdError as error:
        raise _bad("zstd", str(error)) from None


def _frames(body: bytes) -> Iterator[bytes]:
    """The frames that hold something; their reader would not tell a whole one from one that is cut short."""
    begin, blocks = 0, 0
    while begin < len(body):
        blocks += 1
        magic = int.from_bytes(body[begin : begin + 4], "little")
        if _SKIPPABLE[0] <= magic <= _SKIPPABLE[1]:
            begin = _within(begin + 8 + int.from_bytes(body[begin + 4 : begin + 8], "little"), body)
            continue
        place, checksum = _frame_head(body, begin)
        last = False
        while not last:
            blocks += 1
            if blocks > MAX_BLOCKS:
                raise _bad("zstd", f"more than {MAX_BLOCKS} blocks")
            block = int.from_bytes(body[place : place + 3], "little")
            place = _within(place + 3 + (1 if block >> 1 & 3 == _RUN else block >> 3), body)
            last = bool(block & 1)
        end = _within(place + checksum, body)
        yield body[begin:end]
        begin = end


def _frame_head(body: bytes, begin: int) -> tuple[int, int]:
    """Where the blocks of a frame begin, and how many bytes follow them."""
    if not body.startswith(_MAGIC, begin):
        raise _bad("zstd", "not a zstd frame")
    head = body[begin : begin + 18]
    try:
        return begin + zstandard.frame_header_size(head), 4 * zstandard.get_frame_parameters(head).has_checksum
    except zstandard.ZstdError:
        raise _bad("zstd", "unexpected EOF") from None


def _within(end: int, body: bytes) -> int:
    if end > len(body):
        raise _bad("zstd", "unexpected EOF")
    return end


def _bad(coding: str, problem: str) -> ScrapeError:
    return ScrapeError(ScrapeFailure.BAD_BODY, f"{coding} body: {problem}")


def body_too_large(cap: int) -> ScrapeError:
    """What is wrong with a body that the cap does not allow."""
    return ScrapeError(ScrapeFailure.TOO_LARGE, f"body size limit exceeded: more than {cap} bytes")
