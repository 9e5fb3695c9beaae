"""CSV (RFC 4180), one sample a row: labels, value and time in the columns that a header or a `format` says.

An empty label is an absent one. An empty value is a stale marker in a file with our header, which pandas and DuckDB
read as a missing number, and no sample in a file that a `format` describes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from common.labels import METRIC_NAME, Labels
from ruler.model.arrays import IntArray
from ruler.model.numbers import number_texts
from ruler.transfer.csvcolumns import CLOCKS, TIME, VALUE, BadColumns, Column, Kind, headed
from ruler.transfer.csvrows import DescribedRows
from ruler.transfer.keyed import KeyedLines, Row
from ruler.transfer.lines import MAX_LINE, batches, whole_rows
from ruler.transfer.series import BadLine, SeriesSamples, shown
from ruler.transfer.write import interleaved, odd_texts


def header(labels: Iterable[str]) -> tuple[str, ...]:
    """The columns of an export with these labels: the name first, value and time last."""
    rest = [label for label in labels if label != METRIC_NAME]
    return (METRIC_NAME, *rest, VALUE, f"{TIME}:unix_ms")


def write(series: Iterable[SeriesSamples], names: Sequence[str]) -> Iterator[bytes]:
    """The samples as CSV with these columns (`headed` checks them), after a header that names them."""
    columns = headed(names)
    yield ",".join(map(_field, names)).encode() + b"\n"
    times: list[bytes] = []
    times_of: IntArray | None = None
    clock = next((CLOCKS[column.which] for column in columns if column.kind is Kind.TIME), None)
    for each in series:
        if clock is not None and each.times is not times_of:  # columns without gaps share their times
            times, times_of = clock.write(each.times), each.times
        values = number_texts(each.values)
        for place, text in odd_texts(each.values, nan=b"NaN", infinity=b"+Inf", stale=b""):
            values[place] = text
        yield interleaved(_parts(columns, each.labels, values, times), len(values))


def _parts(
    columns: Sequence[Column], labels: Labels, values: list[bytes], times: list[bytes]
) -> list[bytes | list[bytes]]:
    """A row as what it has in common with the series' other rows, and lists of what it has not."""
    parts: list[bytes | list[bytes]] = []
    fixed = ""
    for place, column in enumerate(columns):
        fixed += "," if place else ""
        if column.kind is Kind.LABEL:
            fixed += _field(labels.get(column.which, ""))
            continue
        parts += [fixed.encode(), values if column.kind is Kind.METRIC else times]
        fixed = ""
    parts.append(f"{fixed}\n".encode())
    return [part for part in parts if part]


def _field(text: str) -> str:
    if any(mark in text for mark in '",\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def parse(
    chunks: Iterable[bytes], columns: Sequence[Column] | None, now: int, *, max_line: int = MAX_LINE
) -> Iterator[SeriesSamples]:
    """What CSV rows say; without `columns` the first row is a header. Rows without a time are of `now`.

    Raises BadLine, after what came before it.
    """
    rows = whole_rows(batches(chunks, max_line), max_line)
    if columns is not None:
        yield from DescribedRows(columns, now, stale=False).read(rows)
        return
    number, lines = next((batch for batch in rows if batch[1]), (1, [b""]))
    try:
        columns = headed(_fields(lines[0], number))
    except BadColumns as error:
        raise BadLine(str(error), line=number) from None
    rest = chain(((number, [b"", *lines[1:]]),), rows)
    if [column.kind for column in columns[-2:]] == [Kind.METRIC, Kind.TIME]:
        yield from KeyedLines(_Table(columns)).read(rest)
    else:
        yield from DescribedRows(columns, now, stale=True).read(rest)


def _fields(line: bytes, number: int) -> list[str]:
    """The fields of one row."""
    try:
        rows = list(csv.reader([line.decode()], strict=True))
    except (csv.Error, UnicodeDecodeError):
        raise BadLine(f"not CSV: {shown(line)}", line=number) from None
    return rows[0] if rows and rows[0] else [""]


class _Table:
    """The grammar of a file whose last columns are value and time, all before them labels."""

    separator = b","

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.which for column in columns[:-2]]
        self.times = CLOCKS[columns[-1].which].read

    def row(self, line: bytes, number: int) -> Row | None:
        if not line:
            return None
        parts = line.rsplit(b",", 2)
        if len(parts) < 3:
            raise BadLine(f"{len(parts)} columns of {len(self._names) + 2}: {shown(line)}", line=number)
        return Row(*parts)

    def labels(self, key: bytes, number: int) -> Labels:
        fields = _fields(key, number)
        if len(fields) != len(self._names):
            raise BadLine(f"{len(fields) + 2} columns of {len(self._names) + 2}: {shown(key)}", line=number)
        labels = Labels({name: field for name, field in zip(self._names, fields, strict=True) if name})
        if METRIC_NAME not in labels:
            raise BadLine(f"{METRIC_NAME}: empty: {shown(key)}", line=number)
        return labels
