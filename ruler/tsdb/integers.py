"""Columns of 64-bit integers, compressed: what a block of cells or times becomes once only numbers are left.

A column is its first number, then residuals: the differences from row to row, or to the first number where those are
smaller (noise around a level). Low bits that are zero in all of them (bytes counted in pages or sectors) are left out.
Residuals of one width lie together, columns with residuals of like size side by side, and about a thousand share a
table of pcodec. Arithmetic is modulo 2⁶⁴, so nothing is lost whatever the numbers are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import IntArray
from ruler.tsdb.packing import expanded, expansion, joined, parted, squeezed

Bytes = npt.NDArray[np.uint8]

WIDTHS: Final = (np.int8, np.int16, np.int32, np.int64)
WIDEST: Final = np.array([np.iinfo(width).max for width in WIDTHS[:-1]])
PIECE: Final = 1000  # residuals to a table: with fewer the tables weigh more, with more they fit less
STEPS: Final = 0x40  # in a column's shift: its residuals are differences from row to row
SHIFT: Final = 0x3F


def pack(constants: IntArray, columns: IntArray, level: int) -> bytes:
    """Compress the numbers of constant columns, and [columns × rows] that change."""
    bases = np.concatenate((constants, columns[:, 0]))
    keys, shifts, residuals = _residuals(columns)
    order = np.argsort(keys, kind="stable")
    piece = max(PIECE, residuals.shape[1])
    parts = [squeezed(bases), squeezed(keys), squeezed(shifts)]
    start = 0
    for width, count in zip(WIDTHS, _columns_by_width(keys), strict=True):
        parts.append(squeezed(residuals[order[start : start + count]].astype(width), level, piece))
        start += count
    return joined(parts)


def unpack(data: bytes, constants: int, columns: int, rows: int) -> tuple[IntArray, IntArray]:
    """The numbers of the constant columns, and the others [columns × rows]. May raise ValueError."""
    bases, keys, shifts, *parts = parted(data, 3 + len(WIDTHS))
    first = expansion(bases, np.int64, constants + columns)
    sizes, notes = expansion(keys, np.uint8, columns), expansion(shifts, np.uint8, columns)
    order = np.argsort(sizes, kind="stable")
    numbers = np.zeros((columns, rows), dtype=np.int64)
    start = 0
    for width, count, part in zip(WIDTHS, _columns_by_width(sizes), parts, strict=True):
        residuals = expansion(part, width, count * (rows - 1))
        numbers[order[start : start + count], 1:] = residuals.reshape(count, rows - 1)
        start += count
    stepping = np.flatnonzero(notes & STEPS)
    numbers[stepping] = np.cumsum(numbers[stepping], axis=1)
    numbers <<= (notes & SHIFT).astype(np.int64)[:, None]
    numbers += first[constants:, None]
    return first[:constants], numbers


def _residuals(columns: IntArray) -> tuple[Bytes, Bytes, IntArray]:
    """For each column how wide and how large its residuals are (a key to sort by), its shift, and the residuals."""
    rises = columns - columns[:, :1]
    low = np.bitwise_or.reduce(rises, axis=1).view(np.uint64)
    zeros = np.minimum(np.bitwise_count((low & (~low + np.uint64(1))) - np.uint64(1)), SHIFT)
    rises >>= zeros.astype(np.int64)[:, None]
    levels, steps = rises[:, 1:], np.diff(rises, axis=1)
    rows = max(1, levels.shape[1])
    # A sum that overflows chooses the worse of two ways, no more.
    around = np.abs(levels - (levels.sum(axis=1) // rows)[:, None]).sum(axis=1)
    between = np.abs(steps).sum(axis=1)
    noisy = np.flatnonzero(around < between)
    steps[noisy] = levels[noisy]
    shifts = zeros | np.uint8(STEPS)
    shifts[noisy] = zeros[noisy]
    extent = np.maximum(steps.max(axis=1, initial=0), ~steps.min(axis=1, initial=0))
    widths = np.searchsorted(WIDEST, extent).astype(np.uint8)
    typical = np.maximum(np.minimum(around, between), 0) / rows
    sizes = np.minimum(4 * np.log2(1 + typical), SHIFT).astype(np.uint8)
    return widths << np.uint8(6) | sizes, shifts, steps


def _columns_by_width(keys: Bytes) -> list[int]:
    return np.bincount(keys >> np.uint8(6), minlength=len(WIDTHS)).tolist()
