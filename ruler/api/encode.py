"""Query results as Prometheus's JSON. Mostly number formatting, so numbers are formatted an array at a time.

Values follow Prometheus's util/jsonutil: decimal, without a point where whole, an exponent below 1e-6 and from 1e21 on
(never in a scalar), `NaN`, `+Inf`, `-Inf`; timestamps are seconds, with three decimals where they are not whole. Large
results are written in pieces, and between two of them the query may still be stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import orjson

from ruler.model.arrays import FloatArray, IntArray
from ruler.model.golang import format_float
from ruler.model.numbers import number_texts
from ruler.model.result import Matrix, Result, Scalar, String, Value, Vector
from ruler.model.table import LabelTable

PIECE: Final = 1 << 15  # values or series written at once
FEW: Final = 8  # series up to which labels are looked up one by one


def encode_result(result: Result) -> bytes:
    """The whole answer to a query: `{"status":"success","data":{…},…}`."""
    return b"".join(encoded_pieces(result, lambda: None))


def encoded_pieces(result: Result, check: Callable[[], None], stats: bytes = b"") -> list[bytes]:
    """The same in pieces, after each of which `check` may raise; `stats` is an object to go with the data."""
    parts: list[bytes] = []
    size = 0
    for piece in _pieces(result, stats):
        parts.append(piece)
        size += len(piece)
        if size >= PIECE:
            check()
            parts, size = [b"".join(parts)], 0  # noqa: PLW2901
    return [b"".join(parts)]
