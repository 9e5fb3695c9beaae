"""Query results as Prometheus's JSON. Series are written by kernels, a piece at a time; the rest is little.

Values follow Prometheus's util/jsonutil: decimal, without a point where whole, an exponent below 1e-6 and from 1e21 on
(never in a scalar), `NaN`, `+Inf`, `-Inf`; timestamps are seconds, with three decimals where they are not whole.
Between two pieces a query may still be stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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
from ruler.model.result import Result, Scalar, String, Value, Vector
from ruler.model.table import LabelTable
from ruler.promql.workers import in_parallel

JOINED: Final = 1 << 16  # bytes of an answer up to which it is one piece
WORTH_IT: Final = 1 << 13  # points from which on more processors write them
PARTS: Final = 4  # of an answer that several write


def encode_result(result: Result) -> bytes:
    """The whole answer to a query: `{"status":"success","data":{…},…}`."""
    return b"".join(encoded_pieces(result))


def encoded_pieces(result: Result, check: Callable[[], None] = lambda: None, stats: bytes = b"") -> list[bytes]:
    """The same in pieces, between which `check` may raise. `stats` is an object that goes with the data."""
    kind, values = _value(result.value)
    pieces = [b'{"status":"success","data":{"resultType":"%b","result":[' % kind, *_written(values, check)]
    end = [b'],"stats":' + stats + b"}" if stats else b"]}"]
    for name, notes in ((b"warnings", result.warnings), (b"infos", result.infos)):
        if notes:
            end.append(b',"%b":%b' % (name, orjson.dumps(notes)))
    pieces.append(b"".join(end) + b"}")
    return pieces if sum(map(len, pieces)) > JOINED else [b"".join(pieces)]


def encode_labels(table: LabelTable) -> list[bytes]:
    """Each series' labels as a JSON object."""
    return label_sets(table.names, table.codes, table.strings.text)


def _value(value: Value) -> tuple[bytes, list[Iterable[bytes]]]:
    """What a value is called, and what stands between its brackets: parts, with commas between."""
    if isinstance(value, Scalar):
        return b"scalar", [(b'%b,"%b"' % (seconds(value.time), format_float(value.value).encode()),)]
    if isinstance(value, String):
        return b"string", [(b"%b,%b" % (seconds(value.time), orjson.dumps(value.value)),)]
    names, codes, text = value.table.names, value.table.codes, value.table.strings.text
    if isinstance(value, Vector):
        if len(codes) < WORTH_IT:
            return b"vector", [Answer(names, codes, text, value.values, value.time)]
        parts = _parts(np.arange(len(codes) + 1))
        return b"vector", [Answer(names, codes[part], text, value.values[part], value.time) for part in parts]
    if len(value.values) < WORTH_IT:
        return b"matrix", [Answer(names, codes, text, value.values, times=value.times, offsets=value.offsets)]
    return b"matrix", [
        Answer(
            names,
            codes[part],
            text,
            value.values,
            times=value.times,
            offsets=value.offsets[part.start : part.stop + 1],
        )
        for part in _parts(value.offsets)
    ]


def _parts(offsets: IntArray) -> list[slice]:
    """Series that have points up to these, in parts that have as many."""
    cuts = np.searchsorted(offsets, np.linspace(0, offsets[-1], PARTS + 1)).tolist()
    return [slice(low, high) for low, high in pairwise((0, *cuts[1:-1], len(offsets) - 1))]


def _written(parts: Sequence[Iterable[bytes]], check: Callable[[], None]) -> list[bytes]:
    """The pieces of all parts."""
    if len(parts) == 1:
        return list(_checked(parts[0], check))
    written: list[list[bytes]] = [[] for _ in parts]

    in_parallel([partial(into.extend, _checked(part, check)) for part, into in zip(parts, written, strict=True)])
    pieces: list[bytes] = []
    for each in written:
        if pieces and each:
            pieces.append(b",")
        pieces += each
    return pieces


def _checked(pieces: Iterable[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    for piece in pieces:
        check()
        yield piece
