"""What the writers of formats share: lines put together from lists, and the words for values that are no numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ruler.model.arrays import FloatArray, is_stale


def interleaved(parts: Sequence[bytes | list[bytes]], count: int) -> bytes:
    """`count` rows of these parts one after the other: a list has a text for each row, bytes are in all of them."""
    width = len(parts)
    texts: list[bytes] = [b""] * (width * count)
    for place, part in enumerate(parts):
        texts[place::width] = [part] * count if isinstance(part, bytes) else part
    return b"".join(texts)


def odd_texts(values: FloatArray, *, nan: bytes, infinity: bytes, stale: bytes) -> Iterator[tuple[int, bytes]]:
    """(place, text) of each value that is not finite; -Inf is written like +Inf, with a minus."""
    odd = ~np.isfinite(values)
    if not odd.any():
        return
    ended = is_stale(values)
    for place in np.flatnonzero(odd).tolist():
        if ended[place]:
            yield place, stale
        elif np.isnan(values[place]):
            yield place, nan
        else:
            yield place, infinity if values[place] > 0 else b"-" + infinity.removeprefix(b"+")
