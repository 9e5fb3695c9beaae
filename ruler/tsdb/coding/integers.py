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
from ruler.tsdb.coding.kin import find_kin, join_kin, part_from_kin
from ruler.tsdb.coding.packing import expansion, joined, parted, squeezed

Bytes = npt.NDArray[np.uint8]

WIDTHS: Final = (np.int8, np.int16, np.int32, np.int64)
WIDEST: Final = np.array([np.iinfo(width).max for width in WIDTHS[:-1]])
PIECE: Final = 1000  # residuals to a table: with fewer the tables weigh more, with more they fit less
# A column's key, by which columns are sorted: two bits of width, STEPS, five bits of how large residuals are.
STEPS: Final = np.uint8(0x20)  # residuals are differences from row to row
LARGEST: Final = 31
NONE: Final = np.empty(0, dtype=np.uint16)
KINDS: Final = 2 * len(WIDTHS)


def pack(constants: IntArray, columns: IntArray, level: int, *, compare: bool = False) -> bytes:
    """Compress the numbers of constant columns, and [columns × rows] that change (which are used up)."""
    kin = NONE
    if compare and (found := find_kin(columns)).any():
        part_from_kin(columns, kin := found)
    bases = np.concatenate((constants, columns[:, 0]))
    keys, shifts, residuals = _residuals(columns)
    order = np.argsort(keys, kind="stable")
    piece = max(PIECE, residuals.shape[1])
    parts = [squeezed(bases), squeezed(np.concatenate((keys, shifts))), squeezed(kin)]
    start = 0
    for width, (levels, steps) in zip(WIDTHS, _counts(keys), strict=True):
        end = start + levels + steps
        parts.append(squeezed(residuals[order[start:end]].astype(width), level, piece))
        start = end
    return joined(parts)


def unpack(data: bytes, constants: int, columns: int, rows: int) -> tuple[IntArray, IntArray, IntArray]:
    """The numbers of the constant columns, and an order of the others with [columns × rows] in that order.

    May raise ValueError.
    """
    based, described, related, *parts = parted(data, 3 + len(WIDTHS))
    bases = expansion(based, np.int64, constants + columns)
    keys, shifts = expansion(described, np.uint8, 2 * columns).reshape(2, columns)
    order = np.argsort(keys, kind="stable")
    numbers = np.zeros((columns, rows), dtype=np.int64)
    start = 0
    for width, (levels, steps), part in zip(WIDTHS, _counts(keys), parts, strict=True):
        middle, end = start + levels, start + levels + steps
        residuals = expansion(part, width, (end - start) * (rows - 1)).reshape(end - start, rows - 1)
        numbers[start:middle, 1:] = residuals[:levels]
        np.cumsum(residuals[levels:], axis=1, dtype=np.int64, out=numbers[middle:end, 1:])
        start = end
    numbers <<= (shifts[order] & np.uint8(63)).astype(np.int64)[:, None]
    numbers += bases[constants:][order, None]
    if related:
        join_kin(numbers, order, expansion(related, np.uint16, columns))
    return bases[:constants], order, numbers


def _residuals(columns: IntArray) -> tuple[Bytes, Bytes, IntArray]:
    """For each column its key, how many low bits are left out, and its residuals."""
    rises = columns - columns[:, :1]
    low = np.bitwise_or.reduce(rises, axis=1).view(np.uint64)
    shifts = np.minimum(np.bitwise_count((low & (~low + np.uint64(1))) - np.uint64(1)), np.uint8(63))
    rises >>= shifts.astype(np.int64)[:, None]
    levels, steps = rises[:, 1:], np.diff(rises, axis=1)
    rows = max(1, levels.shape[1])
    # A sum that overflows chooses the worse of two ways, no more.
    around = np.abs(levels - (levels.sum(axis=1) // rows)[:, None]).sum(axis=1)
    between = np.abs(steps).sum(axis=1)
    noisy = np.flatnonzero(around < between)
    steps[noisy] = levels[noisy]
    extent = np.maximum(steps.max(axis=1, initial=0), ~steps.min(axis=1, initial=0))
    typical = np.maximum(np.minimum(around, between), 0) / rows
    keys = np.minimum(2 * np.log2(1 + typical), LARGEST).astype(np.uint8)
    keys |= np.searchsorted(WIDEST, extent).astype(np.uint8) << np.uint8(6) | STEPS
    keys[noisy] ^= STEPS
    return keys, shifts, steps


def _counts(keys: Bytes) -> list[list[int]]:
    """How many columns there are of each width: those with levels, those with steps."""
    counts: list[list[int]] = np.bincount(keys >> np.uint8(5), minlength=KINDS).reshape(-1, 2).tolist()
    return counts
