"""What a query answers with: Scalar, String, Vector or Matrix, and the notes that came up on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from ruler.model.arrays import FloatArray, IntArray
from ruler.model.table import LabelTable


@dataclass(slots=True)
class Scalar:
    """A Scalar is one number at one time (ms)."""

    time: Final[int]
    value: Final[float]


@dataclass(slots=True)
class String:
    """A String is one text at one time (ms)."""

    time: Final[int]
    value: Final[str]


@dataclass(slots=True)
class Vector:
    """A Vector is one value (float64 [series]) for each series of its table, all at one time (ms)."""

    time: Final[int]
    table: Final[LabelTable]
    values: Final[FloatArray]


@dataclass(slots=True)
class Matrix:
    """A Matrix is the samples of each series of its table, end to end.

    Series i has `values[offsets[i]:offsets[i+1]]` at `times[offsets[i]:offsets[i+1]]` (int64 ms, rising).
    """

    table: Final[LabelTable]
    offsets: Final[IntArray]
    times: Final[IntArray]
    values: Final[FloatArray]


Value: TypeAlias = Scalar | String | Vector | Matrix


class Spent(NamedTuple):
    """Spent is what a query has cost: seconds, samples that it looked at, and the cells that it had at once at most.

    Only the values of a range are `ordered`: None for an instant query.
    """

    prepared: float = 0.0
    evaluated: float = 0.0
    ordered: float | None = None
    samples: int = 0
    peak: int = 0


_NOTHING: Final = Spent()


@dataclass(slots=True)
class Result:
    """A Result is a query's value, with PromQL's warnings and infos (each a sentence with its position)."""

    value: Final[Value]
    warnings: Final[tuple[str, ...]] = ()
    infos: Final[tuple[str, ...]] = ()
    spent: Spent = field(default=_NOTHING, compare=False)
