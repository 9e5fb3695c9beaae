"""What a rule records, on its way to the writer thread: samples, and staleness markers for series that are gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np

from common.labels import Labels
from ruler.model.arrays import NAN, STALE, FloatArray, IntArray
from ruler.rule.errors import RuleError
from ruler.storage import REFUSED, Appendable, Appended, Claim, Stream

T = TypeVar("T")
_NO_IDS: IntArray = np.zeros(0, dtype=np.int64)
_NO_VALUES: FloatArray = np.zeros(0)


class InWriter(Protocol):
    """Runs a function in the writer thread and waits for what it gives."""

    def __call__(self, call: Callable[[], T], /) -> T: ...


class Output:
    """An Output is the stream of one rule, with the series that it wrote last. Opened by the first sample."""

    def __init__(self, storage: Appendable, in_writer: InWriter, name: str, interval: int) -> None:
        self._storage, self._in_writer, self._name, self._interval = storage, in_writer, name, interval
        self._stream: Stream | None = None
        self._written = _NO_IDS

    def mint(self, labels: list[Labels], claim: Claim = Claim.ORDINARY) -> IntArray:
        """The ids of the series with these labels, REFUSED where there is no room for one."""
        return self._in_writer(lambda: self._storage.series(labels, claim))

    def openings(self) -> int:
        """How many times room for refused series has appeared."""
        return self._in_writer(lambda: self._storage.openings)

    def standing(self, series: IntArray, since: int) -> tuple[bool, int]:
        """Whether ids still stand for their series, as they did in the generation `since`; and this generation."""
        generation = self._storage.generation
        return generation == since or bool(self._storage.stands(series[series != REFUSED]).all()), generation

    def write(self, due: int, time: int, series: IntArray, values: FloatArray) -> None:
        """Store the samples of one evaluation, and mark stale what the last one wrote and this one did not.

        Where series were refused, those that are known are stored, and RuleError says that the others were not.
        """
        taken = series != REFUSED
        if taken.all():
            self._write(due, time, series, values)
            return
        self._write(due, time, series[taken], values[taken])
        raise RuleError(
            f"limit of {self._storage.max_series} active series reached: "
            f"new series left out: {np.count_nonzero(~taken)}"
        )

    def _write(self, due: int, time: int, series: IntArray, values: FloatArray) -> None:
        gone = _NO_IDS if series is self._written else np.setdiff1d(self._written, series, assume_unique=True)
        if not len(series) and not len(gone):
            return
        values = np.where(np.isnan(values), NAN, values)
        ids = series
        if len(gone):
            ids, values = np.concatenate((series, gone)), np.concatenate((values, np.full(len(gone), STALE)))
        appended = self._in_writer(lambda: self._append(due, time, ids, values))
        self._written = series
        refused = appended.out_of_order + appended.too_old + appended.duplicate
        if refused > len(gone):  # markers may be refused: another rule writes that series now
            raise RuleError(
                f"samples refused: {appended.out_of_order} out of order, {appended.too_old} too old, "
                f"{appended.duplicate} duplicate"
            )

    def clear(self, due: int, time: int) -> None:
        """Store that one evaluation gave nothing."""
        if len(self._written):
            self.write(due, time, _NO_IDS, _NO_VALUES)

    def close(self, time: int) -> None:
        """End the stream and mark its series stale, but for those that another stream has taken over."""
        stream = self._stream
        if stream is not None:
            self._in_writer(lambda: stream.close(time))
        self._stream, self._written = None, _NO_IDS

    def _append(self, due: int, time: int, series: IntArray, values: FloatArray) -> Appended:
        if self._stream is None:
            self._stream = self._storage.stream(self._name, self._interval)
        return self._stream.append(due, time, series, values)
