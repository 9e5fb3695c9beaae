"""What tests of the database share: samples read back as plain lists, and the laws that every block must keep."""

from __future__ import annotations

import numpy as np

from common.labels import Labels
from ruler.model.arrays import ABSENT_BITS, NEVER
from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import Block, Queryable

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


def check(block: Block, start: int, end: int) -> None:
    times = block.times
    assert block.values.shape == (len(times), len(block.rows))
    for stream in times.T:
        real = stream[stream != NEVER]
        assert (real[1:] > real[:-1]).all()
        assert ((real > start) & (real <= end)).all()
