"""Query results as Prometheus's JSON. Mostly number formatting, so numbers are formatted an array at a time.

Values follow Prometheus's util/jsonutil: decimal, without a point where whole, an exponent below 1e-6 and from 1e21 on
(never in a scalar), `NaN`, `+Inf`, `-Inf`; timestamps are seconds, with three decimals where they are not whole. Large
results are written in pieces, and between two of them a query may still be stopped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
import orjson

from ruler.model.arrays import FloatArray, IntArray
from ruler.model.golang import format_float
from ruler.model.numbers import number_texts
from ruler.model.result import Matrix, Result, Scalar, String, Value, Vector
from ruler.model.table import LabelTable

PIECE: Final = 1 << 14  # values or series that are written at once
FEW: Final = 8  # series whose labels are looked up one by one
MOST_FORMS: Final = 1 << 17
JOINED: Final = 1 << 16  # bytes of an answer up to which it is one piece


def encode_result(result: Result) -> bytes:
    """The whole answer to a query: `{"status":"success","data":{…},…}`."""
    return b"".join(encoded_pieces(result))


def encoded_pieces(result: Result, check: Callable[[], None] = lambda: None, stats: bytes = b"") -> list[bytes]:
    """The same in pieces, between which `check` may raise. `stats` is an object that goes with the data."""
    kind, values = _value(result.value)
    pieces = [b'{"status":"success","data":{"resultType":"' + kind + b'","result":']
    for piece in values:
        check()
        pieces.append(piece)
    end = [b',"stats":' + stats + b"}" if stats else b"}"]
    for name, notes in ((b"warnings", result.warnings), (b"infos", result.infos)):
        if notes:
            end.append(b',"%b":%b' % (name, orjson.dumps(list(notes))))
    pieces.append(b"".join(end) + b"}")
    return pieces if sum(map(len, pieces)) > JOINED else [b"".join(pieces)]


def format_value(value: float) -> str:
    """One sample value as the API writes it in vectors and matrices."""
    plain = value == 0 or 1e-6 <= abs(value) < 1e21
    return format_float(value, "f" if plain else "e")


def format_values(values: FloatArray) -> list[bytes]:
    """Every value of an array as the API writes it."""
    texts = number_texts(values)
    if len(values) == 1:
        return [_rewritten(texts[0], float(values[0]))]
    size = np.abs(values)
    with np.errstate(invalid="ignore"):
        odd = ~((size >= 1e-4) & (size < 1e15)) & (size != 0)
    for index in odd.nonzero()[0].tolist():
        texts[index] = _rewritten(texts[index], values[index])
    return texts


def _rewritten(text: bytes, value: float) -> bytes:
    """A number as the API writes it, from the same as orjson does."""
    if text == b"null":
        return b"+Inf" if value > 0 else b"-Inf" if value < 0 else b"NaN"
    mantissa, has_exponent, exponent = text.partition(b"e")
    if not has_exponent:
        return text
    power = int(exponent)
    if not -6 <= power < 21:
        return b"%be%+03d" % (mantissa.removesuffix(b".0"), power)
    sign = b"-" if mantissa.startswith(b"-") else b""
    digits = mantissa[len(sign) :].replace(b".", b"")
    if power < 0:
        return sign + b"0." + b"0" * (-power - 1) + digits
    return sign + digits.ljust(power + 1, b"0")


def _seconds(time: int) -> bytes:
    """A time (ms) as JSON number of seconds."""
    sign, time = (b"-", -time) if time < 0 else (b"", time)
    whole, rest = divmod(time, 1000)
    return sign + (b"%d.%03d" % (whole, rest) if rest else b"%d" % whole)


def encode_labels(table: LabelTable) -> list[bytes]:
    """Each series' labels as a JSON object; every distinct name and value is escaped once."""
    if len(table) <= FEW:
        text = table.strings.text
        return [
            b"{"
            + b",".join([_pair(name, text(code)) for name, code in zip(table.names, row, strict=True) if code])
            + b"}"
            for row in table.codes.tolist()
        ]
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


@lru_cache(maxsize=4096)  # a dashboard asks for the same again and again
def _pair(name: str, value: str) -> bytes:
    return orjson.dumps(name) + b":" + orjson.dumps(value)


def _value(value: Value) -> tuple[bytes, Iterator[bytes]]:
    if isinstance(value, Scalar):
        return b"scalar", iter((b"[" + _seconds(value.time) + b',"' + format_float(value.value).encode() + b'"]',))
    if isinstance(value, String):
        return b"string", iter((b"[" + _seconds(value.time) + b"," + orjson.dumps(value.value) + b"]",))
    if isinstance(value, Vector):
        return b"vector", _vector(value)
    return b"matrix", _matrix(value)


def _vector(vector: Vector) -> Iterator[bytes]:
    middle = b',"value":[' + _seconds(vector.time) + b',"'
    for low in range(0, len(vector.table), PIECE):
        some = slice(low, low + PIECE)
        rows = zip(encode_labels(vector.table.take(some)), format_values(vector.values[some]), strict=True)
        yield (b"," if low else b"[") + b",".join(
            [b'{"metric":' + labels + middle + value + b'"]}' for labels, value in rows]
        )
    yield b"]" if len(vector.table) else b"[]"


def _matrix(matrix: Matrix) -> Iterator[bytes]:
    """Every series with its points; a run of series at a time, so that what a run needs stays in the cache."""
    bounds = matrix.offsets.tolist()
    forms = _Forms()
    before = b"["
    for low, high in _runs(bounds):
        first, stop = bounds[low], bounds[high]
        heads = [
            b'{"metric":' + labels + b',"values":[' for labels in encode_labels(matrix.table.take(slice(low, high)))
        ]
        if stop - first <= PIECE:
            ends = [bound - first for bound in bounds[low : high + 1]]
            series = _rows(heads, ends, matrix.times[first:stop], format_values(matrix.values[first:stop]), forms)
            if not series:
                continue
            yield before + b",".join(series)
        else:
            yield before + heads[0]
            for at in range(first, stop, PIECE):
                some = slice(at, min(at + PIECE, stop))
                points = forms.of(matrix.times[some]) % tuple(format_values(matrix.values[some]))
                yield b"," + points if at > first else points
            yield b"]}"
        before = b","
    yield b"]" if before == b"," else b"[]"


def _runs(bounds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Series, from one up to another, that have no more than PIECE values together; or one that has more."""
    low, last = 0, len(bounds) - 1
    while low < last:
        high = min(max(low + 1, bisect_right(bounds, bounds[low] + PIECE) - 1), low + PIECE)
        yield low, high
        low = high


def _rows(heads: list[bytes], ends: list[int], times: IntArray, values: list[bytes], forms: _Forms) -> list[bytes]:
    """Some series, the points of series i being those from `ends[i]` to `ends[i + 1]`; none without points."""
    width = ends[1]
    if width and len(times) == width * len(heads) and (times.reshape(-1, width) == times[:width]).all():
        form = forms.of(times[:width]) + b"]}"
        return [head + form % tuple(values[low:high]) for head, (low, high) in zip(heads, pairwise(ends), strict=True)]
    points = list(map(forms.__getitem__, times.tolist()))
    return [
        head + b",".join(points[low:high]) % tuple(values[low:high]) + b"]}"
        for head, (low, high) in zip(heads, pairwise(ends), strict=True)
        if high > low
    ]


class _Forms(dict[int, bytes]):
    """A point with a place for its value, for each time (ms): most series have theirs at the same."""

    def of(self, times: IntArray) -> bytes:
        """The points at these times, with commas between."""
        return b",".join(map(self.__getitem__, times.tolist()))

    def __missing__(self, time: int) -> bytes:
        if len(self) >= MOST_FORMS:
            self.clear()
        form = self[time] = b"[" + _seconds(time) + b',"%b"]'
        return form
