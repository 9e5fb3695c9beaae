"""Arrays as bytes: the one door to pcodec, and the joining of parts into one block.

Nothing here believes a length that it reads: an array comes out with the count that its reader expects, and no more
memory than that, or it is a ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pcodec
from pcodec.standalone import simple_compress, simple_decompress_into

LENGTH: Final = struct.Struct("<I")
LEVEL: Final = 8  # for arrays of a number a column
WHOLE: Final = 1 << 18  # in one piece, as far as pcodec takes it


def squeezed(numbers: npt.NDArray[Any], level: int = LEVEL, piece: int = WHOLE) -> bytes:
    """The numbers, compressed as they are (no prediction), `piece` numbers or fewer to a table of frequencies."""
    if not numbers.size:
        return b""
    config = pcodec.ChunkConfig(
        compression_level=level,
        mode_spec=pcodec.ModeSpec.classic(),
        delta_spec=pcodec.DeltaSpec.no_op(),
        paging_spec=pcodec.PagingSpec.equal_pages_up_to(piece),
        enable_8_bit=True,
    )
    data: bytes = simple_compress(numbers.reshape(-1), config)
    return data


def expanded(data: bytes, numbers: npt.NDArray[Any]) -> None:
    """Fill a one-dimensional array with the numbers that were squeezed. May raise ValueError."""
    if not numbers.size:
        if data:
            raise ValueError(f"block: bytes where no number is expected: {len(data)}")
        return
    try:
        progress = simple_decompress_into(data, numbers)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"block: not what pcodec writes: {error}") from error
    if not progress.finished or progress.n_processed != numbers.size:
        raise ValueError(f"block: another count of numbers than expected: {progress.n_processed} of {numbers.size}")


def expansion(data: bytes, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
    """A new array of the `count` numbers that were squeezed. May raise ValueError."""
    numbers = np.empty(count, dtype=dtype)
    expanded(data, numbers)
    return numbers


def joined(parts: Sequence[bytes]) -> bytes:
    """The parts behind one another, their lengths in front."""
    return b"".join((*(LENGTH.pack(len(part)) for part in parts), *parts))


def parted(data: bytes | memoryview, count: int) -> list[bytes]:
    """The `count` parts that were joined. May raise ValueError."""
    at = LENGTH.size * count
    if len(data) < at:
        raise ValueError(f"block: shorter than its head: {len(data)} bytes")
    lengths = struct.unpack_from(f"<{count}I", data)
    if at + sum(lengths) != len(data):
        raise ValueError(f"block: {len(data)} bytes where {at + sum(lengths)} are expected")
    ends = [*accumulate(lengths, initial=at)]
    return [bytes(data[start:end]) for start, end in pairwise(ends)]
