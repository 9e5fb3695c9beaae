"""A table of the tests' own, and words for what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ruler.database import Database
from ruler.database.rows import Change, Row, StateTable

THINGS = StateTable(
    "things",
    ("name",),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger),
    sa.Column("words", sa.JSON, nullable=False),
    sa.Column("bytes", sa.LargeBinary, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
ROWS = st.fixed_dictionaries(
    {
        "name": TEXT,
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "words": st.lists(TEXT, max_size=3) | st.dictionaries(TEXT, TEXT, max_size=3),
        "bytes": st.binary(max_size=8),
        "text": TEXT,
    }
)


def thing(name: str, number: int = 1, text: str = "") -> Row:
    return {"name": name, "number": number, "words": [name], "bytes": b"\0", "text": text}


def put(name: str, number: int = 1, text: str = "") -> Change:
    return THINGS.put(thing(name, number, text))


def remove(name: str) -> Change:
    return THINGS.remove({"name": name})


def numbers(database: Database) -> dict[str, int]:
    """The number of each thing."""
    return {row["name"]: row["number"] for row in database.rows(THINGS)}


def reopened(path: Path) -> tuple[dict[str, int], float]:
    """What a start finds, and how many damaged files it reports."""
    registry = CollectorRegistry()
    with closing(Database(path, registry)) as database:
        return numbers(database), metric(registry, "corrupt_files_total")


def metric(registry: CollectorRegistry, name: str, labels: Mapping[str, str] | None = None) -> float:
    value = registry.get_sample_value(f"tocsin_database_{name}", dict(labels or {}))
    assert value is not None
    return value
