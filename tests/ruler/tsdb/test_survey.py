"""Beside a ruler that has the directory open, its chunks tell how many series there are and what they take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from common.durations import DAY, MINUTE
from common.errors import StartError
from ruler.model.matcher import Matcher, MatchOp
from ruler.tsdb.config import Archive
from ruler.tsdb.db import DB
from ruler.tsdb.inspect.footprint import BUCKET, Population
from ruler.tsdb.inspect.survey import survey, used_bytes
from tests.ruler.tsdb.reading import BASE, named

INTERVAL = 15_000
NODE = Archive(((Matcher("job", MatchOp.EQUAL, "node"),),), DAY, ((5 * MINUTE, 9 * DAY),))
UPS = Archive(((Matcher("__name__", MatchOp.EQUAL, "up"),), (Matcher("job", MatchOp.EQUAL, "node"),)), DAY, ())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with 100 series of one job and 20 of another in chunks, which its writer has left open."""
    clock = ManualClock(BASE)
    db = DB.open(tmp_path, clock=clock)
    jobs = {"node": 100, "shop": 20}
    streams = [
        (db.stream(job, INTERVAL), db.series([named("m", job=job, n=str(n)) for n in range(count)]))
        for job, count in jobs.items()
    ]
    up = (db.stream("up", INTERVAL), db.series([named("up", job="shop")]))
    ticks = 400
    for tick in range(ticks):
        now = BASE + tick * INTERVAL
        for stream, ids in (*streams, up):
            stream.append(now, now, ids, np.full(len(ids), float(tick)))
    for _ in range(2):
        db.maintain(BASE + ticks * INTERVAL)
    yield tmp_path
    db.close()


def test_series_are_counted_by_the_first_rule_that_matches(directory: Path) -> None:
    """Each series is in one class: that of the first rule of which any selector matches, or the rest."""
    [node, ups, rest] = survey(directory, [NODE, UPS]).populations
    assert [(Population(INTERVAL, 100),), (Population(INTERVAL, 1),), (Population(INTERVAL, 20),)] == [node, ups, rest]
    [both, none, _] = survey(directory, [UPS, NODE]).populations
    assert [(Population(INTERVAL, 101),), ()] == [both, none]


def test_bytes_are_measured(directory: Path) -> None:
    """Labels by the log of series; what there is no measure of keeps its figure."""
    found = survey(directory, [])
    log = sum(path.stat().st_size for path in directory.glob("*.series"))
    assert log / 121 == found.sizes.series
    assert BUCKET == found.sizes.bucket
    assert used_bytes(directory) == found.used > log


def test_nothing_changes_in_the_directory(directory: Path) -> None:
    """A survey reads, and that is all."""

    def state() -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in directory.iterdir()}

    before = state()
    survey(directory, [NODE])
    assert before == state()


def test_damage_and_strangers_are_passed_over(directory: Path) -> None:
    """A chunk that cannot be read is another command's business."""
    (directory / "99999998.chunk").write_bytes(b"not a chunk")
    (directory / "99999999.chunk").write_bytes(b"")
    assert [(Population(INTERVAL, 121),)] == list(survey(directory, []).populations)


def test_an_empty_directory_is_one_line(tmp_path: Path) -> None:
    """It says when there will be something, and what to do until then."""
    with pytest.raises(StartError, match=r"no chunk to measure yet: .*\(or give --series\)"):
        survey(tmp_path, [])
