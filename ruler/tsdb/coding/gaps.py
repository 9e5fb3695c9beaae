"""Cells without a number: where they are, what they hold instead, and what stands in for them while compressing.

A stream that was not scraped is missing in all its columns at once, so each distinct column of kinds is kept once.
Kind 0 is a number; the others are the patterns of KINDS (as stored: XOR absent), and OTHER any other NaN.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ruler.kernels.cells.gaps import Gaps
from ruler.model.arrays import ABSENT_BITS, NAN_BITS, STALE_BITS, BoolArray
from ruler.tsdb.coding.packing import LENGTH, expansion, joined, parted, squeezed

Bits = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

INFINITY_BITS: Final = 0x7FF << 52
KINDS: Final = np.array(
    [pattern ^ ABSENT_BITS for pattern in (ABSENT_BITS, STALE_BITS, NAN_BITS, INFINITY_BITS, INFINITY_BITS | 1 << 63)],
    dtype=np.uint64,
)
OTHER: Final = len(KINDS) + 1


def pack(gaps: BoolArray, stored: Bits) -> bytes:
    """Note what is where in `stored` [columns × rows] instead of a number; each column has some gap."""
    contents = stored[gaps]
    kinds = np.full(len(contents), OTHER, dtype=np.uint8)
    for kind, pattern in enumerate(KINDS, 1):
        kinds[contents == pattern] = kind
    everywhere = np.zeros(gaps.shape, dtype=np.uint8)
    everywhere[gaps] = kinds
    distinct, which = _distinct(everywhere)
    places = np.flatnonzero(distinct)
    distances = np.diff(places, prepend=-1).astype(np.uint32)
    counts = LENGTH.pack(len(distinct)) + LENGTH.pack(len(places))
    arrays = (which, distances, distinct.reshape(-1)[places], contents[kinds == OTHER])
    return joined([counts, *map(squeezed, arrays)])


def unpack(data: bytes, columns: int, rows: int) -> Gaps:
    """The gaps that were packed of so many columns, for the kernel that puts them in. May raise ValueError."""
    counts, which, distances, kinds, others = parted(data, 5)
    if len(counts) != 2 * LENGTH.size:
        raise ValueError(f"block: counts of gaps in {len(counts)} bytes")
    patterns, places = np.frombuffer(counts, dtype="<u4").tolist()
    if not (patterns <= columns and places <= patterns * rows):
        raise ValueError(f"block: {patterns} patterns with {places} gaps in {columns} columns of {rows} rows")
    found = Gaps(
        rows,
        patterns,
        expansion(which, np.uint32, columns),
        expansion(distances, np.uint32, places),
        expansion(kinds, np.uint8, places),
        KINDS,
    )
    found.fill(expansion(others, np.uint64, found.strange))
    return found


def fill(values: npt.NDArray[np.uint64], gaps: BoolArray) -> None:
    """Put into each gap the number before it in its column, or else the one after it, or else 0."""
    rows = values.shape[1]
    at = np.flatnonzero(gaps)
    begins = np.ones(len(at), dtype=np.bool_)
    begins[1:] = (np.diff(at) > 1) | (at[1:] % rows == 0)
    starts, ends = at[begins], at[np.append(begins[1:], True)]
    leading, trailing = starts % rows == 0, ends % rows == rows - 1
    flat = values.reshape(-1)
    numbers = flat[np.where(leading, np.where(trailing, 0, ends + 1), starts - 1)]
    numbers[leading & trailing] = 0
    flat[at] = numbers[np.cumsum(begins) - 1]


def _distinct(everywhere: Bytes) -> tuple[Bytes, npt.NDArray[np.uint32]]:
    """The distinct rows of a matrix, and which of them each row is."""
    whole = np.ascontiguousarray(everywhere).view(f"V{everywhere.shape[1]}").reshape(-1)
    _, first, which = np.unique(whole, return_index=True, return_inverse=True)
    return everywhere[first], which.astype(np.uint32)
