"""A page: the samples of one interval's streams over a stretch of ticks. One thread writes it, row by row, once.

Rows are ticks, columns are series, a slot is the place of a stream. All is stored so that zero means absent (what
a file reads where nothing was written): cells are XOR the ABSENT pattern, times XOR the smallest int64. Little-endian,
in this order:

    header     4096 B                    twice: magic, version, interval, first tick, rows, columns, slots, number, CRC
    columns    16 B × columns            twice: series + 1 and slot, 40 and 24 bits | check u64
    entries    16 B × rows × slots       time u64 | check u64
    cells       8 B × rows × columns

Column 0 and slot 0 are never written: readers point there for what a page does not have. A row of a stream is published
by its entry, written after its cells: cells without an entry are no samples. An entry's check is the sum, modulo 2⁶⁴,
of the row's stored cells and of the time, each times an odd constant of its column; its two lowest bits are notes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ruler.kernels.cells.layers import Outline, columns_of
from ruler.kernels.cells.stacks import Source
from ruler.model.arrays import ABSENT_BITS, BoolArray, CodeArray, IntArray
from ruler.tsdb.files.disk import Disk

Bits = npt.NDArray[np.uint64]

MAGIC: Final = b"tocsinpg"
VERSION: Final = 2
HEADER: Final = struct.Struct("<8sIIqqqqqq")
HEADER_SIZE: Final = 4096
COLUMN_SIZE: Final = 16
SERIES_BITS: Final = np.uint64(40)
ENTRY: Final = struct.Struct("<2Q")
ABSENT_CELL: Final = np.uint64(ABSENT_BITS)
NO_TIME: Final = np.int64(-(1 << 63))
TIME_SIGN: Final = 1 << 63
U64: Final = (1 << 64) - 1
TIME_WEIGHT: Final = 0x9E3779B97F4A7C15
CHECKED: Final = U64 - 3

SPECIAL, STALES = 1, 2  # notes of a row and flags of a column: may hold ±Inf or NaN; may hold stale markers
OPEN: Final = (1 << 31) - 1  # the last row of a column or slot that is still written


class NewerVersionError(Exception):
    """A file that a newer version has written: not to be touched."""


class Shape(NamedTuple):
    """A Shape is what a page's header says: its grid (interval 0: none), its first tick and its sizes."""

    interval: int
    first: int
    rows: int
    columns: int
    slots: int
    number: int

    @property
    def records_at(self) -> tuple[int, int]:
        """Where the two copies of the columns' records are."""
        return HEADER_SIZE, HEADER_SIZE + COLUMN_SIZE * self.columns

    @property
    def entries_at(self) -> int:
        return HEADER_SIZE + 2 * COLUMN_SIZE * self.columns

    @property
    def cells_at(self) -> int:
        end = self.entries_at + ENTRY.size * self.rows * self.slots
        return -(-end // HEADER_SIZE) * HEADER_SIZE

    @property
    def size(self) -> int:
        return self.cells_at + 8 * self.rows * self.columns


class Run(NamedTuple):
    """A Run is a stretch of a stream's cells that lies in neighbouring columns, and those columns' weights."""

    cells: Bits
    column: int
    weights: Bits


class Leaf:
    """A Leaf is what readers see of a stretch of a ring: a page, or a chunk that is open."""

    number: int
    key: int  # no page has the key of a chunk
    order: int  # among samples of one time the one of the first leaf wins
    interval: int
    first: int
    rows: int
    used: int  # columns, column 0 included
    oldest: int
    newest: int
    series_of: IntArray
    slot_of: CodeArray
    first_row: CodeArray
    last_row: CodeArray
    flags: npt.NDArray[np.uint8]
    slot_first: CodeArray
    slot_last: CodeArray
    times: Bits  # [rows × slots], side by side down each slot
    outline: Outline  # the arrays above, for kernels
    torn: BoolArray | None = None  # rows with cells that no entry vouches for
    writes = 0
    in_order: tuple[int, IntArray, IntArray] = (0, np.empty(0, np.int64), np.empty(0, np.int64))  # see ordered()

    def columns_of(self, series: IntArray) -> list[IntArray]:
        """For each series its column (0: none), if any has one; a second array and more where some have several."""
        return columns_of(self, series)

    def ordered(self) -> tuple[int, IntArray, IntArray]:
        """How many columns there are, their series in order, and in which column each is."""
        used = self.used
        if self.in_order[0] != used:
            order = np.argsort(self.series_of[1:used], kind="stable").astype(np.int64) + 1
            self.in_order = (used, self.series_of[order], order)
        return self.in_order

    def of_plane(self, plane: int) -> Leaf:  # noqa: ARG002  (a page has one)
        """The same leaf, with the cells of one of its planes."""
        return self

    def _outlined(self) -> Outline:
        rows, slots = (self.first_row, self.last_row), (self.slot_first, self.slot_last)
        return Outline(self.interval or 0, self.first, self.slot_of, *rows, *slots, self.times)

    def cells_of(self, columns: IntArray, low: int, high: int) -> tuple[Bits, IntArray, int]:
        """Stored cells with the rows [low, high) of `columns`: an array, where in it those are, and its first row."""
        raise NotImplementedError

    def source(self, columns: IntArray, low: int, begin: int, end: int) -> Source:
        """The cells of these columns (0: none) from row `low` on, which are the rows [begin, end) of a stack."""
        raise NotImplementedError


class Page(Leaf):
    """A Page is a rectangle of cells with the times of its rows, in a file or in anonymous memory.

    Structure (which column is which series) is published by `used`, samples by their entry; `writes` is odd while a row
    is being written, so that a reader can tell whether it may have seen half of one.
    """

    def __init__(
        self, shape: Shape, entries: Bits, cells: Bits, disk: Disk | None = None, descriptor: int = -1
    ) -> None:
        self.shape = shape
        self.number = self.key = self.order = shape.number
        self.interval, self.first, self.rows = shape.interval, shape.first, shape.rows
        self.entries, self.cells = entries, cells  # [rows × slots × 2], [rows × columns]
        self.times: Bits = np.zeros((shape.slots, len(entries)), dtype=np.uint64).T  # readers go down, slot by slot
        self._disk, self.descriptor = disk, descriptor
        self._entries_at, self._cells_at = shape.entries_at, shape.cells_at
        self._slots, self._row_size = shape.slots, 8 * shape.columns
        self.series_of: IntArray = np.full(shape.columns, -1, dtype=np.int64)
        self.slot_of: CodeArray = np.zeros(shape.columns, dtype=np.int32)
        self.first_row: CodeArray = np.zeros(shape.columns, dtype=np.int32)
        self.last_row: CodeArray = np.full(shape.columns, -1, dtype=np.int32)
        self.flags = np.zeros(shape.columns, dtype=np.uint8)
        self.since: CodeArray = np.full(shape.columns, OPEN, dtype=np.int32)  # rows from which cells are the same
        self.slot_first: CodeArray = np.full(shape.slots, OPEN, dtype=np.int32)
        self.slot_last: CodeArray = np.full(shape.slots, -1, dtype=np.int32)
        self.outline = self._outlined()
        self.used = 1  # columns
        self.slots_used = 1
        self.limit = shape.rows  # rows that may be written: all of them, or none any more
        self.rewound = False  # begun because the clock was set back
        self.path: Path | None = None
        self.writes = self.writes_synced = 0
        self.oldest, self.newest = 1 << 62, -(1 << 62)

    @staticmethod
    def in_memory(shape: Shape) -> Page:
        """A new page that no file backs; memory that is never written costs nothing."""
        entries = np.zeros((shape.rows, shape.slots, 2), dtype=np.uint64)
        return Page(shape, entries, np.zeros((shape.rows, shape.columns), dtype=np.uint64))

    @property
    def size(self) -> int:
        return self.shape.size

    @property
    def expectant(self) -> bool:
        """Whether the page has just been begun: it can be written and has no sample yet."""
        return self.limit > 0 and self.newest < self.oldest

    @property
    def room(self) -> int:
        """How many more columns the page can take."""
        return self.shape.columns - self.used

    def add_slot(self, row: int) -> int | None:
        """A place for one more stream, from `row` on, or None when there is none left."""
        slot = self.slots_used
        if slot == self.shape.slots:
            return None
        self.slot_first[slot], self.slot_last[slot] = row, OPEN
        self.slots_used += 1
        return slot

    def close_slot(self, slot: int, row: int) -> None:
        """Note that `row` was the last that the stream in `slot` wrote."""
        self.slot_last[slot] = row

    def add_columns(self, slot: int, series: IntArray, row: int) -> IntArray:
        """New columns, for which there must be room, for these series. May raise OSError."""
        start, stop = self.used, self.used + len(series)
        if self._disk is not None:
            records = column_records(series, slot, start)
            for at in self.shape.records_at:
                self._disk.write(self.descriptor, records, at + COLUMN_SIZE * start, records.nbytes)
        self.series_of[start:stop] = series
        self.slot_of[start:stop] = slot
        self.first_row[start:stop] = row
        self.last_row[start:stop] = OPEN
        self.used = stop
        return np.arange(start, stop, dtype=np.int64)

    def write(self, row: int, slot: int, time: int, runs: Sequence[Run], notes: int) -> None:
        """Store a stream's row: its cells, then the entry that makes them samples. May raise OSError."""
        self.writes += 1
        stored = time + TIME_SIGN  # as unsigned bits: time XOR the sign
        total = stored * TIME_WEIGHT
        disk = self._disk
        if disk is None:
            for cells, column, weights in runs:
                total += int(cells.dot(weights))
                self.cells[row, column : column + len(cells)] = cells
            self.entries[row, slot] = (stored, total & CHECKED | notes)
        else:
            row_at = self._cells_at + row * self._row_size
            for cells, column, weights in runs:
                total += int(cells.dot(weights))
                disk.write(self.descriptor, cells, row_at + 8 * column, cells.nbytes)
            entry_at = self._entries_at + ENTRY.size * (row * self._slots + slot)
            disk.write(self.descriptor, ENTRY.pack(stored, total & CHECKED | notes), entry_at, ENTRY.size)
        self.times[row, slot] = stored
        self.writes += 1
        if time > self.newest:  # noqa: PLR1730  (max() costs three times as much)
            self.newest = time
        if time < self.oldest:  # noqa: PLR1730
            self.oldest = time

    def give_up(self, row: int) -> None:
        """Write no more, after an error in the middle of `row`: what it left there is no sample."""
        self.limit = 0
        self.writes += self.writes & 1
        if self.torn is None:
            self.torn = np.zeros(self.rows, dtype=np.bool_)
        self.torn[row] = True

    def opened(self) -> Page:
        return self

    def cells_of(self, columns: IntArray, low: int, high: int) -> tuple[Bits, IntArray, int]:  # noqa: ARG002  (has all)
        return self.cells, columns, 0

    def source(self, columns: IntArray, low: int, begin: int, end: int) -> Source:
        return Source(begin, end, columns, low, columns, self.cells, since=self.since)


def mixed(numbers: Bits) -> Bits:
    """Well-spread bits for each number (the finaliser of splitmix64)."""
    x = numbers + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def header_of(shape: Shape) -> bytes:
    """The header of a page's file, which is there twice."""
    fields = HEADER.pack(MAGIC, VERSION, 0, *shape)
    half = (fields + zlib.crc32(fields).to_bytes(4, "little")).ljust(HEADER_SIZE // 2, b"\0")
    return half + half


def shape_in(header: bytes) -> Shape | None:
    """What the header of a page's file says, or None when neither half is intact; may raise NewerVersionError."""
    for at in (0, HEADER_SIZE // 2):
        fields, check = header[at : at + HEADER.size], header[at + HEADER.size : at + HEADER.size + 4]
        if len(check) == 4 and zlib.crc32(fields) == int.from_bytes(check, "little"):
            magic, version, _, *numbers = HEADER.unpack(fields)
            if magic == MAGIC and version > VERSION:
                raise NewerVersionError(f"written in format {version}, which is newer than {VERSION}")
            return Shape(*numbers) if (magic, version) == (MAGIC, VERSION) else None
    return None


def column_records(series: IntArray, slots: CodeArray | int, start: int) -> Bits:
    """The records of neighbouring columns from `start` on, as they lie in the file."""
    named = (series.astype(np.uint64) + np.uint64(1)) | (np.asarray(slots, dtype=np.uint64) << SERIES_BITS)
    return np.stack([named, column_checks(named, start)], axis=1)


def column_checks(named: Bits, start: int) -> Bits:
    """The checks that belong to column records which begin with `named`."""
    places = np.arange(start, start + len(named), dtype=np.uint64)
    return mixed(named ^ mixed(places))


class Weights:
    """Weights are the odd constants of the columns, grown as pages get wider."""

    def __init__(self) -> None:
        self._known = np.empty(0, dtype=np.uint64)

    def of(self, columns: int) -> Bits:
        if columns > len(self._known):
            self._known = mixed(np.arange(columns, dtype=np.uint64)) | np.uint64(1)
        return self._known[:columns]
