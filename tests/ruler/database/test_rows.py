"""The laws of rows that vouch for themselves."""

from __future__ import annotations

import json

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from ruler.database.rows import Row, StateTable, Tally, tally_of
from tests.ruler.database.state import ROWS, THINGS, thing

STORED = st.integers(-(2**62), 2**62) | st.text(max_size=5) | st.binary(max_size=5) | st.none() | st.floats()


def stored(row: Row) -> list[object]:
    """The values of a row as SQLite has them."""
    return [json.dumps(value) if name == "words" else value for name, value in row.items()]


def sealed(row: Row) -> Row:
    (_, _, found) = THINGS.put(row)
    assert found is not None
    return found


@given(ROWS)
def test_what_is_put_is_read(row: Row) -> None:
    """read(stored(put(row))) is the row, with its id and checksum."""
    found = sealed(row)
    assert found == THINGS.read(stored(found))
    assert row == {name: found[name] for name in row}


@given(ROWS, st.integers(1, 6), STORED)
def test_a_changed_value_is_refused(row: Row, place: int, value: object) -> None:
    """A row of which any value is another one, of whatever type, is no row."""
    values = stored(sealed(row))
    before, values[place] = values[place], value
    assert (type(before), before) == (type(value), value) or THINGS.read(values) is None


def test_a_row_of_one_table_is_none_of_another() -> None:
    """Two tables alike do not vouch for each other's rows."""
    columns = [sa.Column(name, sa.Text) for name in "ab"]
    metadata = StateTable("these", ("a",), *columns)
    try:
        (_, _, row) = metadata.put({"a": "1", "b": "2"})
        assert row is not None
        other = StateTable("those", ("a",), *(sa.Column(name, sa.Text) for name in "ab"))
        assert (row, None) == (metadata.read(list(row.values())), other.read(list(row.values())))
    finally:
        for name in ("these", "those"):
            metadata.sql.metadata.remove(metadata.sql.metadata.tables[name])


@given(st.lists(ROWS, unique_by=lambda row: row["name"], max_size=5))
def test_the_tally_follows_rows_that_come_and_go(rows: list[Row]) -> None:
    """A tally that rows were added to and taken from is that of the rows that are left."""
    all_rows = [sealed(row) for row in rows]
    tally = tally_of(all_rows)
    for row in all_rows[::2]:
        tally = tally.without(row["check_sum"])
    assert tally_of(all_rows[1::2]) == tally


def test_the_tally_knows_an_older_row() -> None:
    """Sums differ when a row is missing, or is there as it was before."""
    new, old, other = sealed(thing("a", 2)), sealed(thing("a", 1)), sealed(thing("b", 1))
    assert len({tally_of([new, other]), tally_of([old, other]), tally_of([new]), Tally()}) == 4
