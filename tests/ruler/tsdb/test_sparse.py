"""Sparse arrays are arrays, whatever is written where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruler.tsdb.labels.sparse import STRETCH, SparseArray, among

IDS = st.integers(0, 40 * STRETCH)
STEPS = st.lists(
    st.tuples(st.sampled_from(["set", "add", "clear", "release"]), st.lists(IDS, unique=True)), max_size=12
)


@pytest.mark.parametrize("kind", [np.int32, np.bool_])
@given(steps=STEPS, asked=st.lists(IDS))
def test_it_reads_as_a_plain_array_would(
    kind: type[np.generic], steps: list[tuple[str, list[int]]], asked: list[int]
) -> None:
    """What is set, added, cleared and released is what a plain array of zeros would hold, of the same kind."""
    sparse, plain = SparseArray(kind), np.zeros(41 * STRETCH, dtype=kind)
    for step, numbers in steps:
        ids = np.array(numbers, dtype=np.int64)
        if step == "release":
            sparse.release()
        elif step == "add" and kind is np.int32:
            sparse.add(ids, 3)
            plain[ids] += 3
        else:
            sparse[ids] = plain[ids] = step != "clear"
        look = np.array([*asked, *numbers], dtype=np.int64)
        assert sparse[look].dtype == plain.dtype
        assert plain[look].tolist() == sparse[look].tolist()
        assert np.flatnonzero(plain).tolist() == sparse.nonzero().tolist()
        assert set(plain[plain != 0].tolist()) == set(sparse.values().tolist()) - {0}


@given(st.lists(IDS), st.sets(IDS))
def test_among_is_membership(ids: list[int], others: set[int]) -> None:
    """`among` says of each id whether it is one of the others."""
    found = among(np.array(ids, dtype=np.int64), np.array(sorted(others), dtype=np.int64))
    assert [each in others for each in ids] == found.tolist()
