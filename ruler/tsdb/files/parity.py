"""Parity: how damaged bytes are restored. Bytes are cut into segments, and some segments share the XOR of them all.

Neighbouring segments are in different groups, so that a damaged sector costs each group one segment at most. It takes
one byte in 32.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

SEGMENT = 2048
GROUP = 32  # segments that share a parity
STRETCH = 1 << 21  # bytes that are protected together: about as many, and less at the end

Bytes = npt.NDArray[np.uint8]


def protection(data: bytes) -> tuple[bytes, list[int]]:
    """The parity of some bytes, and the CRC-32 of each of their segments."""
    segments = _segments(data)
    groups = -(-len(segments) // GROUP)
    parity = [np.bitwise_xor.reduce(segments[group::groups], axis=0).tobytes() for group in range(groups)]
    return b"".join(parity), [zlib.crc32(segment) for segment in segments]


def restored(data: bytes, parity: bytes, checks: list[int]) -> bytes:
    """`data` with every damaged segment restored that is the only one of its group."""
    segments, parities = _segments(data), _segments(parity)
    groups = len(parities)
    bad = [number for number, segment in enumerate(segments) if zlib.crc32(segment) != checks[number]]
    for number in bad:
        group = number % groups
        if sum(each % groups == group for each in bad) == 1:
            others = [each for each in range(group, len(segments), groups) if each != number]
            segments[number] = np.bitwise_xor.reduce(segments[others], axis=0) ^ parities[group]
    return segments.tobytes()[: len(data)]


def _segments(data: bytes) -> Bytes:
    count = -(-len(data) // SEGMENT)
    padded = np.zeros(count * SEGMENT, dtype=np.uint8)
    padded[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    return padded.reshape(count, SEGMENT)
