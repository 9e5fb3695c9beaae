"""Query results as Prometheus's JSON. Series are written by kernels, a piece at a time; the rest is little.

Values follow Prometheus's util/jsonutil: decimal, without a point where whole, an exponent below 1e-6 and from 1e21 on
(never in a scalar), `NaN`, `+Inf`, `-Inf`; timestamps are seconds, with three decimals where they are not whole.
Between two pieces a query may still be stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import orjson

from ruler.kernels.text.answers import Answer
from ruler.kernels.text.digits import seconds
from ruler.kernels.text.labels import label_sets
from ruler.model.arrays import IntArray
from ruler.model.golang import format_float
from ruler.model.result import Matrix, Result, Scalar, String, Vector
from ruler.model.table import LabelTable
from ruler.promql.workers import in_parallel, processors

WORTH_IT: Final = 1 << 13  # points from which on more processors write them
MOST_PARTS: Final = 8  # of an answer that several write

_HEAD: Final = b'{"status":"success","data":{"resultType":"%b","result":['
_TAIL: Final = b"]}}"
_VECTOR, _MATRIX, _SCALAR = _HEAD % b"vector", _HEAD % b"matrix", _HEAD % b"scalar" + b'%b,"%b"'


def encode_result(result: Result) -> bytes:
    """The whole answer to a query: `{"status":"success","data":{…},…}`."""
    return b"".join(encoded_pieces(result))


def encoded_pieces(result: Result, check: Callable[[], None] = lambda: None, stats: bytes = b"") -> list[bytes]:
    """The same in pieces, between which `check` may raise. `stats` is an object that goes with the data."""
    value = result.value
    tail = _tail(result, stats) if stats or result.warnings or result.infos else _TAIL
    if isinstance(value, Vector):
        head, time, times, offsets = _VECTOR, value.time, None, None
    elif isinstance(value, Matrix):
        head, time, times, offsets = _MATRIX, 0, value.times, value.offsets
    else:
        return [_told(value) + tail]
    if len(value.values) >= WORTH_IT:
        return [head, *_written_by_many(value, check), tail]
    names, codes, text = value.table.names, value.table.codes, value.table.strings.text
    return _written(Answer(names, codes, text, value.values, time, times, offsets, head, tail), check)


def encode_labels(table: LabelTable) -> list[bytes]:
    """Each series' labels as a JSON object."""
    return label_sets(table.names, table.codes, table.strings.text)


def _tail(result: Result, stats: bytes) -> bytes:
    pieces = [b'],"stats":%b}' % stats if stats else b"]}"]
    for name, notes in ((b"warnings", result.warnings), (b"infos", result.infos)):
        if notes:
            pieces.append(b',"%b":%b' % (name, orjson.dumps(notes)))
    return b"".join((*pieces, b"}"))


def _told(value: Scalar | String) -> bytes:
    if isinstance(value, String):
        return _HEAD % b"string" + b"%b,%b" % (seconds(value.time), orjson.dumps(value.value))
    return _SCALAR % (seconds(value.time), format_float(value.value).encode())


def _written(answer: Answer, check: Callable[[], None]) -> list[bytes]:
    pieces = []
    for piece in answer:
        pieces.append(piece)
        check()
    return pieces


def _written_by_many(value: Vector | Matrix, check: Callable[[], None]) -> list[bytes]:
    """The pieces of all series, written a part on each processor."""
    names, codes, text = value.table.names, value.table.codes, value.table.strings.text
    if isinstance(value, Vector):
        slices = _parts(np.arange(len(codes) + 1))
        parts = [Answer(names, codes[part], text, value.values[part], value.time) for part in slices]
    else:
        slices = _parts(value.offsets)
        offsets = [value.offsets[part.start : part.stop + 1] for part in slices]
        parts = [
            Answer(names, codes[part], text, value.values, 0, value.times, of)
            for part, of in zip(slices, offsets, strict=True)
        ]
    written: list[list[bytes]] = [[] for _ in parts]

    def write(part: int) -> None:
        written[part] = _written(parts[part], check)

    in_parallel([partial(write, part) for part in range(len(parts))])
    pieces: list[bytes] = []
    for each in written:
        if pieces and each:
            pieces.append(b",")
        pieces += each
    return pieces


def _parts(offsets: IntArray) -> list[slice]:
    """Series that have points up to these, in parts that have as many."""
    parts = min(processors(), MOST_PARTS)
    cuts = np.searchsorted(offsets, np.linspace(0, offsets[-1], parts + 1)).tolist()
    return [slice(low, high) for low, high in pairwise((0, *cuts[1:-1], len(offsets) - 1))]
