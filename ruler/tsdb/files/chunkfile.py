"""The bytes of a chunk: a page, or several, sealed and compressed. Written once, from front to back, never changed.

    header    1 KiB                   twice, at the front and at the back: what, where, CRC-32
    blocks    coded cells             some columns each, one for each plane; their places and CRC-32 are in the meta
              parity                  after about 2 MiB of them, and at the end: from which damage is restored
    meta      zstd of named arrays    twice: columns, slots, coded times, dictionary, blocks

A chunk names its sources: a page or chunk with the number of a source has been superseded, should a crash have left it
behind. A chunk that seals a page has the page's own number. Of several that replace their sources together each names
the last: should that be missing, and sources be there, they were not finished.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import orjson
import zstandard

from ruler.tsdb.files.disk import Disk
from ruler.tsdb.files.page import NewerVersionError
from ruler.tsdb.files.parity import STRETCH, protection

Arrays = Mapping[str, npt.NDArray[Any]]

MAGIC: Final = b"tocsinch"
VERSION: Final = 1
HEADER_SIZE: Final = 1024
FIXED: Final = struct.Struct("<8sII15q")
MAX_SOURCES: Final = (HEADER_SIZE - FIXED.size - 4) // 8
MAX_META: Final = 1 << 31
META_LEVEL: Final = 9
SUFFIX: Final = ".chunk"


class CorruptChunkError(ValueError):
    """A chunk, or a part of one, that its checks do not vouch for."""


class Header(NamedTuple):
    """A Header says what a chunk holds (interval 0: rows on no grid; resolution 0: raw), and where its meta is."""

    interval: int
    first: int
    rows: int
    columns: int  # one more than there are: column 0 stands for none
    slots: int  # likewise
    number: int
    order: int  # the number of its oldest source: among samples of one time the first wins
    resolution: int  # ms of a bucket
    planes: int
    oldest: int
    newest: int
    top: int  # 1 + the highest series id
    meta_at: int
    meta_size: int
    meta_crc: int
    sources: tuple[int, ...]  # all negative in one of several chunks that replace their sources together

    @property
    def awaited(self) -> int | None:
        """The number of the chunk that completes those of which this is one; None when this does or is alone."""
        return -self.sources[0] if self.sources and self.sources[0] < 0 else None

    @property
    def superseded(self) -> tuple[int, ...]:
        """The numbers of its sources."""
        return self.sources if self.awaited is None else tuple(-number for number in self.sources[1:])


def part_of(last: int, sources: tuple[int, ...]) -> tuple[int, ...]:
    """What a header has for `sources` in one of several chunks, of which the one with the number `last` comes last."""
    return tuple(-number for number in (last, *sources))


class Place(NamedTuple):
    """A Place is where some bytes of a chunk are, and their CRC-32."""

    at: int
    size: int
    crc: int


class Sink(Protocol):
    """Where the bytes of a new chunk go."""

    def write(self, data: bytes, at: int) -> None: ...

    def publish(self, size: int) -> None:
        """All is written: make it last, and give it its name."""

    def discard(self) -> None:
        """Leave nothing behind."""


class FileSink:
    """A FileSink writes a chunk beside its place, and renames it when it is durable."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk, self._path = disk, path
        self._beside = path.with_suffix(".tmp")
        self._descriptor = disk.open(self._beside)

    def write(self, data: bytes, at: int) -> None:
        self._disk.write(self._descriptor, data, at, len(data))

    def publish(self, size: int) -> None:
        self._disk.cut(self._descriptor, size)
        self._disk.sync(self._descriptor)
        self._disk.forget(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        self._disk.rename(self._beside, self._path)
        self._disk.sync_names(self._path.parent)

    def discard(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self._disk.remove(self._beside)


class MemorySink:
    """A MemorySink keeps a chunk that there is no room for on the disk."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes, at: int) -> None:
        self.content.extend(bytes(max(0, at - len(self.content))))
        self.content[at : at + len(data)] = data

    def publish(self, size: int) -> None:
        del self.content[size:]

    def discard(self) -> None:
        self.content.clear()


class ChunkWriter:
    """A ChunkWriter takes the blocks of a chunk one after another, then its meta. May raise OSError at any call."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._at = HEADER_SIZE
        self._blocks: list[Place] = []
        self._unprotected: list[bytes] = []
        self._stretches: list[tuple[int, int, int, int]] = []  # where bytes and their parity are, and how many
        self._checks: list[int] = []  # of the segments of all stretches

    def block(self, data: bytes) -> None:
        self._unprotected.append(data)
        self._blocks.append(self._append(data))
        if self._at - self._protected_to >= STRETCH:
            self._protect()

    @property
    def _protected_to(self) -> int:
        return sum(self._stretches[-1][2:]) if self._stretches else HEADER_SIZE

    def _protect(self) -> None:
        """Let what was written since last time be followed by its parity."""
        start, data = self._protected_to, b"".join(self._unprotected)
        parity, checks = protection(data)
        self._checks += checks
        self._stretches.append((start, len(data), self._append(parity).at, len(parity)))
        self._unprotected = []

    def finish(self, header: Header, arrays: Arrays) -> tuple[Header, int]:
        """Write the rest and publish; the header with its meta's place filled in, and the size of it all."""
        self._protect()
        tables: dict[str, npt.NDArray[Any]] = {
            "blocks": np.array(self._blocks, dtype=np.int64).reshape(-1, 3),
            "stretches": np.array(self._stretches, dtype=np.int64),
            "checks": np.array(self._checks, dtype=np.uint32),
        }
        meta = pack({**arrays, **tables})
        header = header._replace(meta_at=self._at, meta_size=len(meta), meta_crc=zlib.crc32(meta))
        self._append(meta + meta + _packed(header))
        self._sink.write(_packed(header), 0)
        self._sink.publish(self._at)
        return header, self._at

    def _append(self, data: bytes) -> Place:
        place = Place(self._at, len(data), zlib.crc32(data))
        self._sink.write(data, self._at)
        self._at += len(data)
        return place


def read_header(front: bytes, back: bytes) -> tuple[Header, bool]:
    """The header of a chunk from its first and last KiB, and whether both are intact.

    Raises CorruptChunkError or NewerVersionError.
    """
    found = [header for half in (front, back) if (header := _header_in(half)) is not None]
    if not found:
        raise CorruptChunkError("both headers are damaged")
    return found[0], len(found) == 2


def _header_in(half: bytes) -> Header | None:
    if len(half) != HEADER_SIZE or zlib.crc32(half[:-4]) != int.from_bytes(half[-4:], "little"):
        return None
    magic, version, count, *numbers = FIXED.unpack_from(half)
    if magic != MAGIC or count > MAX_SOURCES:
        return None
    if version > VERSION:
        raise NewerVersionError(f"written in format {version}, which is newer than {VERSION}")
    sources = struct.unpack_from(f"<{count}q", half, FIXED.size)
    return Header._make([*numbers, sources])


def read_meta(header: Header, read: Any) -> tuple[dict[str, npt.NDArray[Any]], bool]:
    """The arrays of a chunk's meta, and whether the first copy was damaged; `read(size, at)` reads the file."""
    for copy in (0, 1):
        data = read(header.meta_size, header.meta_at + copy * header.meta_size)
        if zlib.crc32(data) == header.meta_crc:
            return unpack(data), bool(copy)
    raise CorruptChunkError("both copies of the meta are damaged")


def pack(arrays: Arrays, level: int = META_LEVEL) -> bytes:
    """Named arrays as compressed bytes."""
    head = orjson.dumps([[name, array.dtype.str, array.shape] for name, array in arrays.items()])
    parts = [len(head).to_bytes(4, "little"), head, *(np.ascontiguousarray(each).tobytes() for each in arrays.values())]
    return zstandard.ZstdCompressor(level=level).compress(b"".join(parts))


def unpack(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays that `pack` was given; raises CorruptChunkError."""
    try:
        content = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_META)
        at = 4 + int.from_bytes(content[:4], "little")
        arrays = {}
        for name, kind, shape in orjson.loads(content[4:at]):
            count = int(np.prod(shape, dtype=np.int64))
            arrays[name] = np.frombuffer(content, np.dtype(kind), count, at).reshape(shape)
            at += arrays[name].nbytes
    except (zstandard.ZstdError, orjson.JSONDecodeError, ValueError, TypeError) as error:
        raise CorruptChunkError(f"the meta cannot be read: {error}") from None
    return arrays


def _packed(header: Header) -> bytes:
    *numbers, sources = header
    if len(sources) > MAX_SOURCES:
        raise ValueError(f"a chunk of too many sources: {len(sources)}")
    fixed = FIXED.pack(MAGIC, VERSION, len(sources), *numbers) + struct.pack(f"<{len(sources)}q", *sources)
    body = fixed.ljust(HEADER_SIZE - 4, b"\0")
    return body + zlib.crc32(body).to_bytes(4, "little")
