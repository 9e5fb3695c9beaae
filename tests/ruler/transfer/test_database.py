"""Out of one database and into another on disk: the law of round trips where it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.clock import ManualClock
from ruler.transfer.formats import EXPORTS, Format, Reading, Wanted, export, load
from ruler.transfer.read import read_series
from ruler.tsdb.config import FOREVER, Retention
from ruler.tsdb.db import DB
from tests.ruler.transfer.world import ALWAYS, BASE, EVERYTHING, answers, bits, filled

NOW = BASE + 3_600_000


@pytest.mark.parametrize("format_", EXPORTS)
def test_an_import_is_what_was_exported_also_after_a_restart(format_: Format, tmp_path: Path) -> None:
    """Bit for bit and query by query; what is imported again is refused as duplicate."""
    source = filled()
    wanted = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1])
    expected = bits(read_series(source, EVERYTHING, *ALWAYS))
    count = sum(map(len, expected.values()))
    clock = ManualClock(NOW)
    for restart in range(2):
        copy = DB.open(tmp_path, retention=Retention(FOREVER), clock=clock)
        importer = copy.backfill(clock, lambda run: run())
        assert importer is not None
        total = load(importer, format_, export(source, format_, wanted), Reading(now=NOW))
        assert ((0, count) if restart else (count, 0)) == (total.stored, total.duplicate)
        assert expected == bits(read_series(copy, EVERYTHING, *ALWAYS))
        assert answers(source) == answers(copy)
        copy.close()
