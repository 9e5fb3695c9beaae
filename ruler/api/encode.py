"""Query results as Prometheus's JSON. Series are written by kernels, a piece at a time; the rest is little.

Values follow Prometheus's util/jsonutil: decimal, without a point where whole, an exponent below 1e-6 and from 1e21 on
(never in a scalar), `NaN`, `+Inf`, `-Inf`; timestamps are seconds, with three decimals where they are not whole.
Between two pieces a query may still be stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import orjson

from ruler.kernels.text.answers import Answer
from ruler.kernels.text.digits import seconds
from ruler.kernels.text.labels import label_sets
from ruler.model.golang import format_float
from ruler.model.result import Result, Scalar, String, Value, Vector
from ruler.model.table import LabelTable

JOINED: Final = 1 << 16  # bytes of an answer up to which it is one piece


def encode_result(result: Result) -> bytes:
    """The whole answer to a query: `{"status":"success","data":{…},…}`."""
    return b"".join(encoded_pieces(result))


def encoded_pieces(result: Result, check: Callable[[], None] = lambda: None, stats: bytes = b"") -> list[bytes]:
    """The same in pieces, between which `check` may raise. `stats` is an object that goes with the data."""
    kind, values = _value(result.value)
    pieces = [b'{"status":"success","data":{"resultType":"%b","result":[' % kind]
    for piece in values:
        check()
        pieces.append(piece)
    end = [b'],"stats":' + stats + b"}" if stats else b"]}"]
    for name, notes in ((b"warnings", result.warnings), (b"infos", result.infos)):
        if notes:
            end.append(b',"%b":%b' % (name, orjson.dumps(notes)))
    pieces.append(b"".join(end) + b"}")
    return pieces if sum(map(len, pieces)) > JOINED else [b"".join(pieces)]


def encode_labels(table: LabelTable) -> list[bytes]:
    """Each series' labels as a JSON object."""
    return label_sets(table.names, table.codes, table.strings.text)


def _value(value: Value) -> tuple[bytes, Iterable[bytes]]:
    """What a value is called, and what stands between its brackets."""
    if isinstance(value, Scalar):
        return b"scalar", (b'%b,"%b"' % (seconds(value.time), format_float(value.value).encode()),)
    if isinstance(value, String):
        return b"string", (b"%b,%b" % (seconds(value.time), orjson.dumps(value.value)),)
    table = value.table
    if isinstance(value, Vector):
        return b"vector", Answer(table.names, table.codes, table.strings.text, value.values, value.time)
    return b"matrix", Answer(
        table.names, table.codes, table.strings.text, value.values, times=value.times, offsets=value.offsets
    )
