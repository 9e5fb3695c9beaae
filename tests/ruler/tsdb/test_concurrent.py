"""Readers beside the writer take no lock and never see half a row."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from ruler.model.arrays import FloatArray, IntArray
from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import Aspect, Look
from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import BASE, EVERYTHING, check, named

INTERVAL, TICKS, STREAMS, SERIES = 1_000, 1_200, 4, 300
LAST = Look(Aspect.INSTANT, 3 * INTERVAL - 1, 3 * INTERVAL)


def values_at(times: IntArray, series: IntArray) -> FloatArray:
    """What each series is at these times [rows or rows × series]: every other one stands still for five ticks."""
    times = times if times.ndim == 2 else times[:, np.newaxis]
    ticks = (times - BASE) // INTERVAL
    return np.where(series % 2, ticks // 5, times - BASE) + series / 1024


@pytest.mark.parametrize("in_files", [False, True])
def test_readers_see_whole_rows(tmp_path: Path, in_files: bool) -> None:
    """Every row that a reader sees has all of its stream's series, each with the value that belongs to its time."""
    db = DB.open(tmp_path if in_files else None, clock=ManualClock(BASE))
    ended, faults = threading.Event(), list[str]()
    every_tenth = (Matcher("n", MatchOp.REGEX, "[0-9]*0"),)

    def write() -> None:
        streams = [db.stream(str(s), INTERVAL) for s in range(STREAMS)]
        ids = [db.series([named("m", s=str(s), n=str(n)) for n in range(SERIES)]) for s in range(STREAMS)]
        for tick in range(TICKS):
            for s in range(STREAMS):
                time = BASE + tick * INTERVAL + s
                streams[s].append(
                    BASE + tick * INTERVAL, time, ids[s], values_at(np.array([time]), np.arange(SERIES))[0]
                )
        ended.set()

    def read() -> None:
        while not ended.is_set():
            for matchers, look in ((EVERYTHING, None), (every_tenth, None), (EVERYTHING, LAST), (every_tenth, LAST)):
                selection = db.select(matchers, BASE - 1, BASE + TICKS * INTERVAL, look)
                for block in (block for each in selection.blocks for block in each.blocks()):
                    check(block, BASE - 1, BASE + TICKS * INTERVAL)
                    n = np.array([int(labels["n"]) for labels in selection.table.take(block.rows).all_labels()])
                    times = block.times[:, block.stream_of]
                    fresh = np.ones(times.shape, dtype=bool)
                    fresh[1:] = times[1:] != times[:-1]
                    fresh &= times != np.iinfo(np.int64).min
                    if not (block.values[fresh] == values_at(times, n)[fresh]).all():
                        faults.append("a value is not that of its time")
                        return

    threads = [threading.Thread(target=read) for _ in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        write()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
        db.close()
    assert faults == []
