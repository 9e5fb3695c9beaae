"""Changes as one transaction of SQL, the ledger's with those of the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from ruler.database.look import stored_rows
from ruler.database.rows import LEDGER, METADATA, Change, StateTable, Tally, entry, tables

_AT_ONCE = 500  # ids in one statement


def create(connection: sa.Connection) -> None:
    """Make all tables, with a ledger that says that they are empty."""
    METADATA.create_all(connection)
    _exchange(connection, LEDGER, [entry(table, Tally()) for table in tables()])


def apply(connection: sa.Connection, changes: Sequence[Change]) -> None:
    """Make the changes, and bring the ledger up to them."""
    stored = (row for _, row in stored_rows(connection, LEDGER))
    ledger = {row["name"]: Tally(row["row_count"], row["total"]) for row in stored if row is not None}
    by_table: dict[StateTable, list[Change]] = defaultdict(list)
    for change in changes:
        by_table[change.table].append(change)
    for table, group in by_table.items():
        tally = ledger.get(table.name, Tally())
        gone, come = _exchange(connection, table, group)
        for check_sum in gone:
            tally = tally.without(check_sum)
        for check_sum in come:
            tally = tally.with_row(check_sum)
        _exchange(connection, LEDGER, [entry(table, tally)])


def _exchange(connection: sa.Connection, table: StateTable, changes: Sequence[Change]) -> tuple[list[int], list[int]]:
    """Make the changes of one table; the checksums of the rows that went, and of those that came."""
    row_id, check_sum = table.sql.c.row_id, table.sql.c.check_sum
    known, before = sa.select(row_id, check_sum), dict[int, int]()
    for at in range(0, len(changes), _AT_ONCE):
        ids = [change.row_id for change in changes[at : at + _AT_ONCE]]
        for number, check in connection.execute(known.where(row_id.in_(ids))):
            before[number] = check
    rows = {change.row_id: change.row for change in changes}
    kept = {number for number, row in rows.items() if row is not None and row["check_sum"] == before.get(number)}
    gone = [number for number in before if number not in kept]
    come = [row for number, row in rows.items() if row is not None and number not in kept]
    if gone:
        matching = sa.delete(table.sql).where(row_id == sa.bindparam("gone"))
        connection.execute(matching, [{"gone": number} for number in gone])
    if come:
        connection.execute(sa.insert(table.sql), come)
    return [before[number] for number in gone], [row["check_sum"] for row in come]
