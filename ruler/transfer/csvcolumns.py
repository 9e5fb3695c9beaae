"""What the columns of a CSV file mean: VictoriaMetrics's two ways to say so.

1:metric:cpu,2:label:host,3:time:unix_s          the `format` of its /api/v1/import/csv: place, kind, which
__name__,host,__value__,__timestamp__:unix_ms    the `format` of its /api/v1/export/csv, and the header it writes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import numpy as np

from common.errors import TocsinError
from common.labels import METRIC_NAME
from ruler.model.arrays import IntArray
from ruler.model.numbers import number_texts, parse_integers, parse_values
from ruler.transfer.series import shown

VALUE, TIME = "__value__", "__timestamp__"
MAX_COLUMNS = 1024
_LATEST: Final = 9e12  # seconds; more are no time in ms of 64 bits


class BadColumns(TocsinError):  # noqa: N818  (what is wrong, not what to call it)
    """A description of columns that cannot be followed."""


class Kind(StrEnum):
    """What a column holds."""

    LABEL = "label"
    METRIC = "metric"
    TIME = "time"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Column:
    """A Column is one of a file; `which` is the name of its label or metric (empty: named by a label), or its clock."""

    kind: Kind
    which: str = ""


@dataclass(frozen=True, slots=True)
class ClockFormat:
    """A ClockFormat is a way to write times: ms to texts and back; `read` raises ValueError."""

    write: Callable[[IntArray], list[bytes]]
    read: Callable[[list[bytes]], IntArray]


def _read_seconds(texts: list[bytes]) -> IntArray:
    seconds = parse_values(texts)
    if not (np.abs(seconds) < _LATEST).all():
        msg = f"not a time in seconds: {shown(texts[0])}"
        raise ValueError(msg)
    return (seconds * 1000 + np.copysign(1e-3, seconds)).astype(np.int64)


def _read_nanoseconds(texts: list[bytes]) -> IntArray:
    return parse_integers(texts) // 1_000_000


def _read_rfc3339(texts: list[bytes]) -> IntArray:
    return np.array([_rfc3339(text) for text in texts], dtype=np.int64)


def _rfc3339(text: bytes) -> int:
    try:
        moment = datetime.fromisoformat(text.decode())
    except ValueError:
        msg = f"not a time in RFC 3339: {shown(text)}"
        raise ValueError(msg) from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _write_rfc3339(times: IntArray) -> list[bytes]:
    return [f"{text}Z".encode() for text in np.datetime_as_string(times.astype("M8[ms]"), unit="ms").tolist()]


CLOCKS: Final = {
    "unix_s": ClockFormat(lambda times: number_texts(times // 1000), _read_seconds),
    "unix_ms": ClockFormat(number_texts, parse_integers),
    "unix_ns": ClockFormat(
        lambda times: number_texts(times * 1_000_000), lambda texts: parse_integers(texts) // 1_000_000
    ),
    "rfc3339": ClockFormat(_write_rfc3339, _read_rfc3339),
}


def described(text: str) -> tuple[Column, ...]:
    """The columns that an import's `format` describes; raises BadColumns."""
    found: dict[int, Column] = {}
    for entry in text.split(","):
        place, _, rest = entry.strip().partition(":")
        kind, _, which = rest.partition(":")
        if not (place.isdecimal() and 1 <= int(place) <= MAX_COLUMNS and which):
            raise BadColumns(f"format: not <place>:<kind>:<which>: {shown(entry)} (write 1:metric:cpu or 2:label:host)")
        if kind not in (Kind.LABEL, Kind.METRIC, Kind.TIME):
            raise BadColumns(f"format: not a kind of column: {shown(kind)} (write label, metric or time)")
        if int(place) - 1 in found:
            raise BadColumns(f"format: column {place} twice: {shown(text)}")
        found[int(place) - 1] = Column(Kind(kind), _clock(which) if kind == Kind.TIME else which)
    columns = tuple(found.get(place, Column(Kind.UNUSED)) for place in range(max(found) + 1))
    return _checked(columns, text)


def headed(names: Sequence[str]) -> tuple[Column, ...]:
    """The columns that a header (or an export's `format`) names; raises BadColumns."""
    columns = []
    for name in names:
        if name == VALUE:
            columns.append(Column(Kind.METRIC))
        elif name.partition(":")[0] == TIME:
            columns.append(Column(Kind.TIME, _clock(name.partition(":")[2] or "unix_s")))
        else:
            columns.append(Column(Kind.LABEL, name) if name else Column(Kind.UNUSED))
    if len(columns) > MAX_COLUMNS:
        raise BadColumns(f"more than {MAX_COLUMNS} columns: {len(columns)}")
    return _checked(tuple(columns), ",".join(names))


def _clock(name: str) -> str:
    if name not in CLOCKS:
        raise BadColumns(f"format: not a way to write times: {shown(name)} (write {', '.join(CLOCKS)})")
    return name


def _checked(columns: tuple[Column, ...], text: str) -> tuple[Column, ...]:
    times = sum(column.kind is Kind.TIME for column in columns)
    metrics = [column.which for column in columns if column.kind is Kind.METRIC]
    labels = [column.which for column in columns if column.kind is Kind.LABEL]
    if not metrics:
        raise BadColumns(f"format: no column of values: {shown(text)}")
    if times > 1 or len(set(metrics)) < len(metrics) or len(set(labels)) < len(labels):
        raise BadColumns(f"format: a column twice: {shown(text)}")
    if "" in metrics and METRIC_NAME not in labels:
        raise BadColumns(f"format: no column {METRIC_NAME}: {shown(text)}")
    return columns
