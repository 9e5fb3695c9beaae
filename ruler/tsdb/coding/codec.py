"""The codec of chunk blocks: cells or times of many columns over the same rows, in and out bit for bit.

    cells  → gaps set apart → constants told from the rest → integers (decimals.py) → residuals → pcodec (integers.py)
    times  → gaps set apart → distance to the tick of the row, then the same

What is read stays residuals, a quarter of the size of cells and less, from which a kernel computes the columns that are
wanted. A block does not carry its shape: who reads it knows that. What is damaged raises ValueError, or other numbers
come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from ruler.kernels.cells.residuals import Residuals
from ruler.model.arrays import ABSENT_BITS, BoolArray, IntArray
from ruler.tsdb.coding import gaps, integers
from ruler.tsdb.coding.decimals import FORMS, as_integers
from ruler.tsdb.coding.packing import expansion, joined, parted, squeezed

Bits = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

ABSENT_CELL: Final = np.uint64(ABSENT_BITS)
TIME_SIGN: Final = np.uint64(1 << 63)
NO_TIME: Final = np.uint64(0)
# In a column's note, beside its form: whether it never changes, and whether it has gaps.
ALL_NUMBERS, CONSTANT, GAPS = np.uint8(0), np.uint8(0x40), np.uint8(0x80)


class Codec(IntEnum):
    """A Codec is how much time compressing a block may take; reading it is the same for all.

    Both are pcodec, which is quick once prediction is chosen outside. Of a node_exporter at 240 rows level 4 leaves
    0.41 bytes a sample, level 2 0.46 in nine tenths of the time, zstd 0.47 of the same integers and 1.05 of XORed
    floats. DENSE goes to level 8, past which three thousandths of the bytes cost half the time again, and looks for
    columns that move with another.
    """

    FAST = 1
    DENSE = 2

    @property
    def level(self) -> int:
        """The level of pcodec."""
        return 4 if self is Codec.FAST else 8


def encode_cells(cells: Bits, codec: Codec) -> bytes:
    """Compress stored cells [columns × rows]: float64 bits XOR absent."""
    values = cells ^ ABSENT_CELL
    return _encoded(cells, values, ~np.isfinite(values.view(np.float64)), as_integers, codec)


def encode_times(times: Bits, interval: int, first: int) -> bytes:
    """Compress stored times [slots × rows]; row r belongs to tick `first + r` of the interval, or (0) to none."""
    distances = (times ^ TIME_SIGN) - _ticks(times.shape[1], interval, first)

    def as_distances(values: Bits) -> tuple[Bytes, IntArray]:
        return np.zeros(len(values), dtype=np.uint8), values.view(np.int64)

    return _encoded(times, distances, times == NO_TIME, as_distances, Codec.FAST)


def decode_times(data: bytes | memoryview, interval: int, first: int, into: Bits) -> None:
    """Write to `into` [rows × slots] the times that were encoded. May raise ValueError."""
    rows, slots = into.shape
    if into.size:
        residuals_of(data, slots, rows).times(interval, first, into)


def residuals_of(data: bytes | memoryview, columns: int, rows: int) -> Residuals:
    """What a block of cells or times is computed from. May raise ValueError."""
    noted, numbered, apart = parted(data, 3)
    notes = expansion(noted, np.uint8, columns)
    still, moving = np.flatnonzero(notes & CONSTANT), np.flatnonzero(~notes & CONSTANT)
    packed = integers.unpack(numbered, len(still), len(moving), rows)
    gapped = int(np.count_nonzero(notes & GAPS))
    missing = gaps.unpack(apart, gapped, rows) if gapped else None
    return Residuals(rows, FORMS, notes, still, moving, *packed, missing)


def _ticks(rows: int, interval: int, first: int) -> Bits:
    return (np.arange(first, first + rows, dtype=np.int64) * np.int64(interval)).view(np.uint64)


def _encoded(
    stored: Bits, values: Bits, missing: BoolArray, numbers_of: Callable[[Bits], tuple[Bytes, IntArray]], codec: Codec
) -> bytes:
    """A block of `values` as numbers, but for `missing` ones, which are kept as they are stored."""
    if not stored.size:
        return b""
    gapped = missing.any(axis=1)
    notes = np.where(gapped, GAPS, ALL_NUMBERS)
    apart = b""
    if gapped.any():
        apart = gaps.pack(missing[gapped], stored[gapped])
        gaps.fill(values, missing)
    moving = np.bitwise_or.reduce(values, axis=1) != np.bitwise_and.reduce(values, axis=1)
    still = ~moving
    forms, numbers = numbers_of(values[moving])
    still_forms, constants = numbers_of(values[still, :1])
    notes[moving] |= forms
    notes[still] |= still_forms | CONSTANT
    return joined(
        (squeezed(notes), integers.pack(constants[:, 0], numbers, codec.level, compare=codec is Codec.DENSE), apart)
    )
