"""The file of state: one connection, transactions, and the step from one file to the next.

A commit reaches the page cache, so it outlives the process; `sync` takes all commits to the disk. Between two calls
either a whole file is connected, or none, and then the next write makes one.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from common.errors import StartError
from ruler.database.look import BUSY_SECONDS, Found, connected, log_of, look, stored_rows
from ruler.database.replacement import ending_of, finish, replace
from ruler.database.rows import METADATA, Change, Row, StateTable, tables
from ruler.database.transaction import apply

MEMORY = ":memory:"
WRITE_SECONDS = 1.0  # how long a write waits for another program; one that fails comes again


class StateFile:
    """A StateFile is the one connection to a file of state (None: one in memory), used by one thread at a time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._engine: sa.Engine | None = None
        self._place: tuple[int, int] | None = None  # device and inode of the connected file
        self._ending = ""  # of the name under which a file that is to be replaced is kept

    @property
    def whole(self) -> bool:
        """Whether there is a file to write to. Where there is none, the next `write` must have all rows there are."""
        return self._engine is not None

    def open(self) -> Found:
        """Look at what is there, and connect to it if it is fit. Raises StartError."""
        if self._path is None:
            self._connect()
            return Found({})
        if not os.access(self._path.parent, os.W_OK):
            raise StartError(f"{self._path}: cannot be used as a database: no file can be written there")
        finish(self._path)
        found = look(self._path)
        if found is None:
            return Found({}, fit=False)
        if found.fit:
            try:
                self._connect()
            except sa.exc.SQLAlchemyError:  # a full disk: the next write will say so
                found = dataclasses.replace(found, fit=False)
        if not found.fit:
            self._ending = ending_of(found)
        return found

    def write(self, changes: Sequence[Change]) -> None:
        """Make all changes, in one transaction; raises SQLAlchemyError or OSError with nothing changed."""
        if self._engine is not None:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                apply(connection, changes)
                connection.commit()
        elif self._path is not None:
            replace(self._path, changes, self._ending)
            self._ending = ""
            self._connect()

    def rows(self, table: StateTable) -> list[Row | None]:
        """The rows of a table, None in place of a damaged one."""
        if self._engine is None:
            return []
        with self._engine.connect() as connection:
            return [row for _, row in stored_rows(connection, table)]

    @property
    def log_size(self) -> int:
        """Bytes that the next `sync` takes into the file."""
        if self._path is None or not log_of(self._path).exists():
            return 0
        return log_of(self._path).stat().st_size

    def sync(self) -> None:
        """Let all commits reach the disk, and the file alone hold them."""
        if self._engine is not None:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()

    def moved(self) -> bool:
        """Whether the connected file is no longer at its path: it was removed, or another one put there."""
        return self._engine is not None and self._path is not None and _place(self._path) != self._place

    def give_up(self, *, damaged: bool) -> Found:
        """Let go of a file that cannot be gone on with: one that is damaged, or one that is no longer at its path.

        Gives what it still holds. From then on there is no file, until the next write.
        """
        found = None
        if damaged and self._path is not None:
            found = look(self._path)
        elif self._engine is not None:
            pairs = {table.name: self.rows(table) for table in tables()}
            found = Found({name: {row["row_id"]: row for row in rows if row} for name, rows in pairs.items()})
        self.close()
        self._ending = "corrupt"
        return found or Found({}, damage="the file is gone")

    def close(self) -> None:
        """Let go of the file; SQLite takes its log into it."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _connect(self) -> None:
        engine = connected(MEMORY if self._path is None else str(self._path), BUSY_SECONDS)
        try:
            with engine.connect() as connection:
                for pragma in (
                    "journal_mode=WAL",
                    "synchronous=NORMAL",  # a commit is a write; `sync` brings the disk up to it
                    "wal_autocheckpoint=0",  # `sync` empties the log: a half frame can only be at its end
                    "secure_delete=ON",  # no old row is left for a salvage to find
                    f"busy_timeout={round(WRITE_SECONDS * 1000)}",
                ):
                    connection.exec_driver_sql(f"PRAGMA {pragma}")
            METADATA.create_all(engine)
        except BaseException:
            engine.dispose()
            raise
        self._engine = engine
        self._place = None if self._path is None else _place(self._path)


def _place(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
