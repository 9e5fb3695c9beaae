"""Chunks: sealed and merged they answer as the pages did; what is dead leaves memory and disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clock import ManualClock
from common.labels import Labels
from ruler.model.arrays import STALE, STALE_BITS
from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import Stream
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from ruler.tsdb.files.chunk import OpenChunk
from ruler.tsdb.files.chunkfile import HEADER_SIZE, read_header, read_meta
from tests.ruler.tsdb.reading import BASE, EVERYTHING, bits, named, read

INTERVAL = 15_000
HOUR = 3_600_000
FOREVER = Retention(10**13)


class Fleet:
    """A Fleet is a few targets with counters, decimals, constants, specials, gaps and restarts, the same every time."""

    def __init__(self, db: DB) -> None:
        self._db = db
        self._chance = np.random.default_rng(7)
        self._targets: list[tuple[Stream, list[Labels]]] = [
            (db.stream(f"t{t}", INTERVAL), [named(f"m{n // 9}", t=str(t), n=str(n % 9)) for n in range(40)])
            for t in range(4)
        ]
        self._late = db.stream("late", None)
        self._values = self._chance.random((4, 40)).round(3)

    def append(self, tick: int) -> None:
        due, chance = BASE + tick * INTERVAL, self._chance
        for number, (stream, labels) in enumerate(self._targets):
            self._values[number, :20] += chance.integers(0, 50, 20)
            self._values[number, 20:30] = (self._values[number, 20:30] + chance.random(10)).round(2)
            kind = chance.random()
            if kind < 0.03:
                continue
            values = self._values[number].copy()
            if kind > 0.97:
                values[5:9] = (np.nan, np.inf, -np.inf, STALE)
            keep = slice(3, None) if kind > 0.95 else slice(None)
            jitter = int(chance.integers(0, 9)) if number == 3 else 0
            stream.append(due, due + 100 * number + jitter, self._db.series(labels[keep]), values[keep])
        if tick % 4 == 0:
            self._late.append(due, due - 77, self._db.series([named("late")]), np.array([float(tick)]))
        if tick % 150 == 149:
            stream, labels = self._targets[0]
            stream.close(due + 200)
            self._targets[0] = (self._db.stream("t0 again", INTERVAL), labels)


def settle(db: DB, now: int) -> None:
    """Let the keeper do all that there is to do some time after `now`."""
    for _ in range(12):
        db.maintain(now + 24 * HOUR)
    db.sync()


def suffixes(path: Path) -> list[str]:
    return sorted(each.suffix for each in path.iterdir() if each.suffix in (".page", ".chunk"))


def test_a_query_sees_no_seam(tmp_path: Path) -> None:
    """Whatever is in pages, sealed or merged, and after a restart, queries give the same bits as a database that does
    none of this."""
    plain, db = DB.open(None, retention=FOREVER), DB.open(tmp_path, clock=ManualClock(BASE), retention=FOREVER)
    both = Fleet(plain), Fleet(db)
    ticks = 1500
    windows = [(tick, length) for tick in (100, 333, 1100) for length in (1, 20, 240)]
    for tick in range(ticks):
        for fleet in both:
            fleet.append(tick)
        if tick % 10 == 9:
            db.maintain(BASE + tick * INTERVAL)
    end = BASE + ticks * INTERVAL
    assert set(suffixes(tmp_path)) == {".chunk", ".page"}
    for _ in range(3):
        assert read(plain, BASE - 1, end) == read(db, BASE - 1, end)
        for tick, length in windows:
            start, stop = BASE + tick * INTERVAL - 50, BASE + (tick + length) * INTERVAL
            assert read(plain, start, stop) == read(db, start, stop), (tick, length)
        settle(db, end)
        db.close()
        db = DB.open(tmp_path, clock=ManualClock(end), retention=FOREVER)
        assert db.health.corrupt_files + db.health.damaged_blocks == 0
    assert set(suffixes(tmp_path)) == {".chunk"}
    db.close()


def test_a_series_that_comes_back_is_one_series(tmp_path: Path) -> None:
    """A series that left the live tables and came back has another id inside, and one history outside, also after a
    restart."""
    db = DB.open(tmp_path, clock=ManualClock(BASE), retention=FOREVER)
    labels = [named("m", n=str(n)) for n in range(3)]
    stream = db.stream("a", INTERVAL)
    stream.append(BASE, BASE, db.series(labels), np.arange(3.0))
    before = db.series(labels)
    many = db.stream("b", INTERVAL)
    many.append(BASE, BASE + 1, db.series([named("other", n=str(n)) for n in range(11_000)]), np.zeros(11_000))
    for each in (stream, many):
        each.close(BASE + 5)
    late = BASE + 2 * HOUR
    going_on, id_ = db.stream("c", INTERVAL), db.series([named("going_on")])
    going_on.append(late, late, id_, np.ones(1))
    settle(db, late)
    db.series([named("going_on")])  # the writer comes by
    assert [False] * 3 == db.stands(before).tolist()
    assert (True, 1) == (bool(db.stands(id_).all()), db.head().active)
    stream, after = db.stream("a", INTERVAL), db.series(labels)
    stream.append(late, late + 1, after, np.arange(3.0) + 10)
    assert set(before.tolist()).isdisjoint(after.tolist())
    both = db.tables([Matcher("__name__", MatchOp.EQUAL, "m")], BASE, late + 1)
    db.series([named("newcomer")])  # which is no reason to look into chunks again
    assert both is db.tables([Matcher("__name__", MatchOp.EQUAL, "m")], BASE, late + 1)
    for _ in range(2):
        found = read(db, BASE - 1, late + HOUR)
        for n in range(3):
            times = [(time, value) for time, value in found[f'm{{n="{n}"}}']]
            assert times == [(BASE, bits(n)), (BASE + 5, STALE_BITS), (late + 1, bits(n + 10))]
        assert len(found) == 3 + 11_000 + 1
        assert after.tolist() == db.series(labels).tolist()
        db.close()
        db = DB.open(tmp_path, clock=ManualClock(late), retention=FOREVER)
    db.close()


def test_samples_of_forgotten_series_are_left_out() -> None:
    """An id that no longer stands for a series takes no sample, and the others of the append do."""
    db = DB.open(None)
    ids = db.series([named("m", n=str(n)) for n in range(3)])
    db._index._known[ids[1:2]] = False
    assert db.stream("a", INTERVAL).append(BASE, BASE, ids, np.arange(3.0)).stored == 2


@pytest.mark.parametrize("limit", ["time", "size"])
def test_retention_drops_whole_chunks(tmp_path: Path, limit: str) -> None:
    """What is older than the retention goes, chunk by chunk, and what is younger stays; a size is never exceeded for
    long."""
    retention = Retention(6 * HOUR) if limit == "time" else Retention(10**13, 2_000_000)
    db = DB.open(tmp_path, clock=ManualClock(BASE), retention=retention)
    ids, stream = db.series([named("m", n=str(n)) for n in range(100)]), db.stream("a", INTERVAL)
    chance = np.random.default_rng(1)
    sizes, oldest = [], []
    for tick in range(240 * 24):
        now = BASE + tick * INTERVAL
        stream.append(now, now, ids, chance.random(100))
        if tick % 20 == 0:
            db.maintain(now)
            db.sync()
            sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
            oldest.append(now - db.head().min_time)
    if limit == "time":
        assert 6 * HOUR <= min(oldest[-100:]) <= max(oldest) <= 8 * HOUR
        assert max(sizes[len(sizes) // 2 :]) < 1.3 * min(sizes[len(sizes) // 2 :]) + 500_000
    else:
        assert max(sizes) < 2_500_000
    db.close()


def test_a_size_smaller_than_a_page_leaves_the_lookback(tmp_path: Path) -> None:
    """However little may be kept, what instant queries look back is there at any time, and the rest goes."""
    db = DB.open(tmp_path, clock=ManualClock(BASE), retention=Retention(10**13, 10_000))
    stream, ids = db.stream("a", INTERVAL), db.series([named("m", n=str(n)) for n in range(200)])
    for tick in range(700):
        now = BASE + tick * INTERVAL
        stream.append(now, now, ids, np.random.default_rng(tick).random(200))
        db.maintain(now)
        if tick >= 20:
            assert {20} == {len(samples) for samples in read(db, now - 20 * INTERVAL, now).values()}
    db.sync()
    assert len(suffixes(tmp_path)) <= 2
    db.close()


def test_churn_leaves_memory_and_disk_flat(tmp_path: Path) -> None:
    """With new series at every scrape, live tables, strings and disk are no larger an hour on."""
    db = DB.open(tmp_path, clock=ManualClock(BASE), retention=Retention(10 * 60_000), max_series=0)
    stream = db.stream("a", INTERVAL)
    gone = np.empty(0, dtype=np.int64)
    figures = []
    for tick in range(360):
        now = BASE + tick * INTERVAL
        ids = db.series([named("m", id=f"{tick}-{n}", job="x") for n in range(1_000)])
        stream.append(
            now, now, np.concatenate([ids, gone]), np.concatenate([np.ones(1_000), np.full(len(gone), STALE)])
        )
        gone = ids
        db.maintain(now)
        if tick % 4 == 0:
            db.sync()
        head = db.head()
        figures.append((head.active, head.strings, sum(path.stat().st_size for path in tmp_path.iterdir())))
    for before, after in zip(np.max(figures[120:240], axis=0), np.max(figures[240:], axis=0), strict=True):
        assert after <= 1.2 * before
    assert len(db.select(EVERYTHING, BASE - 1, now).table) < 100_000
    db.close()


def blocks_of(path: Path) -> list[tuple[int, int]]:
    """Where the blocks of a chunk are in its file, and how large."""
    content = path.read_bytes()
    header, _ = read_header(content[:HEADER_SIZE], content[-HEADER_SIZE:])
    arrays, _ = read_meta(header, lambda size, at: content[at : at + size])
    return [(at, size) for at, size, _ in arrays["blocks"].tolist()]


def test_damaged_blocks_are_restored_from_their_parity(tmp_path: Path) -> None:
    """Wherever bits of a chunk's blocks are flipped, or a sector is zeroed, queries give what they gave, and the damage
    is told; of a block that is gone for good, the samples are absent and nothing else is.
    """
    db = DB.open(tmp_path, clock=ManualClock(BASE), retention=FOREVER)
    ids, stream = db.series([named("m", n=str(n)) for n in range(1_500)]), db.stream("a", INTERVAL)
    values = np.random.default_rng(1).random((120, 1_500))
    for tick in range(120):
        stream.append(BASE + tick * INTERVAL, BASE + tick * INTERVAL, ids, values[tick])
    stream.close(None)
    settle(db, BASE + 120 * INTERVAL)
    expected = read(db, BASE - 1, BASE + HOUR)
    db.close()
    chunk = max(tmp_path.glob("*.chunk"), key=lambda path: path.stat().st_size)
    intact, blocks = chunk.read_bytes(), blocks_of(chunk)
    assert len(blocks) > 3
    for harmed, width in (([0], 1), ([1], 1), ([len(blocks) - 1], 4096), ([0, 2], 1), ([1], blocks[1][1])):
        content = bytearray(intact)
        for at, size in (blocks[number] for number in harmed):
            place = at + (size - width) // 2
            content[place : place + width] = bytes(each ^ 4 for each in intact[place : place + width])
        chunk.write_bytes(content)
        db = DB.open(tmp_path, clock=ManualClock(BASE), retention=FOREVER)
        found = read(db, BASE - 1, BASE + HOUR)
        assert len(harmed) == db.health.damaged_blocks
        assert chunk.with_name(f"{chunk.name}.corrupt").stat().st_size > 0
        db.close()
        if width <= 4096:
            assert expected == found
        else:
            assert all(expected[name][-len(samples) :] == samples for name, samples in found.items())
            assert 0.5 < sum(map(len, found.values())) / sum(map(len, expected.values())) < 1


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenChunk:
    """A chunk of some hundred columns in several blocks, each cell another."""
    db = DB.open(tmp_path_factory.mktemp("sealed"), clock=ManualClock(BASE), retention=FOREVER)
    ids, stream = db.series([named(f"m{n % 7}", n=str(n)) for n in range(700)]), db.stream("a", INTERVAL)
    for tick in range(130):
        stream.append(BASE + tick * INTERVAL, BASE + tick * INTERVAL, ids, np.arange(700.0) * 1_000 + tick)
    stream.close(None)
    settle(db, BASE + 130 * INTERVAL)
    chunk = max((chunk for ring in db._rings.values() for chunk in ring.chunks), key=lambda chunk: chunk.rows)
    opened = chunk.opened()
    db.close()
    assert opened is not None
    return opened


@given(data=st.data())
def test_columns_are_taken_in_any_order(opened: OpenChunk, data: st.DataObject) -> None:
    """Columns of a chunk come out in the order in which they are asked for, none of them in another's place."""
    columns = np.array(data.draw(st.lists(st.integers(0, opened.used - 1), min_size=1, max_size=40)), dtype=np.int64)
    low = data.draw(st.integers(0, opened.rows - 1))
    high = data.draw(st.integers(low + 1, opened.rows))
    alone = [opened.taken(columns[place : place + 1], low, high)[:, 0] for place in range(len(columns))]
    assert np.stack(alone, axis=1).tolist() == opened.taken(columns, low, high).tolist()
