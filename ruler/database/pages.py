"""SQLite's files, byte by byte: what a damaged one still holds, and whether its write-ahead log is whole.

    file      pages of 4096 B; a leaf of a table: 0x0d | … | u16 cells | … | u16 place of each cell
    cell      varint size | varint row id | record, what has no room going on in overflow pages (u32 next | 4092 B)
    log       32 B header: u32 magic, version, page size, number, 2 salts, 2 sums | frames
    frame     u32 page, u32 pages after the commit or 0, 2 salts, 2 sums | the page

https://www.sqlite.org/fileformat2.html. Trusts no structure above a page, and raises nothing for any bytes.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

PAGE = 4096
_LEAF = 0x0D
_LOCAL, _LEAST = PAGE - 35, (PAGE - 12) * 32 // 255 - 23  # bytes of a record that stay in its page
_HEADER, _FRAME = struct.Struct(">8I"), struct.Struct(">6I")
_MAGIC, _MAGIC_BIG_ENDIAN = 0x377F0682, 0x377F0683
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # serial type → bytes
_FLOAT, _ZERO, _ONE, _BLOB = 7, 8, 9, 12


class Log(NamedTuple):
    """A Log is what a write-ahead log holds: the committed pages that its sums vouch for, and what is wrong with it."""

    pages: dict[int, bytes]
    problem: str = ""


class _Frame(NamedTuple):
    number: int
    commit: int
    salts: tuple[int, int]
    sums: tuple[int, int]
    right: bool
    page: bytes


def read_log(content: bytes) -> Log:
    """What a -wal file holds. SQLite stops silently at the first frame that is damaged: here that is a problem.

    A last frame that is not all there is none: that is how the end of a process leaves what it had not committed.
    """
    if len(content) < _HEADER.size:
        return Log({})
    magic, _version, _size, _number, *rest = _HEADER.unpack_from(content)
    salts, sums = (rest[0], rest[1]), (rest[2], rest[3])
    big_endian = magic == _MAGIC_BIG_ENDIAN and sums == _sums(content[: _HEADER.size - 8], (0, 0), ">u4")
    order = ">u4" if big_endian else "<u4"
    whole = big_endian or (magic == _MAGIC and sums == _sums(content[: _HEADER.size - 8], (0, 0), order))
    frames = list(_frames(content[_HEADER.size :], sums, order))
    if not whole and frames:
        salts = Counter(frame.salts for frame in frames).most_common(1)[0][0]
    # What a log holds from before it was last begun anew has neither of its salts.
    end = max((at + 1 for at, frame in enumerate(frames) if _shares(frame.salts, salts)), default=0)
    used = frames[:end]
    problem = ""
    if not whole:
        problem = "the header of the write-ahead log is damaged"
    elif not all(frame.right and frame.salts == salts for frame in used):
        problem = "the write-ahead log is damaged"
    committed = max((at + 1 for at, frame in enumerate(used) if frame.right and frame.commit), default=0)
    return Log({frame.number: frame.page for frame in used[:committed] if frame.right}, problem)


def _shares(salts: tuple[int, int], of: tuple[int, int]) -> bool:
    return salts[0] == of[0] or salts[1] == of[1]


def _frames(content: bytes, sums: tuple[int, int], order: str) -> Iterator[_Frame]:
    """Each frame, judged by the sums that stand in the one before: so a damaged one costs itself, and not the rest."""
    for at in range(0, len(content) - _FRAME.size - PAGE + 1, _FRAME.size + PAGE):
        number, commit, *salts, first, second = _FRAME.unpack_from(content, at)
        page = content[at + _FRAME.size : at + _FRAME.size + PAGE]
        right = (first, second) == _sums(content[at : at + 8] + page, sums, order)
        sums = (first, second)
        yield _Frame(number, commit, (salts[0], salts[1]), sums, right, page)


def _sums(content: bytes, seed: tuple[int, int], order: str) -> tuple[int, int]:
    """SQLite's sums: for each pair of words, a += x + b and b += y + a, modulo 2³². Linear, so one product does it."""
    words = np.frombuffer(content, order).astype(np.uint32).reshape(-1, 2)
    powers = _powers(len(words))
    added = np.stack([words[:, 0], words[:, 0] + words[:, 1]], axis=1)
    total = (powers[:-1][::-1] * added[:, None, :]).sum(axis=(0, 2), dtype=np.uint32)
    total = total + (powers[-1] * np.array(seed, np.uint32)).sum(axis=1, dtype=np.uint32)
    return int(total[0]), int(total[1])


@lru_cache(maxsize=4)
def _powers(count: int) -> Any:
    """The 0th to the count-th power of the matrix that one pair of words applies to the sums."""
    powers = np.empty((count + 1, 2, 2), np.uint32)
    powers[0] = np.eye(2, dtype=np.uint32)
    step = np.array([[1, 1], [1, 2]], np.uint32)
    for at in range(count):
        powers[at + 1] = step @ powers[at]
    return powers


class Record(NamedTuple):
    """A Record is the values of one row as they are stored, one for each column."""

    row_id: int
    values: list[Any]


class _Malformed(ValueError):  # noqa: N818  (a finding)
    """Bytes that are no record."""


class Image:
    """An Image is the pages of a database file, newer ones from its log in their places."""

    def __init__(self, content: bytes, log: Log) -> None:
        self._content, self._newer = content, log.pages

    def page(self, number: int) -> bytes:
        """The page with this number (from 1); zeros where there is none."""
        newer = self._newer.get(number)
        return newer if newer is not None else self._content[(number - 1) * PAGE : number * PAGE].ljust(PAGE, b"\0")

    def records(self) -> Iterator[Record]:
        """Every row in every leaf of a table, whether or not anything leads there. Damaged ones are left out."""
        pages = max(-(-len(self._content) // PAGE), max(self._newer, default=0))
        for number in range(2, pages + 1):  # the first holds the schema
            page = self.page(number)
            if page[0] != _LEAF:
                continue
            cells = int.from_bytes(page[3:5], "big")
            for at in range(8, min(8 + 2 * cells, PAGE - 1), 2):
                try:
                    yield self._record(page, int.from_bytes(page[at : at + 2], "big"), pages)
                except _Malformed:
                    continue

    def _record(self, page: bytes, at: int, pages: int) -> Record:
        size, at = _varint(page, at)
        row_id, at = _varint(page, at)
        if size <= _LOCAL:
            return Record(_signed(row_id), _values(page[at : at + size]))
        if size > pages * PAGE:
            raise _Malformed
        local = _LEAST + (size - _LEAST) % (PAGE - 4)
        if local > _LOCAL:
            local = _LEAST
        parts, left = [page[at : at + local]], size - local
        following = int.from_bytes(page[at + local : at + local + 4], "big")
        while left > 0:
            if not 1 < following <= pages:
                raise _Malformed
            more = self.page(following)
            parts.append(more[4 : 4 + min(left, PAGE - 4)])
            left -= PAGE - 4
            following = int.from_bytes(more[:4], "big")
        return Record(_signed(row_id), _values(b"".join(parts)))


def _values(record: bytes) -> list[Any]:
    size, at = _varint(record, 0)
    if size > len(record):
        raise _Malformed
    kinds = []
    while at < size:
        kind, at = _varint(record, at)
        kinds.append(kind)
    values, at = [], size
    for kind in kinds:
        length = _length(kind)
        content = record[at : at + length]
        if len(content) != length:
            raise _Malformed
        values.append(_value(kind, content))
        at += length
    return values


def _length(kind: int) -> int:
    if kind >= _BLOB:
        return (kind - _BLOB) // 2
    return 8 if kind == _FLOAT else _INTEGERS.get(kind, 0)


def _value(kind: int, content: bytes) -> Any:
    if kind == 0:
        return None
    if kind in _INTEGERS:
        return int.from_bytes(content, "big", signed=True)
    if kind == _FLOAT:
        return struct.unpack(">d", content)[0]
    if kind in (_ZERO, _ONE):
        return kind - _ZERO
    if kind < _BLOB:
        raise _Malformed
    try:
        return content.decode() if kind % 2 else content
    except UnicodeDecodeError:
        raise _Malformed from None


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends: seven bits a byte, the ninth byte whole."""
    number = 0
    for place in range(at, at + 9):
        if place >= len(content):
            raise _Malformed
        byte = content[place]
        if place == at + 8:
            return number << 8 | byte, place + 1
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + 1
    raise _Malformed


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
