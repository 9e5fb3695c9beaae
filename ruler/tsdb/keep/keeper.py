"""What keeps a database small: seals old pages, merges chunks, drops what is past its retention, renews the tables.

One thread does it, a round every few seconds; nothing here makes the writer or a reader wait.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np

from common.clock import Clock
from common.durations import MINUTE
from common.errors import DiskRefused
from common.logs import facts
from ruler.model.arrays import IntArray
from ruler.tsdb.archive.archivist import Archivist, HaltedError
from ruler.tsdb.config import Retention
from ruler.tsdb.files.chunk import Chunk, OpenChunk
from ruler.tsdb.files.chunkfile import Sink, part_of
from ruler.tsdb.files.chunkfiles import ChunkFiles
from ruler.tsdb.files.page import Page
from ruler.tsdb.files.pagefiles import PageFiles
from ruler.tsdb.files.serieslog import SeriesLog
from ruler.tsdb.keep.aging import past
from ruler.tsdb.keep.eraser import Eraser
from ruler.tsdb.keep.jobs import Jobs
from ruler.tsdb.keep.mergeable import followers, mergeable
from ruler.tsdb.keep.patrol import Patrol
from ruler.tsdb.keep.readahead import ReadAhead
from ruler.tsdb.keep.seal import Written, merge, seal
from ruler.tsdb.keep.uniting import united
from ruler.tsdb.labels.index import Index
from ruler.tsdb.labels.renewal import Renewed, prepare
from ruler.tsdb.write.budget import Budget
from ruler.tsdb.write.ring import Ring

ROUND_SECONDS = 10.0
READ_AHEAD_SECONDS = 2.0  # after the start
HOT = 5 * MINUTE  # what instant queries look back: as long, a page stays as it is
SETTLED = 3  # ticks after which nothing is written any more to a page that has had its successor
MAX_RECORDS = 64  # of the labels' log, before it is compacted
PARTS_KEPT = 6  # at least: samples are let go chunk by chunk
RENEWAL_SERIES = 10_000  # fewer dead ones are not worth it
MEMORY_HELD = 256 << 20  # bytes of chunks, while the disk takes none: hours of samples of a large fleet
STRINGS_STAY = 5 * MINUTE  # longer than any query lasts
NICE = 10

T = TypeVar("T")

log = logging.getLogger("tsdb")


class Keeper:
    """A Keeper looks after the files of a database. `round` does what there is to do at a time."""

    def __init__(
        self,
        *,
        rings: dict[int, Ring],
        index: Index,
        pages: PageFiles,
        chunks: ChunkFiles,
        labels: SeriesLog,
        retention: Retention,
        budget: Budget,
        archivist: Archivist,
        eraser: Eraser,
        patrol: Patrol,
        held: Callable[[], IntArray],
        recent: Callable[[], int],
    ) -> None:
        archivist.halted = lambda: self._jobs.ended
        self._rings, self._index = rings, index
        self._pages, self._chunks, self._labels = pages, chunks, labels
        self._budget, self._archivist, self._eraser, self._patrol = budget, archivist, eraser, patrol
        self._held, self._recent = held, recent
        self.retention = retention
        self.renewed: list[Renewed] | None = None  # for the writer to put in place
        self._generation = index.generation
        self._doomed_at: int | None = None
        self._resting: set[int] = set()  # numbers of pages that are not written any more
        self._ahead = ReadAhead(rings)
        self._jobs = Jobs()
        self._one_at_a_time = threading.Lock()  # rounds: of the thread, and of who asks for one
        self._thread: threading.Thread | None = None

    def start(self, clock: Clock) -> None:
        self._thread = threading.Thread(target=self._run, args=(clock,), name="tsdb-keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._jobs.end()
        if self._thread is not None:
            self._thread.join()

    def _run(self, clock: Clock) -> None:
        if hasattr(os, "setpriority") and hasattr(threading, "get_native_id"):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # of this thread alone, on Linux
        next_round = time.monotonic() + ROUND_SECONDS
        if self._jobs.rest(READ_AHEAD_SECONDS):
            self._ahead.run(self._jobs.rest)
        while not self._jobs.ended:
            try:
                if self._jobs.wait(max(0.0, next_round - time.monotonic())):
                    next_round = time.monotonic() + ROUND_SECONDS
                    self.round(clock.now())
                with self._one_at_a_time:
                    self._jobs.do()
            except OSError as error:
                self._pages.failed(error)
            except Exception:  # the loop's boundary: the next round must come
                log.exception("keeping failed")
        self._jobs.do()

    def ask(self, job: Callable[[], T]) -> T:
        """What `job` gives when nothing is sealed, merged or dropped meanwhile; raises what it raises, or DiskRefused.

        Any thread but the keeper's.
        """
        return self._jobs.ask(job)

    def round(self, now: int) -> None:
        """Do what there is to do at `now` (ms). May raise OSError: then what is left is done in the next round."""
        with self._one_at_a_time:
            self._round(now)

    def _round(self, now: int) -> None:
        self._drop(now)
        self._move_in()
        for ring in list(self._rings.values()):
            self._seal(ring, now)
            self._merge(ring)
        self._bound_memory()
        self._eraser.prune()
        self._archive(now)
        self._renew()
        self._drop_strings(now)
        self._patrol.round()
        self._ahead.run(self._jobs.rest)

    # Sealing.

    def _seal(self, ring: Ring, now: int) -> None:
        for page in ring.pages:
            if self._jobs:
                return
            if not self._ripe(ring, page, now):
                continue
            if page.number not in self._resting:
                page.limit = 0
                self._resting.add(page.number)  # the writer may be in the middle of a row: sealed in the next round
            else:
                sealing = partial(seal, page, self._index, erasures=ring.erasures.on(page))
                ring.swap((page,), self._written(page.number, sealing))
                self._pages.retire(page)
                self._resting.discard(page.number)

    def _ripe(self, ring: Ring, page: Page, now: int) -> bool:
        """Whether nothing is written any more to a page, and nobody but a long look back wants it."""
        if page is ring.current or page.expectant or _hot(page, now):
            return False
        current = ring.current
        if not page.limit or current is None or not ring.interval:
            return True
        return current.newest > (page.first + page.rows + SETTLED) * ring.interval or page.newest < current.oldest

    def _written(self, number: int, write: Callable[[Sink], Written | None]) -> Chunk | None:
        sink = self._chunks.sink(number)
        try:
            written = write(sink)
        except BaseException:
            sink.discard()
            raise
        if written is None:
            sink.discard()
            return None
        header, size = written
        return self._chunks.published(header, sink, size)

    # Archives.

    def _archive(self, now: int) -> None:
        """Build what archives lack, and merge what they have; not in memory: the raw samples stay as long."""
        if not self._pages.health.degraded:
            with contextlib.suppress(HaltedError):
                self._archivist.round(now, self._write_archive)
            for ring in list(self._archivist.archives.values()):
                for group in self._archivist.groups(ring, self.retention.time):
                    self._merge_whole(ring, group)

    def _write_archive(self, write: Callable[[Sink, int], Written | None]) -> Chunk | None:
        number = self._pages.next_number()
        return self._written(number, lambda sink: write(sink, number))

    # Merging.

    def _merge(self, ring: Ring) -> None:
        """Put chunks that follow one another into one, when they are many rows together."""
        for group in mergeable(ring.chunks, followers(ring.leaves), self.retention.time // PARTS_KEPT):
            self._merge_whole(ring, group)

    def _merge_whole(self, ring: Ring, group: list[Chunk]) -> None:
        """Merge a group of chunks, all of which can be read."""
        if not self._jobs and not self._pages.health.degraded:
            opened = [each for chunk in group if (each := chunk.opened()) is not None]
            if len(opened) == len(group):
                self._merge_group(ring, group, opened)

    def _merge_group(self, ring: Ring, group: list[Chunk], opened: list[OpenChunk]) -> None:
        """Put chunks into one, or one for each time that their series stay: it takes all of those to replace them."""
        parts = self._archivist.rules.by_time(united(opened), self.retention.time)
        sources = tuple(chunk.number for chunk in group)
        numbers = [self._pages.next_number() for _ in parts]
        done: list[Chunk | None] = []
        try:
            for number, part in zip(numbers, parts, strict=True):
                last = number == numbers[-1]
                superseded = sources if last else part_of(numbers[-1], sources)
                writing = partial(merge, part, number, superseded, erasures=ring.erasures)
                done.append(self._written(number, writing))
                ring.swap(group if last else (), done[-1])
        except BaseException:
            self._let_go(ring, [chunk for chunk in done if chunk is not None])
            raise
        for chunk in group:
            self._chunks.remove(chunk)

    # What was deleted.

    def clean(self) -> bool:
        """Rewrite a chunk without what is erased in it; whether there was one. May raise OSError or DiskRefused."""
        found = self._eraser.touched()
        if found is None:
            self._eraser.prune()
            return False
        if self._pages.health.degraded:
            raise DiskRefused("samples are in memory alone, because the disk takes none")
        ring, chunk, opened = found
        if self._eraser.emptied(opened):
            self._let_go(ring, [chunk])
        else:
            self._merge_group(ring, [chunk], [opened])
        return True

    # What is in memory because the disk took nothing.

    def _move_in(self) -> None:
        if self._pages.health.degraded:
            return
        for ring in self._every_ring():
            for chunk in ring.chunks:
                if isinstance(chunk.source, bytes):
                    ring.swap((chunk,), self._chunks.move_in(chunk, chunk.source))

    def _bound_memory(self) -> None:
        """Let go of the oldest chunks that the disk does not take, when they become too many to hold in memory."""
        held = [(ring, chunk) for ring in self._every_ring() for chunk in ring.chunks if chunk.path is None]
        held.sort(key=lambda each: each[1].newest, reverse=True)
        while sum(chunk.size for _, chunk in held) > MEMORY_HELD:
            ring, chunk = held.pop()
            ring.swap((chunk,), None)
            self._pages.health.dropped_bytes += chunk.size
            log.error("samples in memory are too many and go", extra=facts(bytes=chunk.size, until=chunk.newest))

    # Retention.

    def _drop(self, now: int) -> None:
        """Let go of the oldest leaf of each ring past its time, and of the oldest of all while they are too much.

        One a round, and by the time that there are samples for: a clock that is wrong must not empty the database.
        """
        raw = [leaf for ring in list(self._rings.values()) for leaf in ring.leaves if not _expectant(leaf)]
        archived = self._archivist.built()
        ended = [leaf for leaf in self._past(raw, now) if leaf.newest <= archived]
        for ring in list(self._rings.values()):
            old = [leaf for leaf in ended if leaf in ring.leaves]
            self._let_go(ring, old[:1])
        for ring in list(self._archivist.archives.values()):
            old = [leaf for leaf in self._past([*raw, *ring.leaves], now) if leaf in ring.leaves]
            self._let_go(ring, old[:1])
        limit = self.retention.size
        while limit is not None and self.size() > limit:
            oldest = min(self._droppable(now), key=lambda found: found[1].newest, default=None)
            if oldest is None:
                return
            self._let_go(oldest[0], [oldest[1]])

    def _past(self, leaves: list[Page | Chunk], now: int) -> list[Page | Chunk]:
        """Those that are past their retention, which is that of their series that stay longest."""
        rules, otherwise = self._archivist.rules, self.retention.time
        old = past(leaves, now, rules.shortest(otherwise))
        if not rules.archives:
            return old
        kept = {
            leaf: rules.kept(leaf, otherwise) if isinstance(leaf, Chunk) else rules.longest(otherwise) for leaf in old
        }
        return [leaf for each in sorted({*kept.values()}) for leaf in past(leaves, now, each) if kept.get(leaf) == each]

    def _droppable(self, now: int) -> Iterator[tuple[Ring, Page | Chunk]]:
        leaves = ((ring, leaf) for ring in self._every_ring() for leaf in ring.leaves if leaf is not ring.current)
        return ((ring, leaf) for ring, leaf in leaves if not _expectant(leaf) and not _hot(leaf, now))

    def _let_go(self, ring: Ring, leaves: Iterable[Page | Chunk]) -> None:
        for leaf in leaves:
            ring.swap((leaf,), None)
            if isinstance(leaf, Page):
                leaf.limit = 0
                self._pages.retire(leaf)
            else:
                self._chunks.remove(leaf)

    def _every_ring(self) -> list[Ring]:
        return [*list(self._rings.values()), *list(self._archivist.archives.values())]

    def size(self) -> int:
        """How many bytes the leaves take, in files and in memory, and the labels."""
        leaves = [leaf for ring in self._every_ring() for leaf in ring.leaves]
        return sum(leaf.size for leaf in leaves) + self._labels.size()

    # The live tables.

    def _renew(self) -> None:
        """Prepare live tables without what is dead, when that is worth it; the writer puts them in place."""
        index = self._index
        if self.renewed is not None:
            return
        if self._worth_it(len(self._held())) and self._worth_it(len(self._living())):
            self.renewed = prepare(index, self._living)
            return
        if self._labels.records > MAX_RECORDS:
            self._labels.compact(index)

    def _worth_it(self, living: int) -> bool:
        """Whether half of the tables is dead, or as much as series that are refused wait for."""
        dead = self._index.live - living
        return dead > living + RENEWAL_SERIES or 0 < self._budget.lacking(self._index.live) <= dead

    def _drop_strings(self, now: int) -> None:
        """Some time after series were taken out, let go of the strings that only they had."""
        index = self._index
        if self._doomed_at is not None and now - self._doomed_at > STRINGS_STAY:
            index.forget_names(self._recent())
            index.strings.spare(index.used_codes())
            index.strings.drop()
            self._doomed_at = None
        elif self._doomed_at is None and index.generation != self._generation:
            index.strings.doom()
            index.generation += 1  # what is remembered of earlier selections is asked for anew, and so spared
            index.strings.spare(index.used_codes())
            self._generation, self._doomed_at = index.generation, now

    def _living(self) -> IntArray:
        """The series that are being written or have samples in pages, ascending."""
        parts = [self._held()]
        for ring in list(self._rings.values()):
            parts += [page.series_of[1 : page.used] for page in ring.pages]
        return np.unique(np.concatenate(parts))


def _hot(leaf: Page | Chunk, now: int) -> bool:
    """Whether instant queries look there."""
    return now - HOT < leaf.newest <= now + HOT


def _expectant(leaf: Page | Chunk) -> bool:
    return isinstance(leaf, Page) and leaf.expectant
