"""Inflating: what goes in comes out, nothing past the cap, and nothing that is not whole."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ScrapeError, ScrapeFailure
from ruler.scrape.http.inflate import MAX_BLOCKS, MAX_MEMBERS, PIECE, inflated, pieces_in

CAP = 4 << 20
PAGE = b"a 1\n" * 999


def streamed(page: bytes) -> bytes:
    """A zstd frame that does not say what it inflates to."""
    stream = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return stream.compress(page) + stream.flush()


CODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"zstd": zstandard.compress,
    b" ZSTD ": streamed,
}
EMPTY_BLOCK = bytes(3)


def whole(body: bytes, encoding: bytes, cap: int = CAP) -> bytes:
    return asyncio.run(inflated(body, encoding, cap))


def failure(body: bytes, encoding: bytes, cap: int = CAP) -> tuple[ScrapeFailure, str]:
    with pytest.raises(ScrapeError) as caught:
        whole(body, encoding, cap)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize("encoding", CODERS)
@given(pages=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_what_was_compressed_comes_out(encoding: bytes, pages: list[bytes]) -> None:
    """Members and frames that follow each other are one body, as the formats have it."""
    assert b"".join(pages) == b"".join(pieces_in(b"".join(map(CODERS[encoding], pages)), encoding, CAP))


@pytest.mark.parametrize("encoding", CODERS)
def test_the_cap_is_exact(encoding: bytes) -> None:
    """A body of the cap's size is whole; one byte more is refused, however small the body."""
    page = bytes(3 * PIECE + 7)
    assert page == whole(CODERS[encoding](page), encoding, len(page))
    reason, problem = failure(CODERS[encoding](page), encoding, len(page) - 1)
    assert ScrapeFailure.TOO_LARGE is reason
    assert f"body size limit exceeded: more than {len(page) - 1} bytes" == problem


@pytest.mark.parametrize("encoding", CODERS)
@given(data=st.data())
def test_what_is_cut_short_is_refused(encoding: bytes, data: st.DataObject) -> None:
    """Wherever a body ends too early, it is no page."""
    body = CODERS[encoding](PAGE)
    cut = data.draw(st.integers(1, len(body) - 1))
    assert ScrapeFailure.BAD_BODY is failure(body[:cut], encoding)[0]


@pytest.mark.parametrize("encoding", CODERS)
def test_garbage_behind_a_body_is_refused(encoding: bytes) -> None:
    """What follows must be of the same kind."""
    assert ScrapeFailure.BAD_BODY is failure(CODERS[encoding](PAGE) + b"garbage", encoding)[0]


@pytest.mark.parametrize(
    ("body", "encoding", "problem"),
    [
        (PAGE, b"gzip, gzip", "unsupported Content-Encoding: 'gzip, gzip'"),
        (PAGE, b"br", "unsupported Content-Encoding: 'br'"),
        (PAGE, b"zstd", "zstd body: not a zstd frame"),
        (gzip.compress(b"") * (MAX_MEMBERS + 1), b"gzip", f"gzip body: more than {MAX_MEMBERS} members"),
        (streamed(PAGE)[:6] + EMPTY_BLOCK * (MAX_BLOCKS + 1), b"zstd", f"zstd body: more than {MAX_BLOCKS} blocks"),
    ],
    ids=["nested", "unknown", "nonsense", "members", "blocks"],
)
def test_what_is_not_inflated_says_why(body: bytes, encoding: bytes, problem: str) -> None:
    """Encodings in encodings, unknown ones, and bodies that are all frame and no content."""
    assert (ScrapeFailure.BAD_BODY, problem) == failure(body, encoding)


def test_frames_to_skip_are_skipped() -> None:
    """A zstd frame that is for somebody else holds nothing of the page."""
    note = (0x184D2A53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"notes"
    assert PAGE * 2 == whole(note + streamed(PAGE) + note + zstandard.compress(PAGE), b"zstd")


MEASURE = """
import asyncio, sys
from common.errors import ScrapeError
from ruler.scrape.http.inflate import inflated
def kib(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key))
def refused(body, cap):
    try:
        asyncio.run(inflated(body, sys.argv[1].encode(), cap))
    except ScrapeError:
        return
    raise AssertionError
body = sys.stdin.buffer.read()
refused(body, 1 << 20)
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = kib("VmRSS")
refused(body, 32 << 20)
print(kib("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells peaks of memory on Linux alone")
@pytest.mark.parametrize(("encoding", "above"), [(b"gzip", 2), (b" ZSTD ", 10)], ids=["gzip", "zstd"])
def test_a_bomb_costs_the_cap_and_little_more(encoding: bytes, above: int) -> None:
    """100 KB that would become 100 MB take no more memory than the cap and a window."""
    bomb = CODERS[encoding](bytes(100 << 20))
    assert len(bomb) < 110 << 10
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, encoding.decode().strip()], input=bomb, capture_output=True, check=True
    )
    assert int(run.stdout) <= (32 + above) << 10
