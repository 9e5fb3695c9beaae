"""Rows that vouch for themselves: each has an id made from its key, and a checksum of all that it says.

A ledger holds, for each table, how many rows there are and the sum of their checksums: so a row that is gone, or that
is back in an older state, is noticed as well as one that was changed. Knows no file and runs no SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import orjson
import sqlalchemy as sa

VERSION = 2  # of the format of all tables; 1 had neither ids nor checksums
METADATA = sa.MetaData()

_BITS = 62  # so that the sum of two checksums is an integer to SQL
_INTEGER = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # there, only INTEGER is the row's own place

Row: TypeAlias = dict[str, Any]
Stored: TypeAlias = dict[str, dict[int, Row]]  # by table, by id


class Change(NamedTuple):
    """A Change puts a row in the place of the one with its id, or (None) removes that."""

    table: StateTable
    row_id: int
    row: Row | None


class Tally(NamedTuple):
    """A Tally is what the ledger says of a table: how many rows, and the sum of their checksums."""

    rows: int = 0
    total: int = 0

    def with_row(self, check_sum: int) -> Tally:
        return Tally(self.rows + 1, (self.total + check_sum) % (1 << _BITS))

    def without(self, check_sum: int) -> Tally:
        return Tally(self.rows - 1, (self.total - check_sum) % (1 << _BITS))


class StateTable:
    """A StateTable is a SQL table of rows that are found by their key and vouched for by a checksum.

    All tables that were defined, wherever that was, belong to every database.
    """

    def __init__(self, name: str, key: Sequence[str], *columns: sa.Column[Any]) -> None:
        self.name, self._key = name, tuple(key)
        self.columns = tuple(column.name for column in columns)
        self._json = frozenset(column.name for column in columns if isinstance(column.type, sa.JSON))
        self.sql = sa.Table(
            name,
            METADATA,
            sa.Column("row_id", _INTEGER, primary_key=True, autoincrement=False),
            *columns,
            sa.Column("check_sum", sa.BigInteger, nullable=False),
            info={"state": self},
        )

    def put(self, row: Row) -> Change:
        """What makes `row` the only one with its key."""
        row = {name: row[name] for name in self.columns}
        row_id = self._id(row)
        return Change(self, row_id, {"row_id": row_id, **row, "check_sum": self._check(row)})

    def remove(self, key: Mapping[str, Any]) -> Change:
        """What removes the row with this key; `key` may say more than that."""
        return Change(self, self._id(key), None)

    def read(self, stored: Sequence[Any]) -> Row | None:
        """The row (with its true id) that these values of all columns are, or None if its checksum says otherwise."""
        _, *values, check_sum = stored
        row = None if any(isinstance(value, float) for value in values) else self._decoded(values)  # no column has them
        if row is None or self._check(row) != check_sum:
            return None
        return {"row_id": self._id(row), **row, "check_sum": check_sum}

    def taken_over(self, values: Sequence[Any]) -> Row | None:
        """The row that these values (of `columns`) make, which nothing vouches for: how the first format had them."""
        row = self._decoded(values)
        return None if row is None else self.put(row).row

    def _decoded(self, values: Sequence[Any]) -> Row | None:
        row = dict(zip(self.columns, values, strict=True))
        try:
            row.update({name: orjson.loads(row[name]) for name in self._json})
        except orjson.JSONDecodeError:
            return None
        return row

    def _id(self, row: Mapping[str, Any]) -> int:
        return _digest([self.name, *(row[name] for name in self._key)])

    def _check(self, row: Row) -> int:
        return _digest([self.name, *(row[name] for name in self.columns)])


LEDGER = StateTable(
    "state_ledger",  # its columns stay as they are in all versions, so that each can tell whose file it has
    ("name",),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
)


def tables() -> list[StateTable]:
    """Every table that was defined, less the ledger."""
    return [table.info["state"] for table in METADATA.sorted_tables if table is not LEDGER.sql]


def entry(table: StateTable, tally: Tally) -> Change:
    """The ledger's row for a table."""
    return LEDGER.put({"name": table.name, "version": VERSION, "row_count": tally.rows, "total": tally.total})


def tally_of(rows: Iterable[Row]) -> Tally:
    """What the ledger should say of these rows."""
    tally = Tally()
    for row in rows:
        tally = tally.with_row(row["check_sum"])
    return tally


def _digest(parts: list[Any]) -> int:
    content = orjson.dumps(parts, default=_told_from_text, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> (64 - _BITS)


def _told_from_text(value: bytes) -> dict[str, str]:
    return {"bytes": value.hex()}
