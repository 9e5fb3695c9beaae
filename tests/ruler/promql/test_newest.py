"""An instant selector finds the last sample of each series, and none where the series has ended."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ruler.model.arrays import ABSENT, STALE, is_absent, is_stale
from ruler.promql.newest import newest
from ruler.storage import Block

CELLS = st.sampled_from((ABSENT, ABSENT, ABSENT, STALE, np.float64(1.0), np.float64(2.0), np.float64("nan")))


def block_of(columns: list[list[np.float64]]) -> Block:
    values = np.array(columns, dtype=np.float64).T.copy()
    height, width = values.shape
    return Block(
        rows=np.arange(width),
        values=values,
        times=np.arange(height, dtype=np.int64)[:, np.newaxis],
        stream_of=np.zeros(width, dtype=np.int32),
        tick=None,
        special=True,
        stale=bool(is_stale(values).any()),
        gaps=bool(is_absent(values).any()),
    )


def last_sample(column: list[np.float64]) -> str | None:
    held = [value for value in column if not is_absent(np.array([value]))[0]]
    return repr(float(held[-1])) if held and not is_stale(np.array(held))[-1] else None


@given(
    st.integers(1, 40).flatmap(lambda height: st.lists(st.lists(CELLS, min_size=height, max_size=height), min_size=1))
)
def test_the_last_cell_that_is_not_absent_decides(columns: list[list[np.float64]]) -> None:
    """However far up it is; a staleness marker there means that there is no sample."""
    first, second = columns[: len(columns) // 2], columns[len(columns) // 2 :]
    values, present = newest([block_of(some) for some in (first, second) if some])
    here = np.ones(values.shape, dtype=np.bool_) if present is None else present
    found = [repr(value) if held else None for value, held in zip(values[0].tolist(), here[0].tolist(), strict=True)]
    assert [last_sample(column) for column in columns] == found
