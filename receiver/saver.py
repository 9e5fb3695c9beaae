"""The saver: pushes are written together by one thread, so that the event loop never waits for a disk.

Whatever arrives while one batch is being written makes the next batch. `save` returns when its push is written; it is
on the disk SYNC_SECONDS later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from receiver.gauges import Push
from receiver.journal import Journal

SYNC_SECONDS = 5.0

_Waiting: TypeAlias = list[tuple[Push, "asyncio.Future[None]"]]


class Saver:
    """A Saver writes pushes to the journal in the order in which they are handed to it, from one event loop.

    At most one push of each connection waits here, so the server's cap on connections bounds the batch.
    """

    def __init__(self, journal: Journal, snapshot: Callable[[], Iterable[Push]]) -> None:
        self._journal, self._snapshot = journal, snapshot
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting: _Waiting = []
        self._writing: asyncio.Task[None] | None = None
        self._syncing: asyncio.TimerHandle | None = None

    async def save(self, push: Push) -> None:
        """Return once `push` is in the journal; raises OSError when it cannot be written."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append((push, written))
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        await written

    def close(self) -> None:
        """Finish the batch that is being written."""
        if self._syncing is not None:
            self._syncing.cancel()
        self._thread.shutdown()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                pushes = [push for push, _ in batch]
                failure: Exception | None = None
                try:
                    await loop.run_in_executor(self._thread, self._journal.append, pushes, self._snapshot)
                except Exception as error:  # noqa: BLE001  (the loop's boundary: handed to those who wait)
                    failure = error
                if self._syncing is None:
                    self._syncing = loop.call_later(SYNC_SECONDS, self._sync)
                for _, written in batch:
                    if written.done():
                        continue
                    if failure is None:
                        written.set_result(None)
                    else:
                        written.set_exception(failure)
        finally:
            self._writing = None

    def _sync(self) -> None:
        self._syncing = None  # what is written from here on waits for another
        self._thread.submit(self._journal.sync, self._snapshot)
