"""The labels of live series, on disk before their first value: numbered segments of records, `00000003.series`.

    header    8 B magic | u32 version | u32 0
    record    u32 magic | u32 size of the body | u32 CRC-32 of size and body | u32 0 | body
    body      packed arrays: a dictionary (see dictionary.py) and the id of each of its rows

Each record stands for itself and is written twice, so that damage costs no series. Ids are never given twice. Segments
are appended to by the writer, and compacted by another thread into one that holds what is live.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from ruler.model.arrays import CodeArray, IntArray
from ruler.model.table import Strings
from ruler.tsdb.files.chunkfile import CorruptChunkError, pack, unpack
from ruler.tsdb.files.dictionary import Dictionary, Part
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.files.page import NewerVersionError
from ruler.tsdb.labels.index import Index, Minted

MAGIC = b"tocsinsr"
VERSION = 1
HEADER = struct.pack("<8sII", MAGIC, VERSION, 0)
RECORD = struct.Struct("<IIII")
RECORD_MAGIC = 0x6C62616C  # "labl"
MAX_BODY = 1 << 30
SERIES_PER_RECORD = 1 << 14  # of a compacted segment
SUFFIX = ".series"
LEVEL = 3  # of compression: the writer waits for it

log = logging.getLogger("tsdb")

Report = Callable[[Path, str, bytes], None]  # of damage: the file, what is wrong, the bytes to set aside


class SeriesLog:
    """A SeriesLog keeps what an index mints. `lock` guards the current segment, which two threads may end or begin."""

    def __init__(self, directory: Path, disk: Disk, strings: Strings, number: int) -> None:
        self._directory, self._disk, self._strings = directory, disk, strings
        self._number = number  # of the last segment
        self._descriptor: int | None = None
        self._written = 0
        self._lock = threading.Lock()
        self.records = 0  # since the last compaction
        self.waiting = b""  # what there was no room for
        self._dirty = False  # not synced since it was written

    def append(self, minted: Sequence[Minted]) -> None:
        """Keep these series. May raise OSError: then they wait, and `flush` writes them."""
        self.waiting += _record(minted, self._strings)
        self.records += 1
        self.flush()

    def flush(self) -> None:
        """Write what waits. May raise OSError."""
        if not self.waiting:
            return
        with self._lock:
            descriptor = self._begin() if self._descriptor is None else self._descriptor
            self._disk.write(descriptor, self.waiting, self._written, len(self.waiting))
            self._written += len(self.waiting)
            self.waiting = b""
            self._dirty = True

    def sync(self) -> None:
        """Make durable what was written. May raise OSError."""
        with self._lock:
            if self._dirty and self._descriptor is not None:
                self._dirty = False
                try:
                    self._disk.sync(self._descriptor)
                    self._disk.sync_names(self._directory)
                except OSError:
                    self._close()  # what the kernel has dropped it will not report again: the next record begins a file
                    raise

    def close(self) -> None:
        with self._lock:
            self._close()

    def size(self) -> int:
        """How many bytes the segments take."""
        return sum(path.stat().st_size for path in segments(self._directory))

    def compact(self, index: Index) -> None:
        """Put the series that are live into one segment in the place of all before. May raise OSError."""
        with self._lock:
            if self._descriptor is not None and self._dirty:
                self._disk.sync(self._descriptor)
                self._dirty = False
            self._close()
            number, self.records = self._number, 0
        path = self._path(number)
        beside = path.with_suffix(".tmp")
        descriptor = self._disk.open(beside)
        try:
            at = 0
            for data in chain((HEADER,), (_record(group, index.strings) for group in _live(index))):
                self._disk.write(descriptor, data, at, len(data))
                at += len(data)
            self._disk.cut(descriptor, at)
            self._disk.sync(descriptor)
        except OSError:
            self._disk.remove(beside)
            raise
        finally:
            os.close(descriptor)
        self._disk.rename(beside, path)
        self._disk.sync_names(self._directory)
        for old in segments(self._directory):
            if int(old.stem) < number:
                self._disk.remove(old)

    def _begin(self) -> int:
        """Begin a segment; its descriptor."""
        self._number += 1
        descriptor = self._disk.open(self._path(self._number))
        try:
            self._disk.write(descriptor, HEADER, 0, len(HEADER))
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._written = descriptor, len(HEADER)
        return descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:08d}{SUFFIX}"


def segments(directory: Path) -> list[Path]:
    """The segments of a directory, oldest first."""
    return sorted(path for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit())


def open_log(directory: Path, disk: Disk, index: Index, report: Report) -> SeriesLog:
    """The log of a directory, its series restored into `index`. May raise OSError or NewerVersionError."""
    number, restored = 0, Restored(index)
    for path in segments(directory):
        number = max(number, int(path.stem))
        content = path.read_bytes()
        if content[:8] == MAGIC and int.from_bytes(content[8:12], "little") > VERSION:
            raise NewerVersionError(f"{path.name} was written by a newer version")
        records, damaged = Records(content), list[bytes]()
        for body in records.bodies():
            try:
                restored.add(body)
            except (CorruptChunkError, KeyError, ValueError, IndexError):
                damaged.append(body)
        damaged += [content[start:stop] for start, stop in records.damaged]
        if damaged:
            report(path, "records are damaged", b"".join(damaged))
    restored.finish()
    opened = SeriesLog(directory, disk, index.strings, number)
    opened.records = restored.records
    return opened


class Records:
    """Records are what can be read of a segment; `damaged` says where it cannot."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.damaged: list[tuple[int, int]] = []
        self.torn = False  # at its end, as when the machine lost power

    def bodies(self) -> Iterator[bytes]:
        """The body of each record, once; what is damaged, or torn at the end, is jumped over."""
        content = self._content
        at, last = len(HEADER), b""
        if HEADER.startswith(content):
            self.torn = True
        elif content[: len(HEADER)] != HEADER:
            self.damaged.append((0, min(len(HEADER), len(content))))
        while at < len(content):
            body = self._body_at(at)
            if body is None:
                resumed = self._next_after(at)
                if resumed is None:
                    self.torn = True
                    break
                self.damaged.append((at, resumed))
                at = resumed
                continue
            at += RECORD.size + len(body)
            if body != last:  # its copy
                yield body
            last = body

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


def _record(minted: Sequence[Minted], strings: Strings) -> bytes:
    """The record of some series, twice."""
    parts = [Part(strings.text(group.name), group.names, group.codes) for group in minted]
    ids = np.concatenate([group.ids for group in minted])
    body = pack({"ids": ids, **Dictionary.of_parts(parts, strings).arrays()}, LEVEL)
    return 2 * (RECORD.pack(RECORD_MAGIC, len(body), _crc(body), 0) + body)


class Restored:
    """Restored are the series of many records, put into an index all at once: by metric, not by record."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._groups: dict[tuple[str, tuple[str, ...]], list[tuple[CodeArray, IntArray]]] = {}
        self.records = 0

    def add(self, body: bytes) -> None:
        self.records += 1
        arrays = unpack(body)
        ids = arrays["ids"].astype(np.int64)
        dictionary = Dictionary.of_arrays(arrays)
        for rows, part in dictionary.parts(self._index.strings, np.ones(len(ids), dtype=np.bool_)):
            self._groups.setdefault((part.name, part.names), []).append((part.codes, ids[rows]))

    def finish(self) -> None:
        code = self._index.strings.code
        self._index.restore(
            [
                Minted(
                    code(name),
                    names,
                    np.concatenate([codes for codes, _ in found]),
                    np.concatenate([ids for _, ids in found]),
                )
                for (name, names), found in self._groups.items()
            ]
        )


def _live(index: Index) -> Iterator[list[Minted]]:
    """Every series of the index, as many at a time as make a record."""
    group: list[Minted] = []
    count = 0
    for table in list(index.tables.values()):
        names, codes, ids = table.rows
        for start in range(0, len(ids), SERIES_PER_RECORD):
            stop = min(start + SERIES_PER_RECORD, len(ids))
            if count + stop - start > SERIES_PER_RECORD:
                yield group
                group, count = [], 0
            group.append(Minted(table.name, names, codes[start:stop], ids[start:stop]))
            count += stop - start
    if group:
        yield group


def _crc(body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(len(body).to_bytes(4, "little")))
