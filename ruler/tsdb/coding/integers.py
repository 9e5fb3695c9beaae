"""Columns of 64-bit integers, compressed: what a block of cells or times becomes once only numbers are left.

A column is its first number, then residuals: the differences from row to row, or to the first number where those are
smaller (noise around a level). Low bits that are zero in all of them (bytes counted in pages or sectors) are left out.
Residuals of one width lie together, columns with residuals of like size side by side, and about a thousand share a
table of pcodec. Arithmetic is modulo 2⁶⁴, so nothing is lost whatever the numbers are.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import IntArray
from ruler.tsdb.coding.kin import Kin, find_kin, part_from_kin
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


class Packed(NamedTuple):
    """Packed is what lies in the parts of a block: bases, keys and shifts, kin, and the residuals of each width."""

    bases: IntArray
    keys_and_shifts: Bytes
    kin: Kin
    residuals: tuple[npt.NDArray[Any], ...]


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


def unpack(data: bytes, constants: int, columns: int, rows: int) -> Packed:
    """What was packed of so many constant and other columns, for the kernel that undoes it. May raise ValueError."""
    based, described, related, *parts = parted(data, 3 + len(WIDTHS))
    keys_and_shifts = expansion(described, np.uint8, 2 * columns)
    counts = [(levels + steps) * (rows - 1) for levels, steps in _counts(keys_and_shifts[:columns])]
    return Packed(
        expansion(based, np.int64, constants + columns),
        keys_and_shifts,
        expansion(related, np.uint16, columns if related else 0),
        tuple(map(expansion, parts, WIDTHS, counts)),
    )


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
