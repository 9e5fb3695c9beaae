"""CSV rows whose columns are in any order, with any number of values in a row: read field by field."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

from common.labels import METRIC_NAME, Labels
from ruler.transfer.csvcolumns import CLOCKS, Column, Kind
from ruler.transfer.keyed import MAX_KEYS, Samples
from ruler.transfer.lines import Batch
from ruler.transfer.series import BadLine, SeriesSamples, shown


class DescribedRows:
    """DescribedRows read rows as `columns` say; rows without a time are of `now`.

    With `stale` an empty value is a stale marker, without it is no sample.
    """

    def __init__(self, columns: Sequence[Column], now: int, *, stale: bool) -> None:
        self._width, self._stale = len(columns), stale
        self._labels_at = [(at, each.which) for at, each in enumerate(columns) if each.kind is Kind.LABEL]
        self._metrics_at = [(at, each.which) for at, each in enumerate(columns) if each.kind is Kind.METRIC]
        self._time_at = next((at for at, each in enumerate(columns) if each.kind is Kind.TIME), None)
        self._read_times = CLOCKS["unix_ms" if self._time_at is None else columns[self._time_at].which].read
        self._now = str(now)
        self._ids: dict[tuple[str, ...], int] = {}
        self._labels: list[Labels] = []

    def read(self, found: Iterable[Batch]) -> Iterator[SeriesSamples]:
        """The samples of each batch of rows, series by series; raises BadLine, after what came before it."""
        for number, rows in found:
            if len(self._ids) > MAX_KEYS:
                self._ids, self._labels = {}, []
            samples = Samples()
            problem = self._read(rows, number, samples)
            yield from samples.cut(self._labels, self._read_times)
            if problem is not None:
                raise problem

    def _read(self, rows: list[bytes], number: int, samples: Samples) -> BadLine | None:
        for place, row in enumerate(rows, number):
            if not row:
                continue
            try:
                self._row(next(csv.reader((row.decode(),), strict=True)), place, samples)
            except (csv.Error, UnicodeDecodeError):
                return BadLine(f"not CSV: {shown(row)}", line=place)
            except BadLine as error:
                return error
        return None

    def _row(self, fields: list[str], number: int, samples: Samples) -> None:
        if len(fields) < self._width:
            raise BadLine(f"{len(fields)} columns of {self._width}: {shown(','.join(fields))}", line=number)
        time = self._now if self._time_at is None else fields[self._time_at]
        add_id, add_value, add_time, add_line = samples.adders()
        for at, name in self._metrics_at:
            if fields[at] or self._stale:
                add_id(self._id(fields, name, number))
                add_value(fields[at].encode())
                add_time(time.encode())
                add_line(number)

    def _id(self, fields: list[str], name: str, number: int) -> int:
        key = (name, *[fields[at] for at, _ in self._labels_at])
        id_ = self._ids.get(key)
        if id_ is None:
            pairs = {label: fields[at] for at, label in self._labels_at}
            labels = Labels({**pairs, METRIC_NAME: name} if name else pairs)
            if METRIC_NAME not in labels:
                raise BadLine(f"{METRIC_NAME}: empty: {shown(','.join(fields))}", line=number)
            self._labels.append(labels)
            id_ = self._ids[key] = len(self._labels) - 1
        return id_
