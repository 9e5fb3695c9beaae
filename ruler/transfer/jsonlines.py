"""VictoriaMetrics's JSON lines: one line for samples of one series, as its /api/v1/export and /import speak them.

    {"metric":{"__name__":"up","job":"node"},"values":[1,null],"timestamps":[1700000000000,1700000015000]}

`null` is a stale marker (VictoriaMetrics keeps no other NaN, and exports markers so), "NaN", "Infinity" and "-Infinity"
are what they say. VictoriaMetrics drops "NaN" and `null` when it imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
import orjson

from common.labels import METRIC_NAME, Labels
from ruler.model.arrays import NAN, STALE, FloatArray, IntArray
from ruler.model.numbers import joined_texts
from ruler.transfer.lines import MAX_LINE, batches
from ruler.transfer.series import BadLine, SeriesSamples, shown
from ruler.transfer.write import odd_texts

ROWS_PER_LINE = 100_000  # keeps a line below what importers take

_WORDS = {
    "null": STALE,
    "Null": STALE,
    **dict.fromkeys(("nan", "NaN"), NAN),
    **dict.fromkeys(("infinity", "Infinity", "Inf", "inf"), np.inf),
    **dict.fromkeys(("-infinity", "-Infinity", "-Inf", "-inf"), -np.inf),
}


def write(series: Iterable[SeriesSamples], *, rows_per_line: int = ROWS_PER_LINE) -> Iterator[bytes]:
    """The samples as JSON lines of at most `rows_per_line` samples each."""
    written = b""
    written_of: IntArray | None = None
    for each in series:
        metric = orjson.dumps(dict(each.labels))
        for first in range(0, len(each), rows_per_line):
            part = each if len(each) <= rows_per_line else each.from_row(first, first + rows_per_line)
            if part.times is not written_of:  # columns without gaps share their times
                written, written_of = joined_texts(part.times), part.times
            values = _values(part.values)
            yield b'{"metric":%b,"values":[%b],"timestamps":[%b]}\n' % (metric, values, written)


def _values(values: FloatArray) -> bytes:
    text = joined_texts(values)
    if b"-0" in text:  # which JSON parsers read as the integer 0
        text = (text + b",").replace(b"-0,", b"-0.0,")[:-1]
    if np.isfinite(values).all():
        return text
    texts = text.split(b",")
    for place, word in odd_texts(values, nan=b'"NaN"', infinity=b"Infinity", stale=b"null"):
        texts[place] = b'"%b"' % word if word.endswith(b"Infinity") else word
    return b",".join(texts)


class _Line(msgspec.Struct, gc=False):
    metric: dict[str, str]
    values: list[float]
    timestamps: list[int]


class _WordyLine(msgspec.Struct, gc=False):
    metric: dict[str, str]
    values: list[float | str | None]
    timestamps: list[int]


_line = msgspec.json.Decoder(_Line)
_wordy_line = msgspec.json.Decoder(_WordyLine)


def parse(chunks: Iterable[bytes], *, max_line: int = MAX_LINE) -> Iterator[SeriesSamples]:
    """What JSON lines say; raises BadLine, after what came before it."""
    for number, lines in batches(chunks, max_line):
        for place, line in enumerate(lines):
            if line and not line.isspace():
                yield _parsed(line, number + place)


def _parsed(line: bytes, number: int) -> SeriesSamples:
    try:
        plain = _line.decode(line)
        values = np.array(plain.values, dtype=np.float64)
        metric, timestamps = plain.metric, plain.timestamps
    except msgspec.DecodeError:  # words among the values, or not such a line at all
        metric, values, timestamps = _wordy(line, number)
    if not metric.get(METRIC_NAME):
        raise BadLine(f"metric: no __name__: {shown(str(metric))}", line=number)
    if len(values) != len(timestamps):
        raise BadLine(f"values and timestamps: {len(values)} and {len(timestamps)} of them", line=number)
    try:
        times = np.array(timestamps, dtype=np.int64)
    except OverflowError:
        raise BadLine("timestamps: not a time in ms: one does not fit in 64 bits", line=number) from None
    return SeriesSamples(Labels(metric), times, values)


def _wordy(line: bytes, number: int) -> tuple[dict[str, str], FloatArray, list[int]]:
    try:
        found = _wordy_line.decode(line)
    except msgspec.DecodeError as error:
        raise BadLine(_where_first(str(error)), line=number) from None
    values = np.empty(len(found.values), dtype=np.float64)
    for place, value in enumerate(found.values):
        if isinstance(value, float):
            values[place] = value
            continue
        word = STALE if value is None else _WORDS.get(value)
        if word is None:
            raise BadLine(f"values[{place}]: not a number: {shown(str(value))}", line=number)
        values[place] = word
    return found.metric, values, found.timestamps


def _where_first(problem: str) -> str:
    """msgspec's `what - at `$.where`` as `where: what`."""
    what, _, where = problem.partition(" - at `$")
    what = what.removeprefix("JSON is ")
    what = what[:1].lower() + what[1:]
    return f"{where.strip('.`')}: {what}" if where else f"not JSON of an export: {what}"
