"""The formats by name, and the two ways through them: a storage to bytes, bytes to an Importer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, Final

from common.labels import Labels
from ruler.storage import Queryable
from ruler.transfer import csvtable, exposition, jsonlines
from ruler.transfer.csvcolumns import Column
from ruler.transfer.lines import gathered
from ruler.transfer.read import CELLS, Matchers, label_names, read_series
from ruler.transfer.series import BadLine, Imported, Importer, SeriesSamples, distinct

CHUNK: Final = 1 << 20
SAMPLES_AT_ONCE: Final = 1 << 19  # handed to an importer
SERIES_AT_ONCE: Final = 20_000


class Format(StrEnum):
    """A Format is one that samples go out or come in by."""

    JSON = "json"
    OPENMETRICS = "openmetrics"
    CSV = "csv"
    PROMETHEUS = "prometheus"  # comes in only


EXPORTS: Final = (Format.JSON, Format.OPENMETRICS, Format.CSV)
CONTENT_TYPES: Final = {
    Format.JSON: "application/stream+json; charset=utf-8",
    Format.OPENMETRICS: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    Format.CSV: "text/csv; charset=utf-8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Wanted is what to export: the series that one of the sets selects, with start ≤ time ≤ end (ms).

    `rows_per_line` is for JSON; `columns` is for CSV, None for the name, every label, the value and the time.
    """

    matcher_sets: Sequence[Matchers]
    start: int
    end: int
    rows_per_line: int = jsonlines.ROWS_PER_LINE
    columns: Sequence[str] | None = None
    cells: int = CELLS


def export(storage: Queryable, format_: Format, wanted: Wanted) -> Iterator[bytes]:
    """The samples that are wanted, in pieces of some 64 KiB, a budget of cells in memory at once."""
    sets, start, end = wanted.matcher_sets, wanted.start, wanted.end
    series = read_series(storage, sets, start, end, cells=wanted.cells)
    match format_:
        case Format.JSON:
            pieces = jsonlines.write(series, rows_per_line=wanted.rows_per_line)
        case Format.OPENMETRICS:
            pieces = exposition.write(series)
        case Format.CSV:
            columns = wanted.columns or csvtable.header(label_names(storage, sets, start, end))
            pieces = csvtable.write(series, columns)
        case Format.PROMETHEUS:
            msg = f"not a format of exports: {format_}"
            raise ValueError(msg)
    return gathered(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Reading says how to read what comes in.

    `now` (ms) is the time of samples that have none, `columns` those of a CSV file without a header, and `extra` are
    labels that every series gets, in place of its own of that name.
    """

    now: int
    columns: Sequence[Column] | None = None
    extra: Labels = field(default_factory=Labels)


def parse(format_: Format, chunks: Iterable[bytes], reading: Reading) -> Iterator[SeriesSamples]:
    """What the bytes say, a chunk at a time; raises BadLine, after what came before it. Times may come twice."""
    match format_:
        case Format.JSON:
            series = jsonlines.parse(chunks)
        case Format.OPENMETRICS:
            series = exposition.parse_openmetrics(chunks)
        case Format.PROMETHEUS:
            series = exposition.parse_prometheus(chunks, reading.now)
        case Format.CSV:
            series = csvtable.parse(chunks, reading.columns, reading.now)
    return _relabelled(series, reading.extra) if reading.extra else series


def _relabelled(series: Iterable[SeriesSamples], extra: Labels) -> Iterator[SeriesSamples]:
    for each in series:
        yield SeriesSamples(each.labels.replacing(extra), each.times, each.values)


def load(
    importer: Importer,
    format_: Format,
    chunks: Iterable[bytes],
    reading: Reading,
    told: Callable[[Imported], None] = lambda _: None,
) -> Imported:
    """Store what the bytes say; `told` hears the sum after each put, so also of what came before a BadLine."""
    total = Imported()
    held: list[SeriesSamples] = []
    size = 0
    found = parse(format_, chunks, reading)
    while True:
        problem: BadLine | None = None
        try:
            each = next(found, None)
        except BadLine as error:
            each, problem = None, error
        if each is not None:
            series = distinct(each)
            total += Imported(duplicate=len(each) - len(series))
            held.append(series)
            size += len(series)
        if held and (each is None or size >= SAMPLES_AT_ONCE or len(held) >= SERIES_AT_ONCE):
            total += importer.put(held)
            told(total)
            held, size = [], 0
        if problem is not None:
            raise problem
        if each is None:
            return total


def dump(storage: Queryable, format_: Format, wanted: Wanted, out: BinaryIO) -> int:
    """Write an export to `out`; the number of its bytes."""
    return sum(out.write(piece) for piece in export(storage, format_, wanted))


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """What is in an open file, in chunks."""
    while chunk := file.read(CHUNK):
        yield chunk
