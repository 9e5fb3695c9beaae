"""The database in memory keeps the promises of `ruler/storage.py`, compared with plain lists."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ruler.model.arrays import ABSENT_BITS, NAN_BITS, STALE_BITS
from ruler.model.matcher import Matcher, MatchOp
from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import BASE, bits, named, read

INTERVAL = 15_000
PATTERNS = st.one_of(
    st.floats(),
    st.sampled_from([STALE_BITS, NAN_BITS, 0xFFF8000000000000, 0x7FF0000000000003, 1, 1 << 63]).map(
        lambda pattern: struct.unpack("<d", struct.pack("<Q", pattern))[0]
    ),
)


def kept(pattern: int) -> int:
    """What becomes of the bits of a value: every NaN but the stale marker becomes the one NaN."""
    unsigned = pattern & ((1 << 64) - 1)
    is_nan = unsigned & (0x7FF << 52) == 0x7FF << 52 and unsigned & ((1 << 52) - 1)
    return NAN_BITS if is_nan and unsigned != STALE_BITS else pattern


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_select_gives_what_was_appended(data: st.DataObject) -> None:
    """Whatever subsets of series come with whatever values and jitter, a selection is the list of what was appended."""
    db = DB.open(None, ring=3_600_000)
    names = [named("m", n=str(n)) for n in range(6)]
    ids = db.series(names)
    interval = data.draw(st.sampled_from([INTERVAL, 60_000, None]))
    streams = [db.stream("a", interval), db.stream("b", interval)]
    owned = [ids[:3], ids[3:]]
    appended: dict[str, list[tuple[int, int]]] = {}
    step = interval or INTERVAL
    for tick in range(data.draw(st.integers(1, 40))):
        for stream, mine in zip(streams, owned, strict=True):
            subset = data.draw(st.lists(st.sampled_from(mine.tolist()), unique=True), label="series")
            if not subset:
                continue
            due = BASE + tick * step
            time = due + data.draw(st.integers(0, step // 3), label="jitter")
            values = np.array(data.draw(st.lists(PATTERNS, min_size=len(subset), max_size=len(subset))))
            done = stream.append(due, time, np.array(subset), values)
            assert done.stored == len(subset)
            for series, value in zip(subset, values, strict=True):
                appended.setdefault(str(names[series]), []).append((time, kept(bits(value))))
    start = BASE + data.draw(st.integers(-1, 20)) * step
    end = start + data.draw(st.integers(0, 40)) * step
    expected = {
        name: within
        for name, samples in appended.items()
        if (within := [sample for sample in samples if start < sample[0] <= end])
    }
    assert read(db, start, end) == expected
    assert sum(map(len, expected.values())) <= db.cells((Matcher("n", MatchOp.REGEX, ".*"),), start, end)


def test_absent_never_leaves_as_a_sample() -> None:
    """A value whose bits happen to be the absent pattern is a NaN like any other."""
    db = DB.open(None)
    series = db.series([named("m")])
    value = np.array([ABSENT_BITS], dtype=np.int64).view(np.float64)
    db.stream("a", INTERVAL).append(BASE, BASE, series, value)
    assert read(db, BASE - 1, BASE) == {"m": [(BASE, NAN_BITS)]}
