"""State that is not samples: rows in SQL (a file of SQLite's) with one thread that writes and reads them.

Evaluation and notification never wait for the disk: `write` notes the newest state of each row and returns a future. A
write that fails (a full disk, a lock) stays noted and comes again. A damaged file costs the rows that were hit, and a
lost one nothing: what can be read goes on in a new file.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, TypeAlias

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from common.errors import TocsinError
from common.logs import facts
from ruler.database.file import StateFile
from ruler.database.look import Found, error_name
from ruler.database.metrics import DatabaseMetrics
from ruler.database.rows import Change, Row, StateTable, tables

MAX_WAITING = 50_000  # rows
SYNC_SECONDS, MAX_LOG_BYTES = 5.0, 4 << 20  # what comes first has commits taken to the disk
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # between a write that failed and the next attempt
STUCK_SECONDS = 2.0  # a write that takes longer than this is one that nobody should wait for

_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")  # the last: a table or a column is not there
_UNSYNCED = ("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC")

# A write that failed for what was to be written will always fail.
_OF_THE_ROWS = (
    TypeError,
    OverflowError,
    UnicodeEncodeError,
    sa.exc.IntegrityError,
    sa.exc.DataError,
    sa.exc.InterfaceError,
    sa.exc.ProgrammingError,
)

_Changes: TypeAlias = dict[tuple[str, int], Change]  # by table and id

log = logging.getLogger("database")


class Postponed(TocsinError):  # noqa: N818  (what became of the write, not a fault of the caller)
    """A write that waits in memory, because the database does not take it now."""


class Overfull(TocsinError):  # noqa: N818
    """A write that is refused, because too much is waiting."""


class _Question(NamedTuple):
    """A _Question is a table that somebody waits for."""

    table: StateTable
    answer: Future[list[Row]]


def open_database(path: Path | None, registry: CollectorRegistry | None = None) -> Database:
    """The database in the file at `path` (made if there is none), or one in memory; raises StartError."""
    return Database(path, registry)


class Database:
    """A Database keeps the newest state of every row, in memory until it is written."""

    def __init__(self, path: Path | None, registry: CollectorRegistry | None = None) -> None:
        """Open the file and salvage it where it is damaged; raises StartError when it cannot be used at all."""
        self._path = path
        self._metrics = DatabaseMetrics(registry or CollectorRegistry())
        self._metrics.count_waiting(lambda: len(self._waiting) + len(self._writing))
        # The thread owns the file, and the times; the condition guards the rest.
        self._file = StateFile(path)
        self._attempt_at = self._sync_at = math.inf
        self._pause = FIRST_PAUSE
        self._changed = threading.Condition()
        self._waiting: _Changes = {}
        self._writing: _Changes = {}
        self._promises: list[Future[None]] = []
        self._questions: list[_Question] = []
        self._problem = ""  # why state is in memory alone
        self._busy_since = math.inf
        self._closing = False
        self._open()
        self._thread = threading.Thread(target=self._work, name="database", daemon=True)
        self._thread.start()

    def rows(self, table: StateTable) -> list[Row]:
        """Every row of a table that its checksum vouches for, as it is or is about to be written. Waits for writes."""
        question = _Question(table, Future())
        with self._changed:
            if self._closing:
                raise Postponed("database: it is closed")
            self._questions.append(question)
            self._changed.notify()
        return question.answer.result()

    def write(self, changes: Iterable[Change]) -> Future[None]:
        """Take these changes, all or none; the future is done when they are committed. Raises Overfull.

        While the database takes nothing, the future fails with Postponed at once. The changes are made later.
        """
        wanted = {(change.table.name, change.row_id): change for change in changes}
        promise: Future[None] = Future()
        with self._changed:
            more = sum(key not in self._waiting for key in wanted)
            if len(self._waiting) + more > MAX_WAITING:
                self._metrics.refused_rows.inc(len(wanted))
                raise Overfull(f"database: {len(self._waiting)} rows are waiting, {more} more are refused")
            self._waiting.update(wanted)
            if why := self._hindrance():
                promise.set_exception(Postponed(why))
            else:
                self._promises.append(promise)
                self._changed.notify()
        return promise

    def close(self) -> None:
        """Write what waits, and close."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _hindrance(self) -> str:
        """Why nobody should wait for a write now; empty when it will be quick."""
        if self._closing:
            return "database: it is closed"
        stuck = time.monotonic() - self._busy_since > STUCK_SECONDS
        return self._problem or ("database: the last write has not ended" if stuck else "")

    def _open(self) -> None:
        found = self._file.open()
        if found.damage:
            self._report(found)
        elif found.rows and not found.fit:
            log.info("state is taken over into a new file", extra=facts(file=self._path))
        if not self._file.whole:
            self._waiting = _put_again(found)
            self._attempt()

    def _work(self) -> None:
        while not self._closing:
            with self._changed:
                self._changed.wait_for(self._called, max(0.0, self._next() - time.monotonic()))
            self._attempt()
            self._answer_all()
        if self._waiting:
            self._attempt()
        self._answer_all()
        if self._waiting:
            log.error("state is lost: it could not be written", extra=facts(rows=len(self._waiting)))
        self._file.close()

    def _called(self) -> bool:
        return bool(self._closing or self._questions or ((self._waiting or self._promises) and not self._problem))

    def _next(self) -> float:
        """When to do something without being called: try again, sync, or look after the file."""
        return self._attempt_at if self._problem else min(self._sync_at, time.monotonic() + SYNC_SECONDS)

    def _attempt(self) -> None:
        """Write what waits, in one transaction. What fails waits on."""
        with self._changed:
            self._writing, self._waiting = self._waiting, {}
            promises, self._promises = self._promises, []
            self._busy_since = time.monotonic()
        try:
            try:
                self._write()
            except _OF_THE_ROWS:
                self._write_each()
        except Exception as error:  # noqa: BLE001  (the loop's boundary: the thread must go on)
            self._postpone(error, promises)
            return
        with self._changed:
            self._writing, self._busy_since = {}, math.inf
            problem, self._problem = self._problem, ""
        if problem:
            log.warning("the database takes writes again", extra=facts(file=self._path))
            self._metrics.degraded.set(0)
            self._pause = FIRST_PAUSE
        for promise in promises:
            promise.set_result(None)

    def _write(self) -> None:
        try:
            if self._file.moved():
                log.warning("the file of state is not in its place: it is written anew", extra=facts(file=self._path))
                self._begin_anew(damaged=False)
            self._commit()
        except (sa.exc.SQLAlchemyError, UnicodeDecodeError) as error:
            damaged = error_name(error).startswith(_DAMAGE) or isinstance(error, UnicodeDecodeError)
            unsynced = error_name(error) in _UNSYNCED
            if not self._file.whole or not (damaged or unsynced):
                raise
            if unsynced:  # what the disk did not take may be gone, and a second sync would not tell
                log.warning("the file of state cannot be synced: it is written anew", extra=facts(file=self._path))
            self._begin_anew(damaged=damaged)
            self._commit()

    def _commit(self) -> None:
        if self._writing or not self._file.whole:
            self._file.write(list(self._writing.values()))
            self._sync_at = min(self._sync_at, time.monotonic() + SYNC_SECONDS)
        if time.monotonic() >= self._sync_at or self._file.log_size > MAX_LOG_BYTES:
            self._file.sync()
            self._sync_at = math.inf

    def _write_each(self) -> None:
        """Write what waits one by one, less what cannot be written by a fault of the program."""
        for change in self._writing.values():
            try:
                self._file.write([change])
            except _OF_THE_ROWS:
                log.exception("a row of state cannot be written", extra=facts(table=change.table.name))

    def _postpone(self, error: Exception, promises: list[Future[None]]) -> None:
        self._metrics.write_errors.inc()
        cause = getattr(error, "orig", None) or error
        with self._changed:
            self._waiting = {**self._writing, **self._waiting}
            self._writing, self._busy_since = {}, math.inf
            begun, self._problem = not self._problem, f"database: {cause}"
            promises, self._promises = [*promises, *self._promises], []
        if begun:
            log.error(
                "the database takes no writes: state is in memory alone", extra=facts(file=self._path, error=cause)
            )
            self._metrics.degraded.set(1)
        self._attempt_at = time.monotonic() + self._pause
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        for promise in promises:
            promise.set_exception(Postponed(self._problem))

    def _begin_anew(self, *, damaged: bool) -> None:
        """Let the next write make a new file, of all that the old one still gives."""
        found = self._file.give_up(damaged=damaged)
        if found.damage:
            self._report(found)
        with self._changed:
            self._writing = {**_put_again(found), **self._writing}

    def _answer_all(self) -> None:
        with self._changed:
            questions, self._questions = self._questions, []
        for question in questions:
            try:
                question.answer.set_result(self._all_rows(question.table))
            except Exception as error:  # noqa: BLE001  (the loop's boundary: handed to who asked)
                question.answer.set_exception(error)

    def _all_rows(self, table: StateTable) -> list[Row]:
        try:
            stored = self._file.rows(table)
        except (sa.exc.SQLAlchemyError, UnicodeDecodeError):
            self._begin_anew(damaged=True)
            with self._changed:
                self._waiting, self._writing = {**self._writing, **self._waiting}, {}
            self._attempt()
            stored = self._file.rows(table)
        if damaged := stored.count(None):
            self._metrics.damaged_rows.labels(table.name).inc(damaged)
            log.error("rows of state are damaged", extra=facts(table=table.name, rows=damaged))
        rows = {row["row_id"]: row for row in stored if row is not None}
        with self._changed:
            newer = [change for change in self._waiting.values() if change.table is table]
        for change in newer:
            if change.row is None:
                rows.pop(change.row_id, None)
            else:
                rows[change.row_id] = change.row
        return list(rows.values())

    def _report(self, found: Found) -> None:
        self._metrics.corrupt_files.inc()
        for table, count in found.lost.items():
            self._metrics.damaged_rows.labels(table).inc(count)
        log.error(
            "the file of state is damaged: what can be read goes on in a new one, and the old one is kept",
            extra=facts(
                file=self._path,
                damage=found.damage,
                rows_read=sum(map(len, found.rows.values())),
                rows_lost=sum(found.lost.values()),
                kept=f"{self._path}.corrupt",
            ),
        )


def _put_again(found: Found) -> _Changes:
    known = {table.name: table for table in tables()}
    return {
        (name, row_id): Change(known[name], row_id, row)
        for name, rows in found.rows.items()
        for row_id, row in rows.items()
    }
