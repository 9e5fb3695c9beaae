"""Where pages come from: files of a directory, or anonymous memory while the directory takes none.

The writer thread makes and gives up pages; a helper thread syncs them every few seconds, writes out what had to stay in
memory once there is room again, and removes what is too old. Nothing here makes the writer wait for the disk.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import numpy as np

from common.logs import facts
from ruler.model.arrays import BoolArray, IntArray
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.files.page import COLUMN_SIZE, Page, Shape, Weights, column_records, header_of
from ruler.tsdb.files.salvage import CorruptPageError, map_page, read_page
from ruler.tsdb.files.serieslog import SeriesLog
from ruler.tsdb.health import Health

SYNC_SECONDS = 5.0
SUFFIX = ".page"

log = logging.getLogger("tsdb")


class PageFiles:
    """PageFiles are the pages of one directory."""

    def __init__(self, directory: Path, disk: Disk, labels: SeriesLog, health: Health) -> None:
        self._directory, self._disk, self._labels, self.health = directory, disk, labels, health
        self._numbers = itertools.count(1)
        self._open: tuple[Page, ...] = ()  # pages with a descriptor; replaced by the writer, read by the helper
        self._homeless: tuple[Page, ...] = ()  # pages that should be in a file and are in memory
        self._retired: deque[Page] = deque()
        self._new_names = True  # of files whose names are not yet durable
        self._ended = threading.Event()
        self._helper = threading.Thread(target=self._help, name="tsdb-sync", daemon=True)
        self._lists = threading.Lock()  # guards the two tuples while they are replaced

    def read_all(
        self, superseded: Collection[int], taken: int, known: Callable[[IntArray], BoolArray], weights: Weights
    ) -> tuple[list[Page], int]:
        """Every page that earlier processes left, oldest first, and 1 + the highest series id that they name.

        Pages whose numbers are `superseded` by chunks are removed. Numbers up to `taken` are not given out again.
        """
        pages, top = [], 0
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            if path.stem.isdigit():
                taken = max(taken, int(path.stem))
                if int(path.stem) in superseded:
                    self._unlink(path)
                    continue
            try:
                page, damage, names = read_page(path, self._disk, known, weights)
            except (CorruptPageError, OSError, ValueError) as error:
                self.health.corrupt(path, str(error))
                continue
            self.health.page(path, damage)
            page.path = path
            pages.append(page)
            top = max(top, names)
        self._numbers = itertools.count(taken + 1)
        return pages, top

    def start(self) -> None:
        self._helper.start()

    def close(self) -> None:
        """Sync everything and let go of it."""
        self._ended.set()
        self._helper.join()
        self.sync()
        if self._homeless:
            self.sync()
        for page in self._open:
            os.close(page.descriptor)

    def next_number(self) -> int:
        return next(self._numbers)

    def new(self, shape: Shape) -> Page:
        if not self.health.degraded:
            try:
                self._labels.flush()
                page = self._in_file(shape)
            except OSError as error:
                self.failed(error)
            else:
                with self._lists:
                    self._open = (*self._open, page)
                return page
        page = Page.in_memory(shape)
        with self._lists:
            self._homeless = (*self._homeless, page)
        return page

    def retire(self, page: Page) -> None:
        self._retired.append(page)

    def failed(self, error: OSError) -> None:
        """Note that the directory takes no more: until it does again, pages live in memory."""
        self.health.write_errors += 1
        for page in self._open:
            page.limit = 0
        if not self.health.degraded:
            self.health.degraded = True
            log.error("samples are kept in memory alone", extra=facts(error=error.strerror, directory=self._directory))

    def _in_file(self, shape: Shape) -> Page:
        path = self._path(shape)
        descriptor = self._disk.open(path)
        try:
            self._disk.resize(descriptor, shape.size)
            header = header_of(shape)
            self._disk.write(descriptor, header, 0, len(header))
            _, entries, cells = map_page(descriptor, shape)
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                self._disk.remove(path)
            raise
        page = Page(shape, entries, cells, self._disk, descriptor)
        page.path = path
        self._new_names = True
        return page

    def _path(self, shape: Shape) -> Path:
        return self._directory / f"{shape.number:08d}{SUFFIX}"

    # The helper thread.

    def _help(self) -> None:
        while not self._ended.wait(SYNC_SECONDS):
            try:
                self.sync()
            except Exception:  # the loop's boundary: the next round must come
                log.exception("sync failed")

    def sync(self) -> None:
        """One round: make durable what was written, remove what is retired, move in what was in memory."""
        if self._new_names:
            self._new_names = False
            self._synced(partial(self._disk.sync_names, self._directory))
        self._synced(self._labels.sync)
        for page in self._open:
            if page.writes != page.writes_synced:
                page.writes_synced = page.writes
                if not self._synced(partial(self._disk.sync, page.descriptor)):
                    page.limit = 0  # what the kernel has dropped it will not report again: go on in another file
        while self._retired:
            self._remove(self._retired.popleft())
        if self._homeless:
            self._move_in()

    def _synced(self, sync: Callable[[], None]) -> bool:
        try:
            sync()
        except OSError as error:
            self.health.sync_errors += 1
            log.error("sync failed", extra=facts(error=error.strerror, directory=self._directory))
            return False
        return True

    def _remove(self, page: Page) -> None:
        with self._lists:
            had_descriptor = page in self._open
            self._open = tuple(each for each in self._open if each is not page)
            self._homeless = tuple(each for each in self._homeless if each is not page)
        if had_descriptor:
            os.close(page.descriptor)
        if page.path is not None:
            self._unlink(page.path)

    def _unlink(self, path: Path) -> None:
        try:
            self._disk.remove(path)
        except OSError as error:
            log.warning("an old page stays", extra=facts(file=path, error=error.strerror))

    def _move_in(self) -> None:
        """Once there is room: end the pages in memory, so that the writer goes on in a file, and write them out."""
        needed = sum(8 * int(page.used) * page.rows for page in self._homeless)
        if self._disk.free(self._directory) < needed + (16 << 20):
            return
        self.health.degraded = False
        ended = [page for page in self._homeless if not page.limit]
        for page in self._homeless:
            page.limit = 0  # the writer may be in the middle of a row: written out in the next round
        for page in ended:
            if self._labels.waiting:
                return  # the writer writes them when it begins its next page
            try:
                self._write_out(page)
            except OSError as error:
                self.failed(error)
                return
            with self._lists:
                self._homeless = tuple(each for each in self._homeless if each is not page)

    def _write_out(self, page: Page) -> None:
        """Put a page that is no longer written into a file, and read it from there."""
        moved = self._in_file(page.shape)
        try:
            records = column_records(page.series_of[1 : page.used], page.slot_of[1 : page.used], 1)
            for at in page.shape.records_at:
                self._disk.write(moved.descriptor, records, at + COLUMN_SIZE, records.nbytes)
            for row in np.flatnonzero(page.entries[:, :, 0].any(axis=1)).tolist():
                cells, entries = page.cells[row, : page.used], page.entries[row]
                cells_at = page.shape.cells_at + 8 * row * page.shape.columns
                self._disk.write(moved.descriptor, cells, cells_at, cells.nbytes)
                entries_at = page.shape.entries_at + entries.nbytes * row
                self._disk.write(moved.descriptor, entries, entries_at, entries.nbytes)
            self._disk.sync(moved.descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.remove(self._path(page.shape))
            raise
        finally:
            os.close(moved.descriptor)
        page.path = moved.path
        page.entries, page.cells = moved.entries, moved.cells
