"""The rows of a query's result, and their series ids, without building labels for rows that are already known.

A row is a series' label codes. Codes of the database mean the same in every result; those that a query mints (below
zero) do not, so they are exchanged for codes that this rule keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from common.labels import Labels
from ruler.model.arrays import CodeArray, FloatArray, IntArray
from ruler.model.result import Result, Scalar, Value, Vector
from ruler.model.table import LabelTable, StringPool
from ruler.promql.ast import Expr
from ruler.rule.errors import RuleError
from ruler.storage import REFUSED

MAX_MINTED = 100_000

Ask = Callable[[str | Expr, int], Result]  # the answer to a query at a time (ms)


class Minter(Protocol):
    """A Minter gives the ids of series, and tells when it may have room for those that it refused.

    `standing` says whether ids still stand for their series, given the generation for which that was last said, and
    the generation of now.
    """

    def mint(self, labels: list[Labels], /) -> IntArray: ...

    def openings(self) -> int: ...

    def standing(self, series: IntArray, since: int, /) -> tuple[bool, int]: ...


_ONE_WITHOUT_LABELS = LabelTable((), np.zeros((1, 0), dtype=np.int32), StringPool())


def vector_of(value: Value) -> tuple[LabelTable, FloatArray]:
    """What a rule takes from a result: a vector's series, or a scalar as one series without labels."""
    if isinstance(value, Vector):
        return value.table, value.values
    if isinstance(value, Scalar):
        return _ONE_WITHOUT_LABELS, np.array([value.value])
    raise RuleError("rule result is not a vector or scalar")


class RowIds:
    """RowIds remember the series id of each row of a rule's last result.

    While the result's labels stay the same, `ids` gives the very same array; when they change, labels are built for
    the new rows only. `relabel` makes a row's labels those of the recorded series. Refused rows are remembered as such
    until room has appeared.
    """

    def __init__(self, relabel: Callable[[Labels], Labels]) -> None:
        self._relabel = relabel
        self._minted: dict[str, int] = {}
        self._names: tuple[str, ...] = ()
        self._codes: CodeArray | None = None
        self._known: dict[bytes, int] = {}
        self._ids: IntArray = np.zeros(0, dtype=np.int64)
        self._generation = 0  # of the series that the storage knows
        self._refused_at: int | None = None  # how often room had appeared when rows were refused

    def ids(self, table: LabelTable, minter: Minter) -> IntArray:
        """The id of the series that each row is recorded as; `minter` gives the ids of labels not seen before."""
        if len(self._minted) > MAX_MINTED:
            self._minted, self._known, self._codes = {}, {}, None
        if self._refused_at is not None and minter.openings() != self._refused_at:
            self._known = {key: series for key, series in self._known.items() if series != REFUSED}
            self._codes = None
        stands, self._generation = minter.standing(self._ids, self._generation)
        if not stands:
            self._known, self._codes = {}, None
        codes = self._lasting(table)
        if table.names != self._names:
            self._known = {}
        elif self._codes is not None and np.array_equal(codes, self._codes):
            return self._ids
        keys = _row_keys(codes)
        new = [row for row, key in enumerate(keys) if key not in self._known]
        if new:
            labels = table.take(np.array(new, dtype=np.int64)).all_labels()
            minted = minter.mint([self._relabel(each) for each in labels]).tolist()
            self._known.update((keys[row], series) for row, series in zip(new, minted, strict=True))
        self._ids = np.array([self._known[key] for key in keys], dtype=np.int64)
        self._known = dict(zip(keys, self._ids.tolist(), strict=True))
        self._names, self._codes = table.names, codes
        self._refused_at = minter.openings() if (self._ids == REFUSED).any() else None
        return self._ids

    def _lasting(self, table: LabelTable) -> CodeArray:
        """The table's codes, with those that only its query knows exchanged for lasting ones."""
        codes = table.codes
        if not codes.size or int(codes.min()) >= 0:
            return codes
        fleeting = np.unique(codes[codes < 0])
        lasting = np.array(
            [self._minted.setdefault(table.strings.text(code), -len(self._minted) - 1) for code in fleeting.tolist()],
            dtype=np.int32,
        )
        exchanged = codes.copy()
        exchanged[codes < 0] = lasting[np.searchsorted(fleeting, codes[codes < 0])]
        return exchanged


def _row_keys(codes: CodeArray) -> list[bytes]:
    width = codes.shape[1] * codes.itemsize
    if not width:
        return [b""] * codes.shape[0]
    raw = np.ascontiguousarray(codes).tobytes()
    return [raw[start : start + width] for start in range(0, len(raw), width)]
