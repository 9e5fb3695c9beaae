"""Parity: the XOR of neighbouring blocks, from which any one of them can be restored that is damaged."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

GROUP = 32  # blocks that share a parity: what it costs, and how near to one another two flips may be


class Parity:
    """A Parity adds up blocks of any sizes; it is as long as the longest of them."""

    def __init__(self, blocks: Iterable[bytes] = ()) -> None:
        self._sum: npt.NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
        self.count = 0
        for block in blocks:
            self.add(block)

    def add(self, block: bytes) -> None:
        if len(block) > len(self._sum):
            self._sum = np.concatenate([self._sum, np.zeros(len(block) - len(self._sum), np.uint8)])
        self._sum[: len(block)] ^= np.frombuffer(block, dtype=np.uint8)
        self.count += 1

    def __bytes__(self) -> bytes:
        return self._sum.tobytes()
