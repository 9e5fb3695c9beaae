"""State that is not samples: a SQL database (SQLite by default) with one writer thread.

Evaluation and notification never wait for a write: `submit` queues it and returns a future. Reads open their own
connection. Stages define their tables on METADATA and own them.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from common.errors import StartError

METADATA = sa.MetaData()
MAX_QUEUED = 10_000

log = logging.getLogger("database")
T = TypeVar("T")


def open_database(path: Path | None) -> Database:
    """The database in the file at `path` (made if there is none), or one in memory; raises StartError."""
    try:
        return Database("sqlite://" if path is None else f"sqlite:///{path}")
    except sa.exc.SQLAlchemyError as error:
        raise StartError(f"{path}: cannot be used as a database: {getattr(error, 'orig', None) or error}") from None


class Database:
    """A Database runs reads where they are called and writes, in order, on its own thread."""

    def __init__(self, url: str) -> None:
        in_memory = url in ("sqlite://", "sqlite:///:memory:")
        pool = {"poolclass": sa.StaticPool, "connect_args": {"check_same_thread": False}} if in_memory else {}
        self._engine = sa.create_engine(url, **pool)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _sqlite_pragmas)
        self._writes: queue.Queue[tuple[Callable[[sa.Connection], Any], Future[Any]] | None] = queue.Queue(MAX_QUEUED)
        self._one_at_a_time = threading.Lock() if in_memory else None
        METADATA.create_all(self._engine)
        self._thread = threading.Thread(target=self._write, name="database", daemon=True)
        self._thread.start()

    def read(self, query: Callable[[sa.Connection], T]) -> T:
        """What `query` makes of a connection of its own."""
        if self._one_at_a_time is not None:
            with self._one_at_a_time, self._engine.connect() as connection:
                return query(connection)
        with self._engine.connect() as connection:
            return query(connection)

    def submit(self, write: Callable[[sa.Connection], T]) -> Future[T]:
        """Queue `write`, to run in a transaction of its own; the future has its result or its error.

        A full queue (a database that has not answered for long) fails the future at once instead of waiting.
        """
        future: Future[T] = Future()
        try:
            self._writes.put_nowait((write, future))
        except queue.Full:
            future.set_exception(OSError(f"database: {MAX_QUEUED} writes are waiting, one more is refused"))
        return future

    def close(self) -> None:
        """Finish the queued writes and close."""
        self._writes.put(None)
        self._thread.join()
        self._engine.dispose()

    def _write(self) -> None:
        while (work := self._writes.get()) is not None:
            write, future = work
            try:
                if self._one_at_a_time is not None:
                    with self._one_at_a_time, self._engine.begin() as connection:
                        result = write(connection)
                else:
                    with self._engine.begin() as connection:
                        result = write(connection)
            except Exception as error:  # the loop's boundary: one bad write must not end the thread
                log.exception("write failed")
                future.set_exception(error)
            else:
                future.set_result(result)


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
