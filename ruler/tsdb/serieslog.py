"""series.log: the labels of every series, on disk before its first value. Append-only; a damaged record is left out.

    header    8 B magic | u32 version | u32 0
    record    u32 magic | u32 size of the body | u32 CRC-32 of size and body | u32 0 | body
    body      u32 first code | u32 strings | u32 bytes | u32 groups | u32 length (in characters) × strings | UTF-8 text
    group     u32 code of the metric name | u32 labels | u32 series | u32 first id
              | i32 code of a label name × labels | i32 code of a value × series × labels

Ids and codes are never given twice, so a record that is lost takes with it its own series and no other meaning changes.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from common.logs import facts
from ruler.model.arrays import CodeArray, IntArray
from ruler.model.table import StringPool
from ruler.tsdb.disk import Disk
from ruler.tsdb.index import Index, Minted

HEADER = struct.pack("<8sII", b"tocsinsl", 1, 0)
RECORD = struct.Struct("<IIII")
BODY = struct.Struct("<IIII")
RECORD_MAGIC = 0x6C62616C  # "labl"
MAX_BODY = 1 << 30

log = logging.getLogger("tsdb")


class SeriesLog:
    """A SeriesLog keeps what an index mints."""

    def __init__(self, disk: Disk, descriptor: int, strings: StringPool, length: int) -> None:
        self._disk, self.descriptor, self._strings = disk, descriptor, strings
        self._strings_kept = len(strings)
        self._written = length
        self.waiting = b""  # what there was no room for
        self.dirty = True  # not synced since it was written

    def append(self, minted: Sequence[Minted]) -> None:
        """Keep these series. May raise OSError: then they wait, and `flush` writes them."""
        names = [[self._strings.code(name) for name in group.names] for group in minted]
        texts = [self._strings.text(code) for code in range(self._strings_kept, len(self._strings))]
        text = "".join(texts).encode(errors="surrogatepass")
        body = b"".join(
            [
                BODY.pack(self._strings_kept, len(texts), len(text), len(minted)),
                np.array([len(each) for each in texts], dtype=np.uint32).tobytes(),
                text,
                *(_group(group, codes) for group, codes in zip(minted, names, strict=True)),
            ]
        )
        self._strings_kept = len(self._strings)
        self.waiting += RECORD.pack(RECORD_MAGIC, len(body), _crc(body), 0) + body
        self.flush()

    def flush(self) -> None:
        """Write what waits. May raise OSError."""
        if self.waiting:
            self._disk.write(self.descriptor, self.waiting, self._written, len(self.waiting))
            self._written += len(self.waiting)
            self.waiting = b""
            self.dirty = True


class Salvaged:
    """Salvaged is what could be read of a log: how long it is, and where it is damaged."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.length = len(HEADER)
        self.damaged: list[tuple[int, int]] = []

    def bodies(self) -> Iterator[bytes]:
        """The body of each intact record; what is damaged is jumped over."""
        content = self._content
        at = len(HEADER)
        while at < len(content):
            body = self._body_at(at)
            if body is None:
                resumed = self._next_after(at)
                if resumed is None:
                    break
                self.damaged.append((at, resumed))
                at = resumed
                continue
            at += RECORD.size + len(body)
            self.length = at
            yield body
        if self.length < len(content):
            self.damaged.append((self.length, len(content)))

    def _body_at(self, at: int) -> bytes | None:
        if at + RECORD.size > len(self._content):
            return None
        magic, size, crc, _ = RECORD.unpack_from(self._content, at)
        body = self._content[at + RECORD.size : at + RECORD.size + size]
        intact = magic == RECORD_MAGIC and size <= MAX_BODY and len(body) == size and _crc(body) == crc
        return body if intact else None

    def _next_after(self, at: int) -> int | None:
        magic = RECORD_MAGIC.to_bytes(4, "little")
        while (at := self._content.find(magic, at + 1)) >= 0:
            if self._body_at(at) is not None:
                return at
        return None


def open_log(path: Path, disk: Disk, index: Index) -> tuple[SeriesLog, Salvaged]:
    """The log at `path`, its series restored into `index`; damage is set aside beside it. May raise OSError."""
    descriptor = disk.open(path)
    content = path.read_bytes()
    if content[: len(HEADER)] != HEADER:
        if content:
            _set_aside(path, content)
        disk.resize(descriptor, 0)
        disk.write(descriptor, HEADER, 0, len(HEADER))
        content = HEADER
    salvaged = Salvaged(content)
    lost_codes: set[int] = set()
    for body in salvaged.bodies():
        _restore(body, index, lost_codes)
    if salvaged.damaged:
        _set_aside(path, b"".join(content[start:stop] for start, stop in salvaged.damaged))
    if salvaged.length < len(content):
        disk.resize(descriptor, salvaged.length)
    return SeriesLog(disk, descriptor, index.strings, salvaged.length), salvaged


def _group(group: Minted, names: list[int]) -> bytes:
    head = BODY.pack(group.name, len(names), len(group.ids), int(group.ids[0]))
    return head + np.array(names, dtype=np.int32).tobytes() + np.ascontiguousarray(group.codes).tobytes()


def _restore(body: bytes, index: Index, lost_codes: set[int]) -> None:
    strings = index.strings
    first, count, size, groups = BODY.unpack_from(body)
    at = BODY.size
    lengths = np.frombuffer(body, np.uint32, count, at).tolist()
    at += 4 * count
    text = body[at : at + size].decode(errors="surrogatepass")
    at += size
    while len(strings) < first:  # these were in a record that is lost: keep their codes from being given again
        lost_codes.add(len(strings))
        strings.code(f"\0lost {len(strings)}")
    start = 0
    for length in lengths:
        strings.code(text[start : start + length])
        start += length
    for _ in range(groups):
        name, width, series, first_id = BODY.unpack_from(body, at)
        at += BODY.size
        name_codes = np.frombuffer(body, np.int32, width, at).tolist()
        at += 4 * width
        codes: CodeArray = np.frombuffer(body, np.int32, series * width, at).reshape(series, width)
        at += 4 * series * width
        ids: IntArray = np.arange(first_id, first_id + series, dtype=np.int64)
        if lost_codes:
            if not lost_codes.isdisjoint((name, *name_codes)):
                continue
            known = ~np.isin(codes, list(lost_codes)).any(axis=1)
            codes, ids = codes[known], ids[known]
        if len(ids):
            index.restore(Minted(name, tuple(strings.text(code) for code in name_codes), codes, ids))


def _crc(body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(len(body).to_bytes(4, "little")))


def _set_aside(path: Path, damage: bytes) -> None:
    aside = path.with_name(f"{path.name}.corrupt")
    aside.write_bytes(damage)
    log.warning("series.log is damaged in part", extra=facts(file=path, bytes=len(damage), kept_in=aside))
