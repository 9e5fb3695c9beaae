"""A chunk as its readers see it: a leaf like a page, whose cells are decoded block by block when wanted.

A Chunk is a handle of some hundred bytes; what reading it takes is loaded into one bounded cache, and so are blocks.
A block whose check is wrong reads as absent, and is reported.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ruler.kernels.cells.residuals import Residuals
from ruler.kernels.cells.stacks import Source, Stack
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.tsdb.coding.codec import decode_times, residuals_of
from ruler.tsdb.files.chunkfile import CorruptChunkError, Header, read_meta
from ruler.tsdb.files.dictionary import Dictionary
from ruler.tsdb.files.page import ABSENT_CELL, Bits, Leaf
from ruler.tsdb.files.parity import SEGMENT, restored
from ruler.tsdb.labels.index import Index

Report = Callable[[Path | None, str, bytes], None]  # of damage: the file, what is wrong, the bytes to set aside


class Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


@dataclass(slots=True)
class Held:
    """A Held is something in a cache, until that lets go of it, and whether it was wanted since it came or was passed
    over. Who has it need not ask the cache.
    """

    what: Sized | None
    wanted: bool = False


class Cache:
    """A Cache keeps what was loaded, up to a number of bytes. Any thread.

    What came first goes first, but for what was wanted since: that is passed over once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[Hashable, Held] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], Any]) -> Any:
        """What is kept under `key`; loaded when it is not there (by two at once, perhaps: either is right)."""
        return self.hold(key, load)[1]

    def hold(self, key: Hashable, load: Callable[[], Any]) -> tuple[Held, Any]:
        """The same, and what holds it."""
        kept = self._held.get(key)
        if kept is not None and (what := kept.what) is not None:
            kept.wanted = True
            return kept, what
        loaded = load()
        new = Held(loaded)
        with self._lock:
            kept = self._held.setdefault(key, new)
            if kept is new:
                self._bytes += loaded.nbytes
            while self._bytes > self._limit and len(self._held) > 1:
                first, held = self._held.popitem(last=False)
                if held.wanted:
                    held.wanted = False
                    self._held[first] = held
                else:
                    self._let_go(held)
        return kept, loaded

    @property
    def roomy(self) -> bool:
        """Whether less than half of it is taken."""
        return self._bytes * 2 < self._limit

    def forget(self, wanted: Callable[[Any], bool]) -> None:
        """Drop what is kept under the keys that `wanted` says."""
        with self._lock:
            for key in [key for key in self._held if wanted(key)]:
                self._let_go(self._held.pop(key))

    def _let_go(self, held: Held) -> None:
        if held.what is not None:
            self._bytes -= held.what.nbytes
            held.what = None


class Content:
    """A Content is the bytes of a chunk: a file, open while it is read, or memory. There may be thousands."""

    def __init__(self, source: Path | bytes) -> None:
        self._source = source
        self._descriptor: int | None = None  # of a file that was removed

    def hold(self) -> None:
        """Have the file to the end, though it is removed now. May raise OSError."""
        if not isinstance(self._source, bytes):
            descriptor = os.open(self._source, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, descriptor)
            self._descriptor = descriptor

    def read(self, size: int, at: int) -> bytes:
        if isinstance(self._source, bytes):
            return self._source[at : at + size]
        with self._opened(self._source) as descriptor:
            return os.pread(descriptor, size, at)

    def forget(self, size: int, at: int) -> None:
        """Let the system drop what it caches of these bytes."""
        if not isinstance(self._source, bytes) and hasattr(os, "posix_fadvise"):
            with self._opened(self._source) as descriptor:
                os.posix_fadvise(descriptor, at, size, os.POSIX_FADV_DONTNEED)

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if self._descriptor is None:
                raise
            yield self._descriptor
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)


class Chunk:
    """A Chunk is the handle of a sealed stretch of a ring: its header, and where its bytes are."""

    def __init__(self, header: Header, source: Path | bytes, size: int, cache: Cache, report: Report) -> None:
        self.header, self.source, self.size = header, source, size
        self.number, self.interval, self.first, self.rows = header.number, header.interval, header.first, header.rows
        self.order, self.oldest, self.newest = header.order, header.oldest, header.newest
        self._cache, self._report = cache, report
        self._held = Held(None)  # what it takes to read it
        self._content = Content(source)
        self._damaged = False
        self._bad: set[int] = set()  # blocks that were reported
        self.known_in = -1  # the generation of the index that was seen to have all its series
        self._last: OpenChunk | None = None  # once its file is removed, for readers who hold this

    @property
    def path(self) -> Path | None:
        return self.source if isinstance(self.source, Path) else None

    def opened(self) -> OpenChunk | None:
        """What it takes to read it; None when it is damaged beyond that, or somebody else has removed it."""
        held, found = self._held, self._held.what
        if isinstance(found, OpenChunk):
            held.wanted = True
            return found
        if self._damaged or self._last is not None:
            return self._last
        opened: OpenChunk
        try:
            self._held, opened = self._cache.hold(self.number, self._open)
        except FileNotFoundError:
            return self._last
        except (CorruptChunkError, OSError) as error:
            self._damaged = True
            self._report(self.path, str(error), b"")
            return None
        return opened

    def knows_more(self, index: Index) -> bool:
        """Whether it has series that are not among the live ones, as far as it can be read."""
        generation, opened = index.generation, self.opened()
        if opened is None:
            return False
        more = bool(opened.cold(index).any())
        if not more:
            self.known_in = generation
        return more

    def _open(self) -> OpenChunk:
        arrays, first_bad = read_meta(self.header, self._content.read)
        if first_bad:
            self._report(self.path, "one of two copies of the meta is damaged", b"")
        return OpenChunk(self.header, arrays, self._content, self._cache, partial(self._report, self.path), self._bad)

    def warm(self, going_on: Callable[[], bool]) -> bool:
        """Have its blocks in the cache before anybody asks for them, while that has room; whether it was let finish."""
        opened = self.opened()
        for block in range(opened.blocks if opened is not None else 0):
            if opened is None or not self._cache.roomy:
                return True
            if not going_on():
                return False
            opened.load(block)
        return True

    def outlive(self) -> None:
        """Stay readable for those who hold it when its file is removed now."""
        with contextlib.suppress(OSError):
            self._content.hold()
        self._last = self.opened()
        self.forget()

    def forget(self) -> None:
        """Keep nothing of it in the cache."""
        self._cache.forget(lambda key: (key[0] if isinstance(key, tuple) else key) == self.number)


class Lost:
    """A Lost stands for a block that cannot be read: it has no values."""

    nbytes = 100


class OpenChunk(Leaf):
    """An OpenChunk is a chunk with its columns, times and labels in memory."""

    def __init__(
        self,
        header: Header,
        arrays: dict[str, Any],
        content: Content,
        cache: Cache,
        report: Callable[[str, bytes], None],
        bad: set[int],
    ) -> None:
        try:
            self._take(header, arrays)
        except (KeyError, ValueError, IndexError) as error:
            raise CorruptChunkError(f"the meta is not what it should be: {error!r}") from None
        self.header = header
        self._content, self._cache, self._report = content, cache, report
        self._arrays = arrays
        self.plane = 0  # whose cells readers get
        self._bad = bad  # numbers of blocks that are known to be damaged
        self._dictionary: Dictionary | None = None
        self._cold: tuple[int, BoolArray] = (-1, np.zeros(0, dtype=np.bool_))
        self.nbytes = 2 * sum(each.nbytes for each in arrays.values()) + self.times.nbytes

    def _take(self, header: Header, arrays: dict[str, Any]) -> None:
        self.number, self.interval, self.first, self.rows = header.number, header.interval, header.first, header.rows
        self.order, self.oldest, self.newest = header.order, header.oldest, header.newest
        self.key = -header.number
        self.used = header.columns
        none = np.full(1, -1, dtype=np.int32)
        self.series_of = np.concatenate([none.astype(np.int64), np.cumsum(arrays["series"])])
        self.slot_of = np.concatenate([none + 1, arrays["slot"]])
        self.first_row = np.concatenate([none + 1, arrays["first_row"]])
        self.last_row = np.concatenate([none, arrays["last_row"]])
        self.flags = np.concatenate([np.zeros(1, np.uint8), arrays["flags"]])
        self.times = np.zeros((header.slots, header.rows), dtype=np.uint64).T
        decode_times(arrays["times"].tobytes(), header.interval, header.first, self.times[:, 1:])
        published = np.ascontiguousarray((self.times != 0).T)
        some = published.any(axis=1)
        self.slot_first = np.where(some, published.argmax(axis=1), self.rows).astype(np.int32)
        self.slot_last = np.where(some, self.rows - 1 - published[:, ::-1].argmax(axis=1), -1).astype(np.int32)
        self._width = int(arrays["block_width"][0])
        self.blocks = len(arrays["blocks"]) // header.planes  # that its columns lie in
        self.at_hand: list[Held | None] = [None] * self.blocks  # what the cache holds of each, once that was asked
        self._blocks, self._stretches, self._checks = arrays["blocks"], arrays["stretches"], arrays["checks"]
        self.outline = self._outlined()
        self.outline.ahead, self.outline.behind = arrays["reach"].tolist()
        self.torn = None
        self.writes = 0

    @property
    def dictionary(self) -> Dictionary:
        if self._dictionary is None:
            self._dictionary = Dictionary.of_arrays(self._arrays)
        return self._dictionary

    def cold(self, index: Index) -> BoolArray:
        """Of each column, whether its series is not among the live ones."""
        if self._cold[0] != index.generation:
            cold = ~index.known(self.series_of)
            cold[0] = False
            self._cold = (index.generation, cold)
        return self._cold[1]

    def of_plane(self, plane: int) -> OpenChunk:
        """The same chunk, with the cells of one of its planes."""
        view = copy.copy(self)
        view.plane, view.at_hand = plane, [None] * self.blocks
        return view

    def cells_of(self, columns: IntArray, low: int, high: int) -> tuple[Bits, IntArray, int]:
        return self.taken(columns, low, high, self.plane), np.arange(len(columns)), low

    def taken(self, columns: IntArray, low: int, high: int, plane: int = 0) -> Bits:
        """The cells of these columns (0: none) in the rows [low, high), as [rows × columns]."""
        view = self if plane == self.plane else self.of_plane(plane)
        source = view.source(columns, low, 0, high - low)
        cells = Stack([source], len(columns), high - low).values().view(np.uint64)
        cells ^= ABSENT_CELL
        return cells

    def source(self, columns: IntArray, low: int, begin: int, end: int) -> Source:
        return Source(begin, end, columns, low, None, None, self.load, self.at_hand, self._width)

    def load(self, block: int) -> Residuals | None:
        """A block, in the cache from now on; None when it is lost."""
        held = self.at_hand[block]
        if held is None or (found := held.what) is None:
            held, found = self._cache.hold((self.number, self.plane, block), lambda: self._loaded(block))
            self.at_hand[block] = held
        held.wanted = True
        return found if isinstance(found, Residuals) else None

    def _loaded(self, block: int) -> Residuals | Lost:
        data = self._intact(block * self.header.planes + self.plane)
        if data is None:
            return Lost()
        columns = min(self._width, self.used - 1 - block * self._width)
        return residuals_of(data, columns, self.rows)

    def _intact(self, number: int) -> bytes | None:
        """The bytes of a block, restored when they are damaged; None when they cannot be. Damage is reported once."""
        at, size, crc = self._blocks[number].tolist()
        data = self._read(size, at)
        if zlib.crc32(data) == crc:
            return data
        found = self._restored(number)
        if number not in self._bad:
            self._bad.add(number)
            what = "restored from its parity" if found is not None else "lost"
            self._report(f"a block of {min(self._width, self.used - 1)} columns is damaged, and {what}", data)
        return found

    def _restored(self, number: int) -> bytes | None:
        """A damaged block, from the parity of the stretch that it is in, if that can be."""
        at, size, crc = self._blocks[number].tolist()
        before = 0  # segments of earlier stretches
        for start, length, parity_at, parity_size in self._stretches.tolist():
            count = -(-length // SEGMENT)
            if start <= at < start + length:
                data = b"".join(
                    self._read(min(SEGMENT, start + length - place), place)
                    for place in range(start, start + length, SEGMENT)
                )
                checks = self._checks[before : before + count].tolist()
                whole = restored(data, self._read(parity_size, parity_at), checks)
                found = whole[at - start : at - start + size]
                return found if zlib.crc32(found) == crc else None
            before += count
        return None

    def _read(self, size: int, at: int) -> bytes:
        try:
            return self._content.read(size, at)
        except OSError:  # what the disk cannot read is damaged like any other
            return bytes(size)

    def column_sizes(self) -> FloatArray:
        """How many bytes the cells of each column take (without column 0), as its share of a block."""
        blocks = self._blocks[:, 1].reshape(-1, self.header.planes).sum(axis=1)
        counts = np.minimum(self._width, self.used - 1 - self._width * np.arange(len(blocks)))
        return np.repeat(blocks / counts, counts)

    def check(self, start: int = 0, size: int = 1 << 62) -> tuple[int, int | None]:
        """Verify the blocks from number `start` on until about `size` bytes are read, which the system need not keep.

        Gives how many were read, and the number of the next block: None at the end.
        """
        for number in range(start, len(self._blocks)):
            self._intact(number)
            at, length, _ = self._blocks[number].tolist()
            begin = int(self._blocks[start, 0])
            if at + length - begin >= size or number + 1 == len(self._blocks):
                self._content.forget(at + length - begin, begin)
                return at + length - begin, number + 1 if number + 1 < len(self._blocks) else None
        return 0, None
