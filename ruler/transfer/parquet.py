"""Parquet, partitioned by UTC day: `<directory>/day=2026-11-21/part-0.parquet`; needs pyarrow (`tocsin[parquet]`).

    one dictionary column of strings for each label | timestamp (ms, UTC) | value (float64, null: a stale marker)

A column for each label, not a map: DuckDB and pandas filter and group by it directly, and its statistics let readers
skip row groups. Rows are in the order of series, then of time. A file is written beside, synced and renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import TocsinError
from common.labels import Labels
from ruler.files import sync
from ruler.model.arrays import is_stale
from ruler.storage import Queryable
from ruler.transfer.read import CELLS, DAY, Matchers, days, label_names, read_series
from ruler.transfer.series import SeriesSamples

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 1 << 20  # in a row group
_TAKEN = ("day", "timestamp", "value")  # names that are not left to labels; readers ignore case


class NoParquet(TocsinError):  # noqa: N818  (what there is not)
    """An export to Parquet without the library for it."""


@dataclass(frozen=True, slots=True)
class Written:
    """Written is one file of an export."""

    path: Path
    samples: int


def export_parquet(
    storage: Queryable, matcher_sets: Sequence[Matchers], start: int, end: int, directory: Path, *, cells: int = CELLS
) -> Iterator[Written]:
    """Write what is selected of each day to a file, and say so; a file that is there is replaced."""
    yield from write_days(
        days(storage, matcher_sets, start, end),
        lambda first, last: read_series(storage, matcher_sets, first, last, cells=cells),
        label_names(storage, matcher_sets, start, end),
        directory,
    )


def write_days(
    spans: Iterable[tuple[int, int]],
    read: Callable[[int, int], Iterator[SeriesSamples]],
    labels: Sequence[str],
    directory: Path,
) -> Iterator[Written]:
    """Write what `read` gives of each span, which lies within one day, to the file of its day."""
    arrow, parquet = _library()
    columns = _columns(labels)
    schema = _schema(arrow, columns)
    for first, last in spans:
        series = read(first, last)
        head = next(series, None)
        if head is None:
            continue
        day = datetime.fromtimestamp(first // DAY * 86_400, UTC).date().isoformat()
        path = directory / f"day={day}" / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp")
        samples = 0
        try:
            with parquet.ParquetWriter(beside, schema, compression="zstd") as writer:
                for part in _parts(chain((head,), series)):
                    table = _table(arrow, schema, columns, part)
                    writer.write_table(table, row_group_size=len(table))
                    samples += len(table)
            sync(beside)
            beside.replace(path)
            sync(path.parent)
        finally:
            beside.unlink(missing_ok=True)
        yield Written(path, samples)


def _library() -> tuple[Any, Any]:
    try:
        import pyarrow as arrow  # noqa: PLC0415  (60 MB that only this format needs)
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError:
        msg = "an export to Parquet needs pyarrow: install it with `pip install 'tocsin[parquet]'`"
        raise NoParquet(msg) from None
    return arrow, parquet


def _columns(names: Sequence[str]) -> list[tuple[str, str]]:
    """(label, column) of each label; one whose name is taken gets a prefix."""
    taken = set(_TAKEN)
    columns = []
    for name in names:
        column = name
        while column.lower() in taken:
            column = f"label_{column}"
        taken.add(column.lower())
        columns.append((name, column))
    return columns


def _schema(arrow: Any, columns: Sequence[tuple[str, str]]) -> pyarrow.Schema:
    words = arrow.dictionary(arrow.int32(), arrow.string())
    return arrow.schema(
        [
            *[(column, words) for _, column in columns],
            ("timestamp", arrow.timestamp("ms", tz="UTC")),
            ("value", arrow.float64()),
        ]
    )


def _parts(series: Iterable[SeriesSamples]) -> Iterator[list[SeriesSamples]]:
    """The series in lists that make a row group."""
    part: list[SeriesSamples] = []
    rows = 0
    for each in series:
        part.append(each)
        rows += len(each)
        if rows >= ROWS_AT_ONCE:
            yield part
            part, rows = [], 0
    if part:
        yield part


def _table(
    arrow: Any, schema: pyarrow.Schema, columns: Sequence[tuple[str, str]], part: Sequence[SeriesSamples]
) -> pyarrow.Table:
    lengths = np.array([len(each) for each in part])
    labels = [each.labels for each in part]
    words = [_words(arrow, labels, label, lengths) for label, _ in columns]
    times = np.concatenate([each.times for each in part]).astype("M8[ms]")
    values = np.concatenate([each.values for each in part])
    arrays = [
        *words,
        arrow.array(times, type=schema.field("timestamp").type),
        arrow.array(values, mask=is_stale(values)),
    ]
    return arrow.Table.from_arrays(arrays, schema=schema)


def _words(arrow: Any, labels: Sequence[Labels], name: str, lengths: np.ndarray[Any, Any]) -> Any:
    """One label of each sample as a dictionary and places in it; null where it is absent."""
    places: dict[str, int] = {}
    of_series = [-1 if (text := each.get(name)) is None else places.setdefault(text, len(places)) for each in labels]
    rows = np.repeat(np.array(of_series, dtype=np.int32), lengths)
    indices = arrow.array(rows, mask=rows < 0)
    return arrow.DictionaryArray.from_arrays(indices, arrow.array(list(places), type=arrow.string()))
