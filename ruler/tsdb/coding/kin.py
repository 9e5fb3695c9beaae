"""Columns that move with another: a copy, a sum and its parts, counters of the same packets at two places.

A column with a kin is kept as what remains after the kin is taken away or added. A kin has no kin itself, so all of
that is undone in one step. Every column is compared with every other: for blocks that may take their time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import IntArray

Kin = npt.NDArray[np.uint16]  # for each column 2 × (its kin + 1), plus 1 if the kin was added, or 0

SAMPLED: Final = 64  # rows that columns are compared by
MOST: Final = 128  # columns: comparing more would take too long
LEAST: Final = 0.05  # bits a row, and part of what a column takes by itself: saving less is not worth it


def find_kin(columns: IntArray) -> Kin:
    """A kin for each of the columns [columns × rows] that it is worth it for."""
    count, rows = columns.shape
    kin = np.zeros(count, dtype=np.uint16)
    if not (1 < count <= MOST and rows > SAMPLED):
        return kin
    at = np.arange(SAMPLED) * (rows - 1) // SAMPLED
    steps = _centred(columns[:, at + 1] - columns[:, at])
    alone = np.minimum(_bits(steps), _bits(_centred(columns[:, at] - columns[:, :1])))
    saved = np.empty((2, count, count), dtype=np.float32)  # [added × kin × column]
    for other, step in enumerate(steps):
        saved[0, other], saved[1, other] = alone - _bits(steps - step), alone - _bits(steps + step)
    added, saved = saved.argmax(axis=0), saved.max(axis=0)
    saved[saved < np.maximum(LEAST, LEAST * alone)] = 0
    np.fill_diagonal(saved, 0)
    best, chosen = np.zeros(count, dtype=np.float32), np.zeros((count, 1), dtype=np.bool_)
    for _ in range(count):  # as often as there are kin to choose
        gains = np.maximum(saved - best, 0).sum(axis=1) - best
        root = int(gains.argmax())
        if gains[root] < LEAST:
            break
        chosen[root] = True
        saved[:, root] = best[root] = 0
        best = np.maximum(best, saved[root])
    saved *= chosen
    related = np.flatnonzero(saved.any(axis=0))
    kin[related] = 2 * (saved.argmax(axis=0)[related] + 1)
    kin[related] += added[kin[related] // 2 - 1, related].astype(np.uint16)
    return kin


def part_from_kin(columns: IntArray, kin: Kin) -> None:
    """Leave of each column what its kin does not say."""
    related = np.flatnonzero(kin)
    other, added = kin[related] // 2 - 1, 1 - 2 * (kin[related] % 2).astype(np.int64)
    columns[related] -= added[:, None] * columns[other]


def _centred(numbers: IntArray) -> npt.NDArray[np.float32]:
    centred: npt.NDArray[np.float32] = (numbers - np.median(numbers, axis=1, keepdims=True)).astype(np.float32)
    return centred


def _bits(differences: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    bits: npt.NDArray[np.float32] = np.log2(1 + np.abs(differences)).mean(axis=1)
    return bits
