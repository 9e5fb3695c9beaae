"""What is in a file of state: every row when it is whole, and else every row that still vouches for itself.

A file is whole when SQLite finds nothing wrong with its structure, each row's checksum is right and the ledger's sums
agree. Otherwise its pages are read without SQLite, so that neither a lost schema nor a lost pointer costs a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from common.errors import StartError
from ruler.database.firstformat import first_format, is_first_format
from ruler.database.pages import Image, read_log
from ruler.database.rows import LEDGER, VERSION, Row, StateTable, Stored, Tally, tables, tally_of

BUSY_SECONDS = 10.0  # how long another program may hold the file when the ruler starts

# Errors that say nothing of what the file holds: another program has it, or it may not be used …
_DENIED = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_READONLY")
_HINDERED = ("SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR")  # … or the disk gives SQLite no room to work


@dataclass(frozen=True, slots=True)
class Found:
    """Found is what a file holds. One that is not `fit` cannot be gone on with: it is damaged, or of another format.

    `damage` says what is wrong with it, `lost` how many rows each table misses; `complete`: certainly none.
    """

    rows: Stored
    fit: bool = True
    damage: str = ""
    lost: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True


class _Damaged(Exception):  # noqa: N818  (a finding, not a fault of the program)
    """A file that is not as it was written."""


class _Hindered(Exception):  # noqa: N818
    """A file that SQLite cannot open here and now."""


def look(path: Path) -> Found | None:
    """What is in the file at `path`; None when there is none. Raises StartError when it cannot be judged."""
    try:
        log = read_log(_content(log_of(path)))
        size = path.stat().st_size if path.exists() else None
        if size is None and not log.pages and not log.problem:
            return None
        try:
            if not size:
                raise _Damaged("the file is empty" if size == 0 else "there is nothing but its write-ahead log")
            if log.problem:
                raise _Damaged(log.problem)
            return _through_sqlite(path)
        except _Damaged as damage:
            return _salvaged(path, str(damage))
        except _Hindered as hindrance:
            found = _salvaged(path, str(hindrance))
            return replace(found, damage="") if found.complete else found
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror}") from None


def log_of(path: Path) -> Path:
    """SQLite's write-ahead log of a file."""
    return path.with_name(f"{path.name}-wal")


def connected(target: str, seconds: float) -> sa.Engine:
    """One connection, for one thread at a time, that waits `seconds` for other programs."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(target, timeout=seconds, isolation_level=None, check_same_thread=False)

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.StaticPool)


def stored_rows(connection: sa.Connection, table: StateTable) -> list[tuple[int, Row | None]]:
    """Each row of a table with the id that it is stored under; None in place of one that is damaged."""
    # As they are stored: what SQLAlchemy would make of a damaged value is an error of many kinds.
    columns: list[Any] = [sa.type_coerce(column, sa.types.NULLTYPE) for column in table.sql.columns]
    return [(values[0], table.read(values)) for values in connection.execute(sa.select(*columns))]


def error_name(error: BaseException) -> str:
    """SQLite's name of an error; empty for others."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return getattr(cause, "sqlite_errorname", None) or ""


def _through_sqlite(path: Path) -> Found:
    engine = connected(str(path), BUSY_SECONDS)
    try:
        with engine.connect() as connection:
            return _judged(path, connection)
    except sa.exc.DBAPIError as error:
        if error_name(error).startswith(_DENIED):
            raise StartError(f"{path}: cannot be used as a database: {error.orig}") from None
        if error_name(error).startswith(_HINDERED):
            raise _Hindered(str(error.orig)) from None
        raise _Damaged(str(error.orig)) from None
    except UnicodeDecodeError as error:  # of a name in the schema, or in SQLite's own message
        raise _Damaged(str(error)) from None
    finally:
        engine.dispose()


def _judged(path: Path, connection: sa.Connection) -> Found:
    problem = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if problem != "ok":
        raise _Damaged(str(problem))
    there = _definitions(connection)
    if LEDGER.name not in there:
        if not is_first_format(there):
            raise _Damaged("it has no ledger")
        rows, whole = first_format(connection, there)
        if not whole:
            raise _Damaged("it cannot all be read")
        return Found(rows, fit=False)
    ledger = _ledger(path, (row for _, row in stored_rows(connection, LEDGER)))
    rows = {}
    same = there[LEDGER.name] == _definition(LEDGER)
    for table in tables():
        tally = ledger.get(table.name, Tally())
        if table.name not in there and not tally.rows:
            continue  # defined since the file was written
        pairs = stored_rows(connection, table)
        if any(row is None or row["row_id"] != row_id for row_id, row in pairs):
            raise _Damaged(f"a row of {table.name} is damaged")
        rows[table.name] = {row_id: row for row_id, row in pairs if row is not None}
        if tally != tally_of(rows[table.name].values()):
            raise _Damaged(f"{table.name} is not what the ledger says")
        same = same and there.get(table.name) == _definition(table)
    return Found(rows, fit=same)


def _definitions(connection: sa.Connection) -> dict[str, str]:
    """The statements that made the tables that are there."""
    schema = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    return {row.name: row.sql for row in schema}


def _definition(table: StateTable) -> str:
    """What SQLite keeps of the statement that made a table."""
    return str(sa.schema.CreateTable(table.sql).compile(dialect=sqlite.dialect())).strip()


def _ledger(path: Path, rows: Iterable[Row | None]) -> dict[str, Tally]:
    ledger = {}
    for row in rows:
        if row is None:
            raise _Damaged("the ledger is damaged")
        if row["version"] > VERSION:
            newer = f"format {row['version']}, where this one knows {VERSION}"
            raise StartError(f"{path}: was written by a newer version of Tocsin: {newer}")
        ledger[row["name"]] = Tally(row["row_count"], row["total"])
    return ledger


def _salvaged(path: Path, damage: str) -> Found:
    image = Image(_content(path), read_log(_content(log_of(path))))
    by_width: dict[int, list[StateTable]] = {}
    for table in (*tables(), LEDGER):
        by_width.setdefault(len(table.columns) + 2, []).append(table)
    rows: Stored = {}
    for record in image.records():
        for table in by_width.get(len(record.values), ()):
            row = table.read(record.values)
            if row is not None:
                rows.setdefault(table.name, {})[row["row_id"]] = row
    ledger = _ledger(path, rows.pop(LEDGER.name, {}).values())
    lost = {name: max(0, tally.rows - len(rows.get(name, ()))) for name, tally in ledger.items()}
    complete = bool(ledger) and all(tally == tally_of(rows.get(name, {}).values()) for name, tally in ledger.items())
    return Found(rows or _of_first_format(path), fit=False, damage=damage, lost=lost, complete=complete)


def _of_first_format(path: Path) -> Stored:
    """What SQLite still reads of a damaged file of the first format, in which nothing vouches for a row."""
    engine = connected(str(path), BUSY_SECONDS)
    try:
        with engine.connect() as connection:
            there = _definitions(connection)
            return first_format(connection, there)[0] if is_first_format(there) else {}
    except (sa.exc.DBAPIError, UnicodeDecodeError):
        return {}
    finally:
        engine.dispose()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
