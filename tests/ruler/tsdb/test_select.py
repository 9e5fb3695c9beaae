"""A selection is what was appended: compared with plain lists, in memory and in files, over any history."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clock import ManualClock
from ruler.model.arrays import ABSENT_BITS, NAN_BITS, STALE_BITS, IntArray
from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import Aspect, Stream
from ruler.tsdb.db import DB
from ruler.tsdb.files.page import TIME_SIGN, Page
from tests.ruler.tsdb.reading import BASE, EVERYTHING, check_since, last_of, named, read, read_last
from tests.ruler.tsdb.verdicts import AHEAD, Verdicts, kept

INTERVAL = 15_000
PATTERNS = st.one_of(
    st.floats(),
    st.sampled_from([STALE_BITS, NAN_BITS, ABSENT_BITS, 0xFFF8000000000000, 0x7FF0000000000003, 1, 1 << 63]).map(
        lambda pattern: struct.unpack("<d", struct.pack("<Q", pattern))[0]
    ),
)
VALUES = st.sampled_from([0.0, 1.0]) | PATTERNS  # mostly what was there before
NAMES = [named("m", n=str(n)) for n in range(8)]


@contextmanager
def directory(kind: str) -> Iterator[Path | None]:
    if kind == "memory":
        yield None
    else:
        with tempfile.TemporaryDirectory() as path:
            yield Path(path)


class Writer:
    """A Writer is one stream and what the rules say should come of its appends. No two write at the same time."""

    def __init__(self, number: int, stream: Stream, interval: int | None) -> None:
        self.number, self.stream, self.interval = number, stream, interval
        self.last: int | None = None
        self.held: set[int] = set()
        self.given: tuple[list[int], IntArray] = (
            [],
            np.zeros(0, dtype=np.int64),
        )  # the array is given again while it does

    def accepts(self, time: int) -> bool:
        return self.last is None or time > self.last or self.rewound(time)

    def rewound(self, time: int) -> bool:
        return self.interval is not None and self.last is not None and self.last - time > self.interval // 2

    def end(self, time: int) -> int:
        """The time of the stale markers of a stream that is closed at `time`."""
        if self.last is None or self.rewound(time) or (self.interval is None and self.last > time + AHEAD):
            return time
        return max(time, self.last + 1)


class Stored(NamedTuple):
    """A Stored is a sample, the page that it went to, and the interval of that page's ring (0: none)."""

    page: int
    interval: int
    time: int
    value: int


class History:
    """A History appends to a database and to lists."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.samples = path, dict[str, list[Stored]]()
        self.writers: list[Writer] = []
        self.begun = 0
        self.free = Verdicts()
        self.open()

    def open(self) -> None:
        self.db = DB.open(self.path, clock=ManualClock(BASE))
        self.ids = self.db.series(NAMES)
        self.writers = []
        self.free.restart()

    def close(self) -> None:
        self.db.close()

    def begin(self, interval: int | None) -> None:
        self.begun += 1
        self.writers.append(Writer(self.begun, self.db.stream(f"s{self.begun}", interval), interval))

    def append(self, writer: Writer, due: int, time: int, series: list[int], values: list[float]) -> None:
        elsewhere = {held for other in self.writers if other is not writer for held in other.held}
        if writer.interval is None:
            self.append_free(writer, due, time, series, values, elsewhere)
            return
        accepted = writer.accepts(time)
        if series != writer.given[0]:
            writer.given = series, self.ids[series]
        done = writer.stream.append(due, time, writer.given[1], np.array(values, dtype=np.float64))
        assert done.stored == (len(series) if accepted else 0)
        assert done.stored + done.duplicate + done.out_of_order == len(series)
        if not accepted:
            return
        writer.last, writer.held = time, set(series)
        for one, value in zip(series, values, strict=True):
            if kept(value) != STALE_BITS or one not in elsewhere:
                self.note(writer, one, time, kept(value))

    def append_free(
        self, writer: Writer, due: int, time: int, series: list[int], values: list[float], elsewhere: set[int]
    ) -> None:
        name = str(writer.number)
        expected, stored = self.free.append(name, due, time, series, values, elsewhere)
        done = writer.stream.append(due, time, self.ids[series], np.array(values, dtype=np.float64))
        assert done == expected
        writer.last = self.free.latest.get(name)
        writer.held = stored or writer.held
        for one in stored:
            if time in self.free.samples[one]:
                self.note(writer, one, time, self.free.samples[one][time])

    def note(self, writer: Writer, one: int, time: int, value: int) -> None:
        interval = writer.interval or 0
        samples = self.samples.setdefault(str(NAMES[one]), [])
        noted = {sample.page for sample in samples if sample.time == time and sample.interval == interval}
        pages = [page for page in self.db._rings[interval].pages if holds(page, int(self.ids[one]), time)]
        page = min((page.number for page in pages if page.number not in noted), default=min(noted, default=0))
        samples.append(Stored(page, interval, time, value))

    def close_stream(self, writer: Writer, time: int | None) -> None:
        self.writers.remove(writer)
        elsewhere = {held for other in self.writers for held in other.held}
        writer.stream.close(time)
        if time is not None:
            for one in writer.held - elsewhere:
                self.note(writer, one, writer.end(time), STALE_BITS)

    def expected(self, start: int, end: int) -> dict[str, list[tuple[int, int]]]:
        within = {
            name: merged([sample for sample in samples if start < sample.time <= end])
            for name, samples in self.samples.items()
        }
        return {name: samples for name, samples in within.items() if samples}


def holds(page: Page, series: int, time: int) -> bool:
    """Whether the page has a sample of the series at that time."""
    columns = [int(found[0]) for found in page.columns_of(np.array([series])) if found[0]]
    return any(
        page.cells[row, column]
        for column in columns
        for row in np.flatnonzero(page.times[:, page.slot_of[column]] == np.uint64(time + TIME_SIGN))
    )


def merged(samples: list[Stored]) -> list[tuple[int, int]]:
    """By time, the first page first, without what a later page has gone over after a step of the clock."""
    found: dict[int, int] = {}
    for sample in sorted(samples, key=lambda sample: sample.page):
        if not any(gone_over(sample, samples, page) for page in {each.page for each in samples}):
            found.setdefault(sample.time, sample.value)
    return sorted(found.items())


def gone_over(sample: Stored, samples: list[Stored], page: int) -> bool:
    """Whether the samples on `page` hide this one."""
    if page <= sample.page or not sample.interval:
        return False
    newer = [each.time for each in samples if each.page == page and each.interval == sample.interval]
    older = [each.time for each in samples if each.page == sample.page]
    stepped = newer and max(older) - min(newer) > 3 * sample.interval // 2
    return bool(stepped and min(newer) <= sample.time <= max(newer) + sample.interval)


@pytest.mark.parametrize("kind", ["memory", "files"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_history_reads_back(kind: str, data: st.DataObject) -> None:
    """Streams of any interval that come, go, share series, skip, jitter and see the clock set; processes that end."""
    with directory(kind) as path, closing(History(path)) as history:
        now = BASE
        for _ in range(data.draw(st.integers(1, 30), label="steps")):
            kinds = ["append"] * 12 + ["begin", "close", "clock"] + ["restart"] * (path is not None)
            step = data.draw(st.sampled_from(kinds), label="step")
            if step == "begin" or not history.writers:
                history.begin(data.draw(st.sampled_from([INTERVAL, INTERVAL, 60_000, None]), label="interval"))
            elif step == "close":
                writer = data.draw(st.sampled_from(history.writers), label="writer")
                history.close_stream(writer, data.draw(st.sampled_from([None, now + 3]), label="at"))
            elif step == "clock":
                now += data.draw(st.sampled_from([-7_200_000, -60_000, -8_000, 60_000, 3_600_000]), label="by")
            elif step == "restart":
                history.db.close()
                history.open()
            else:
                now += data.draw(st.sampled_from([0, 5_000, INTERVAL, INTERVAL, INTERVAL]), label="later")
                for writer in history.writers:
                    series = writer.given[0]
                    if not series or data.draw(st.booleans(), label="changes"):
                        series = data.draw(st.lists(st.integers(0, 7), unique=True), label="series")
                    values = data.draw(st.lists(VALUES, min_size=len(series), max_size=len(series)), label="values")
                    grid = writer.interval or 1
                    time = now + 4 * writer.number + data.draw(st.sampled_from([0, 400, 9_000]), label="late")
                    if series:
                        history.append(writer, now // grid * grid, time, series, values)
        start = now - data.draw(st.sampled_from([0, 60_000, 300_000, 90_000_000]), label="range")
        end = now + data.draw(st.sampled_from([-20_000, 0, 20_000, 90_000_000]), label="end")
        expected = history.expected(start, end)
        assert read(history.db, start, end) == expected
        for labels in NAMES:
            alone = (Matcher("n", MatchOp.EQUAL, labels["n"]), Matcher("__name__", MatchOp.EQUAL, "m"))
            assert read(history.db, start, end, alone) == {
                name: samples for name, samples in expected.items() if name == str(labels)
            }
        aspect = data.draw(st.sampled_from([Aspect.INSTANT, Aspect.LATEST]), label="aspect")
        reach = data.draw(st.sampled_from([1, 20_000, 300_000]), label="reach")
        steps, step = data.draw(st.integers(1, 9), label="windows"), data.draw(st.sampled_from([7_000, 30_000, 60_000]))
        ends = range(end - (steps - 1) * step, end + 1, step)
        seen = history.expected(ends[0] - reach, end)
        last = {name: last_of(samples, aspect, ends, reach) for name, samples in seen.items()}
        assert read_last(history.db, aspect, ends, reach) == {name: each for name, each in last.items() if any(each)}
        for page in (page for ring in history.db._rings.values() for page in ring.pages):
            check_since(page)
        assert sum(map(len, expected.values())) <= history.db.cells(EVERYTHING, start, end)
        named_so = {str(labels) for labels in history.db.tables(EVERYTHING, start + 1, end).all_labels()}
        assert named_so >= set(expected)


def test_absent_never_leaves_as_a_sample() -> None:
    """A value whose bits happen to be the absent pattern is a NaN like any other."""
    db = DB.open(None)
    series = db.series([named("m")])
    value = np.array([ABSENT_BITS], dtype=np.int64).view(np.float64)
    db.stream("a", INTERVAL).append(BASE, BASE, series, value)
    assert read(db, BASE - 1, BASE) == {"m": [(BASE, NAN_BITS)]}
