"""The first format of a file of state: the same tables and columns, with neither ids nor checksums nor a ledger."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from ruler.database.rows import Stored, tables


def is_first_format(definitions: Mapping[str, str]) -> bool:
    """Whether these are the tables of the first format; `definitions` are the statements that made them."""
    found = [definitions[table.name] for table in tables() if table.name in definitions]
    return bool(found) and not any("check_sum" in each for each in found)


def first_format(connection: sa.Connection, definitions: Mapping[str, str]) -> tuple[Stored, bool]:
    """The rows that can be read, and whether those are all. Columns that nobody needs any more are left out."""
    rows: Stored = {}
    whole = True
    for table in tables():
        if table.name not in definitions:
            continue
        found = rows.setdefault(table.name, {})
        columns = [sa.type_coerce(table.sql.columns[name], sa.types.NULLTYPE) for name in table.columns]
        try:
            for values in connection.execute(sa.select(*columns)):
                row = table.taken_over(values)
                if row is None:
                    whole = False
                else:
                    found[row["row_id"]] = row
        except (sa.exc.DBAPIError, UnicodeDecodeError):
            whole = False
    return rows, whole
