"""Query results as Prometheus's JSON. Mostly number formatting, so numbers are formatted an array at a time.

Values follow Prometheus's util/jsonutil: decimal, without a point where whole, an exponent below 1e-6 and from 1e21 on
(never in a scalar), `NaN`, `+Inf`, `-Inf`; timestamps are seconds, with three decimals where they are not whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import orjson

from ruler.model.arrays import FloatArray, IntArray
from ruler.model.golang import format_float
from ruler.model.numbers import number_texts
from ruler.model.result import Matrix, Result, Scalar, String, Value, Vector
from ruler.model.table import LabelTable

POINTS_AT_ONCE = 1 << 14


def encode_result(result: Result) -> bytes:
    """The whole answer to a query: `{"status":"success","data":{…},…}`."""
    kind, body = _value(result.value)
    parts = [b'{"status":"success","data":{"resultType":"', kind, b'","result":', body, b"}"]
    for name, notes in (("warnings", result.warnings), ("infos", result.infos)):
        if notes:
            parts += [b',"', name.encode(), b'":', orjson.dumps(list(notes))]
    parts.append(b"}")
    return b"".join(parts)


def format_value(value: float) -> str:
    """One sample value as the API writes it in vectors and matrices."""
    plain = value == 0 or 1e-6 <= abs(value) < 1e21
    return format_float(value, "f" if plain else "e")


def format_values(values: FloatArray) -> list[bytes]:
    """Every value of an array as the API writes it."""
    size = np.abs(values)
    with np.errstate(invalid="ignore"):
        odd = ~((size >= 1e-4) & (size < 1e15)) & (size != 0)
    texts = number_texts(values)
    for index in np.flatnonzero(odd).tolist():
        texts[index] = format_value(float(values[index])).encode()
    return texts


def format_times(times: IntArray) -> list[bytes]:
    """Times (ms) as JSON numbers of seconds."""
    return [_seconds(time) for time in times.tolist()]


def _seconds(time: int) -> bytes:
    sign, time = (b"-", -time) if time < 0 else (b"", time)
    whole, rest = divmod(time, 1000)
    return sign + (b"%d.%03d" % (whole, rest) if rest else b"%d" % whole)


def encode_labels(table: LabelTable) -> list[bytes]:
    """Each series' labels as a JSON object; every distinct name and value is escaped once."""
    texts: dict[int, bytes] = {}
    columns = []
    for index, name in enumerate(table.names):
        codes = table.codes[:, index]
        for code in np.unique(codes).tolist():
            if code not in texts:
                texts[code] = orjson.dumps(table.strings.text(code))
        prefix = orjson.dumps(name) + b":"
        columns.append([prefix + texts[code] if code else b"" for code in codes.tolist()])
    if not columns:
        return [b"{}"] * len(table)
    return [b"{" + b",".join(filter(None, row)) + b"}" for row in zip(*columns, strict=True)]


def _value(value: Value) -> tuple[bytes, bytes]:
    if isinstance(value, Scalar):
        return b"scalar", b"[" + _seconds(value.time) + b',"' + format_float(value.value).encode() + b'"]'
    if isinstance(value, String):
        return b"string", b"[" + _seconds(value.time) + b"," + orjson.dumps(value.value) + b"]"
    if isinstance(value, Vector):
        return b"vector", _vector(value)
    return b"matrix", _matrix(value)


def _vector(vector: Vector) -> bytes:
    middle = b',"value":[' + _seconds(vector.time) + b',"'
    rows = zip(encode_labels(vector.table), format_values(vector.values), strict=True)
    return _list([b'{"metric":' + labels + middle + value + b'"]}' for labels, value in rows])


def _matrix(matrix: Matrix) -> bytes:
    """Every series with its points; a run of series at a time, so that what a run needs stays in the cache."""
    heads = [b'{"metric":' + labels + b',"values":[' for labels in encode_labels(matrix.table)]
    offsets, items = matrix.offsets, list[bytes]()
    low = 0
    while low < len(heads):
        high = max(low + 1, int(np.searchsorted(offsets, offsets[low] + POINTS_AT_ONCE, side="right")) - 1)
        points = slice(offsets[low], offsets[high])
        bounds = (offsets[low : high + 1] - offsets[low]).tolist()
        items += _rows(heads[low:high], bounds, matrix.times[points], format_values(matrix.values[points]))
        low = high
    return _list(items)


def _rows(heads: list[bytes], bounds: list[int], times: IntArray, values: list[bytes]) -> Iterator[bytes]:
    """Some series, the points of series i being those from `bounds[i]` to `bounds[i + 1]`."""
    pairs = list(pairwise(bounds))
    width = bounds[1]
    if width and len(times) == width * len(heads) and (times.reshape(-1, width) == times[:width]).all():
        form = b",".join([_point(time) for time in format_times(times[:width])])
        return (head + form % tuple(values[low:high]) + b"]}" for head, (low, high) in zip(heads, pairs, strict=True))
    distinct, places = np.unique(times, return_inverse=True)
    points = [_point(time) for time in format_times(distinct)]
    forms = list(map(points.__getitem__, places.tolist()))
    return (
        head + b",".join(forms[low:high]) % tuple(values[low:high]) + b"]}"
        for head, (low, high) in zip(heads, pairs, strict=True)
        if high > low
    )


def _point(time: bytes) -> bytes:
    """A point at this time, with a place for its value."""
    return b"[" + time + b',"%b"]'


def _list(items: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"
