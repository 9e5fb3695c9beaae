"""Samples that were deleted: which of them readers leave out, until the leaves that have them are written anew.

An erasure is of the leaves that were begun before it, by their numbers: what is merged later lacks the samples already,
and what is put in afterwards stays. All erasures are in one small file, `erasures`, twice in it:

    magic 8 B | version u32 | size of the body u32 | CRC-32 of the body u32 | body (packed arrays)
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from common.errors import DiskRefused
from ruler.model.arrays import BoolArray, IntArray
from ruler.tsdb.files.chunkfile import CorruptChunkError, pack, unpack
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.files.page import TIME_SIGN, Bits, Leaf, NewerVersionError
from ruler.tsdb.health import Health

NAME: Final = "erasures"
MAGIC: Final = b"tocsiner"
VERSION: Final = 1
HEAD: Final = struct.Struct("<8sIII")
NEVER: Final = -(1 << 62)
FAR: Final = 1 << 62

_SIGN = np.uint64(TIME_SIGN)


class Stretch(Protocol):
    """A Stretch is what a leaf is to an erasure: its number, and the span of its samples."""

    @property
    def number(self) -> int: ...

    @property
    def oldest(self) -> int: ...

    @property
    def newest(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class Erasure:
    """An Erasure is of the samples of series `ids[i]` with start ≤ time ≤ `ends[i]`, in leaves numbered under `below`.

    `ids` ascend.
    """

    start: int
    below: int
    ids: IntArray
    ends: IntArray

    def touches(self, leaf: Stretch, start: int, end: int) -> bool:
        """Whether samples of the leaf may be erased, of those with start ≤ time ≤ end."""
        if leaf.number >= self.below or self.start > min(leaf.newest, end):
            return False
        return bool(self.ends.max() >= max(leaf.oldest, start))

    def ends_of(self, series: IntArray) -> IntArray:
        """Until when each series is erased; NEVER for those that are not."""
        at = np.minimum(np.searchsorted(self.ids, series), len(self.ids) - 1)
        return np.where(self.ids[at] == series, self.ends[at], NEVER)

    def covers(self, stored: Bits, series: IntArray) -> BoolArray:
        """Which cells are erased: those at stored times [columns × rows] of these series."""
        times = (stored ^ _SIGN).view(np.int64)
        covered: BoolArray = (times >= self.start) & (times <= self.ends_of(series)[:, None]) & (stored != 0)
        return covered


class Erasures:
    """Erasures are all that hold. One thread adds and drops; any reads, and sees what was or what is."""

    def __init__(self) -> None:
        self.records: tuple[Erasure, ...] = ()
        self._path: Path | None = None
        self._disk = Disk()

    def load(self, directory: Path, disk: Disk, health: Health) -> None:
        """Take up those in the file of a directory, where they are kept from now on; may raise NewerVersionError."""
        path = directory / NAME
        self._path, self._disk = path, disk
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        body = _body(content)
        if body is None:
            health.corrupt(path, "both copies are damaged: what was deleted and not yet rewritten is back")
            return
        if content != _written(body):
            health.damaged(path, "one of two copies is damaged")
        self.records = _unpacked(body)

    def on(self, leaf: Stretch, start: int = -FAR, end: int = FAR) -> tuple[Erasure, ...]:
        """Those that may touch samples of the leaf with start ≤ time ≤ end."""
        return touching(self.records, leaf, start, end)

    def add(self, erasure: Erasure) -> None:
        """Erase from now on; durable when this returns. Raises DiskRefused, and then nothing has changed."""
        records = (*self.records, erasure)
        try:
            self._write(records, self._path)
        except OSError as error:
            raise DiskRefused(f"{self._path}: cannot be written: {error.strerror}") from None
        self.records = records

    def drop(self, over: Collection[Erasure]) -> None:
        """Forget those that touch nothing any more. May raise OSError."""
        records = tuple(each for each in self.records if each not in over)
        self._write(records, self._path)
        self.records = records

    def copy_to(self, directory: Path) -> None:
        """Put them into a file of another directory. May raise OSError."""
        if self.records:
            self._write(self.records, directory / NAME)

    def _write(self, records: tuple[Erasure, ...], path: Path | None) -> None:
        """Put them into a file, beside and renamed; without any there is none. May raise OSError."""
        disk = self._disk
        if path is None:
            return
        if not records:
            disk.remove(path)
            disk.sync_names(path.parent)
            return
        content = _written(_packed(records))
        beside = path.with_suffix(".tmp")
        try:
            descriptor = disk.open(beside)
            try:
                disk.write(descriptor, content, 0, len(content))
                disk.cut(descriptor, len(content))
                disk.sync(descriptor)
            finally:
                os.close(descriptor)
            disk.rename(beside, path)
            disk.sync_names(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                disk.remove(beside)
            raise


def touching(records: Iterable[Erasure], leaf: Stretch, start: int, end: int) -> tuple[Erasure, ...]:
    """Those that may touch samples of the leaf with start ≤ time ≤ end."""
    return tuple(each for each in records if each.touches(leaf, start, end))


def spared(
    leaf: Leaf, columns: IntArray, low: int, high: int, erasures: Sequence[Erasure]
) -> tuple[Bits, IntArray, int]:
    """What `leaf.cells_of` gives, without what is erased; and, where that copies, without cells that have no time."""
    cells, places, first = leaf.cells_of(columns, low, high)
    if not erasures:
        return cells, places, first
    series = leaf.series_of[columns]
    hitting = [each for each in erasures if np.isin(series, each.ids).any()]
    if not hitting:
        return cells, places, first
    taken = cells[low - first : high - first, places]
    stored = leaf.times[low:high, leaf.slot_of[columns]]
    taken[stored == 0] = 0
    blank(taken.T, stored.T, series, hitting)
    return taken, np.arange(len(columns)), low


def blank(cells: Bits, stored: Bits, series: IntArray, erasures: Iterable[Erasure]) -> None:
    """Make the erased of some cells [columns × rows], at these stored times, absent."""
    for each in erasures:
        hit = np.flatnonzero(np.isin(series, each.ids))
        if len(hit):
            cells[hit] = np.where(each.covers(stored[hit], series[hit]), np.uint64(0), cells[hit])


def erased(leaf: Leaf, columns: IntArray, low: int, high: int, erasures: Iterable[Erasure]) -> BoolArray:
    """Which of the columns that erasures touch have no sample left in the rows [low, high)."""
    gone = np.zeros(len(columns), dtype=np.bool_)
    every = tuple(erasures)
    hit = np.flatnonzero(np.isin(leaf.series_of[columns], np.concatenate([each.ids for each in every])))
    if len(hit):
        cells, places, first = spared(leaf, columns[hit], low, high, every)
        left = cells[low - first : high - first, places] != 0
        left &= leaf.times[low:high, leaf.slot_of[columns[hit]]] != 0
        gone[hit] = ~left.any(axis=0)
    return gone


def _packed(records: tuple[Erasure, ...]) -> bytes:
    numbers = np.array([(each.start, each.below, len(each.ids)) for each in records], dtype=np.int64)
    ids = np.concatenate([each.ids for each in records])
    return pack({"records": numbers, "ids": ids, "ends": np.concatenate([each.ends for each in records])})


def _unpacked(body: bytes) -> tuple[Erasure, ...]:
    arrays = unpack(body)
    records, at = [], 0
    for start, below, count in arrays["records"].tolist():
        records.append(Erasure(start, below, arrays["ids"][at : at + count], arrays["ends"][at : at + count]))
        at += count
    return tuple(records)


def _written(body: bytes) -> bytes:
    return 2 * (HEAD.pack(MAGIC, VERSION, len(body), zlib.crc32(body)) + body)


def _body(content: bytes) -> bytes | None:
    """The body of the first copy that is intact, wherever it begins: the length of the one before it may be wrong."""
    at = 0
    while len(content) - at >= HEAD.size:
        magic, version, size, crc = HEAD.unpack_from(content, at)
        body = content[at + HEAD.size : at + HEAD.size + size]
        if magic == MAGIC and zlib.crc32(body) == crc:
            if version > VERSION:
                raise NewerVersionError(f"{NAME} was written in format {version}, which is newer than {VERSION}")
            with contextlib.suppress(CorruptChunkError, KeyError):
                _unpacked(body)
                return body
        at = content.find(MAGIC, at + 1)
        if at < 0:
            break
    return None
