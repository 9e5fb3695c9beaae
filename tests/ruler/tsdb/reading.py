"""What tests of the database share: samples read back as plain lists, and the laws that every block must keep."""

from __future__ import annotations

import numpy as np

from common.labels import Labels
from ruler.model.arrays import ABSENT_BITS, NEVER, STALE_BITS
from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import Aspect, Block, Deferred, Lasts, Look, Queryable
from ruler.tsdb.files.page import Page

Samples = dict[str, list[tuple[int, int]]]  # labels as text → (time, bits of the value)

BASE = 1_700_000_000_000 // 3_600_000 * 3_600_000
EVERYTHING = (Matcher("__name__", MatchOp.REGEX, ".+"),)


def named(name: str, **labels: str) -> Labels:
    return Labels({"__name__": name, **labels})


def bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


def read(db: Queryable, start: int, end: int, matchers: tuple[Matcher, ...] = EVERYTHING) -> Samples:
    """Every series that has samples in a selection, with those; fails when a block breaks one of its promises."""
    selection = db.select(matchers, start, end)
    found: Samples = {}
    for block in (block for each in selection.blocks for block in each.blocks()):
        check(block, start, end)
        labels = selection.table.take(block.rows).all_labels()
        for column, each in enumerate(labels):
            times = block.times[:, block.stream_of[column]].tolist()
            cells = block.values[:, column].view(np.int64).tolist()
            assert str(each) not in found
            pairs = zip(times, cells, strict=True)
            found[str(each)] = [(t, bits) for t, bits in pairs if t != NEVER and bits != ABSENT_BITS]
    assert len(found) == len(selection.table)
    return {labels: samples for labels, samples in found.items() if samples}


def read_last(db: Queryable, aspect: Aspect, ends: range, reach: int) -> dict[str, list[tuple[int, int] | None]]:
    """For every series the last sample that a look finds in each window (end - reach, end], if it finds any."""
    step = ends.step if len(ends) > 1 else 0
    selection = db.select(EVERYTHING, ends[0] - reach, ends[-1], Look(aspect, reach, step))
    found: dict[str, list[tuple[int, int] | None]] = {}
    for block in (
        block for each in selection.blocks for block in (each.read() if isinstance(each, Deferred) else [each])
    ):
        labels = [str(each) for each in selection.table.take(block.rows).all_labels()]
        if isinstance(block, Lasts):
            values, times = block.samples.samples()
            for column, name in enumerate(labels):
                pairs = zip(times[:, column].tolist(), values[:, column].view(np.int64).tolist(), strict=True)
                found[name] = [pair if pair[1] != ABSENT_BITS else None for pair in pairs]
        else:
            for column, name in enumerate(labels):
                times = block.times[:, block.stream_of[column]].tolist()
                pairs = zip(times, block.values[:, column].view(np.int64).tolist(), strict=True)
                found[name] = last_of([pair for pair in pairs if pair[1] != ABSENT_BITS], aspect, ends, reach)
    return {name: samples for name, samples in found.items() if any(samples)}


def last_of(samples: list[tuple[int, int]], aspect: Aspect, ends: range, reach: int) -> list[tuple[int, int] | None]:
    """The last of some samples in each window; for a look at the latest, of those that are no markers."""
    taken = [each for each in samples if aspect is Aspect.INSTANT or each[1] != STALE_BITS]
    return [max((each for each in taken if end - reach < each[0] <= end), default=None) for end in ends]


def check_since(page: Page) -> None:
    """Fails unless all cells of a column are the same from the row on from which the page says so."""
    for column in range(1, page.used):
        rows = np.flatnonzero(page.times[:, page.slot_of[column]])
        since = int(page.since[column])
        assert since in rows or not (rows >= since).any()
        assert len(set(page.cells[rows[rows >= since], column].tolist())) <= 1


def check(block: Block, start: int, end: int) -> None:
    times = block.times
    assert block.values.shape == (len(times), len(block.rows))
    for stream in times.T:
        real = stream[stream != NEVER]
        assert (real[1:] > real[:-1]).all()
        assert ((real > start) & (real <= end)).all()
