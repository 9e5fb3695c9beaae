"""The law of imports, with the real database: an import of an export gives identical answers, whatever came between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import ManualClock
from common.durations import DAY, HOUR
from ruler.transfer.formats import EXPORTS, Format, Reading, Wanted, export, load
from ruler.transfer.series import Imported
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from tests.ruler.transfer.world import ALWAYS, BASE, EVERYTHING, answers, filled

CLOCK = ManualClock(BASE + 2 * HOUR)
FOREVER = Retention(10**13)


@pytest.fixture(scope="module")
def source() -> DB:
    return filled()


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[DB]:
    db = DB.open(tmp_path, clock=CLOCK, retention=FOREVER)
    yield db
    db.close()


def imported(db: DB, source: DB, format_: Format, *, cells: int = 4_000_000) -> Imported:
    backfill = db.backfill(CLOCK, lambda function: function())
    assert backfill is not None
    wanted = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1], cells=cells)
    return load(backfill, format_, export(source, format_, wanted), Reading(now=0))


@pytest.mark.parametrize("cells", [4_000_000, 500], ids=["at once", "in slices"])
@pytest.mark.parametrize("format_", EXPORTS)
def test_an_import_of_an_export_answers_as_its_source(source: DB, copy: DB, format_: Format, cells: int) -> None:
    """At once, and after the keeper has been at it; an import that is sent twice stores nothing twice."""
    first = imported(copy, source, format_, cells=cells)
    assert Imported(stored=first.stored) == first
    expected = answers(source)
    assert expected == answers(copy)
    assert Imported(duplicate=first.stored) == imported(copy, source, format_)
    for _ in range(4):
        copy.maintain(CLOCK.now() + DAY)
    assert expected == answers(copy)


@pytest.mark.parametrize("format_", EXPORTS)
def test_an_export_of_an_import_is_the_export(source: DB, copy: DB, format_: Format) -> None:
    """Byte for byte, whatever format it came in by."""
    imported(copy, source, format_)
    wanted = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1])
    for other in EXPORTS:
        assert b"".join(export(source, other, wanted)) == b"".join(export(copy, other, wanted))
