"""Label tables: the labels of many series as columns of integer codes. No label string is built until it leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import numpy as np
from msgspec import Struct

from common.labels import Labels
from ruler.kernels.series.moving import move
from ruler.model.arrays import CodeArray, IntArray
from ruler.model.pace import Pace

NO_LABEL = 0  # the code of the empty string: the label is absent


class Strings(Protocol):
    """Strings map label names' values to int32 codes and back. A code never changes its meaning.

    Code 0 is the empty string. Negative codes belong to an overlay (strings that one query mints).
    """

    def code(self, text: str) -> int:
        """The code of `text`, minted when it is new."""

    def find(self, text: str, /) -> int | None:
        """The code of `text`, or None when it has none yet."""

    def text(self, code: int, /) -> str:
        """The string that `code` stands for."""


class StringPool:
    """The Strings of a database: codes from 0 up, each for one string for good. Any thread; a hit takes no lock.

    Strings that nobody uses any more are let go in steps: `doom`, then `spare` for all that are in use, and later than
    any query lasts `drop`. Who asks for a string in between keeps it.
    """

    def __init__(self) -> None:
        self._texts: dict[int, str] = {NO_LABEL: ""}
        self._codes: dict[str, int] = {"": NO_LABEL}
        self.text: Final = self._texts.__getitem__  # asked for each label that is written
        self.find: Final = self._codes.get
        self._next = 1
        self._doomed: set[int] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._texts)

    def code(self, text: str) -> int:
        code = self._codes.get(text)
        if code is None or self._doomed:
            with self._lock:
                code = self._codes.get(text)
                if code is None:
                    code = self._next
                    self._next += 1
                    self._texts[code] = text
                    self._codes[text] = code
                self._doomed.discard(code)
        return code

    def doom(self) -> None:
        """Begin to let strings go: all, but for those that are asked for, or spared, until `drop`."""
        with self._lock:
            self._doomed = self._texts.keys() - {NO_LABEL}

    def spare(self, codes: CodeArray) -> None:
        """These are in use."""
        with self._lock:
            self._doomed.difference_update(codes.tolist())

    def drop(self) -> int:
        """Let go of the strings that are still doomed; how many."""
        with self._lock:
            for code in self._doomed:
                del self._codes[self._texts.pop(code)]
            dropped, self._doomed = len(self._doomed), set()
        return dropped


class Overlay:
    """Strings that one query mints (label_replace, count_values …), over those of the database: codes below zero."""

    def __init__(self, base: Strings) -> None:
        self._base = base
        self._texts: list[str] = []
        self._codes: dict[str, int] = {}

    def code(self, text: str) -> int:
        code = self.find(text)
        if code is None:
            self._texts.append(text)
            code = self._codes[text] = -len(self._texts)
        return code

    def find(self, text: str) -> int | None:
        code = self._base.find(text)
        return self._codes.get(text) if code is None else code

    @property
    def text(self) -> Callable[[int], str]:
        """As a Strings has it; where nothing was minted, that of the base."""
        return self._text if self._texts else self._base.text

    def _text(self, code: int) -> str:
        return self._texts[-code - 1] if code < 0 else self._base.text(code)


class LabelTable(Struct, frozen=True, eq=False):
    """A LabelTable holds the labels of n series: one sorted column name each, `codes` of shape [series × names].

    Like other values that a query makes many of, it is a msgspec.Struct: a dataclass takes twice the time to make.
    """

    names: tuple[str, ...]
    codes: CodeArray
    strings: Strings

    def __len__(self) -> int:
        return len(self.codes)

    def column(self, name: str) -> CodeArray:
        """The codes of one label, zeros when no series has it."""
        if name in self.names:
            return self.codes[:, self.names.index(name)]
        return np.zeros(len(self), dtype=np.int32)

    def take(self, rows: IntArray | slice) -> LabelTable:
        """The table of only these rows."""
        codes = self.codes[rows] if isinstance(rows, slice) else self.codes.take(rows, axis=0)
        return LabelTable(self.names, codes, self.strings)

    def having(self, names: tuple[str, ...], rows: IntArray | None = None) -> LabelTable:
        """The table of only these rows (None: all), with only these labels, which are some of its own in order."""
        if names == self.names:
            return self if rows is None else self.take(rows)
        codes = np.empty((len(self) if rows is None else len(rows), len(names)), dtype=np.int32)
        places = [names.index(name) if name in names else -1 for name in self.names]
        move(self.codes, rows, np.array(places, dtype=np.int64), codes, 0)
        return LabelTable(names, codes, self.strings)

    def labels(self, row: int) -> Labels:
        """The labels of one series, as strings."""
        text = self.strings.text
        return Labels(
            [(name, text(code)) for name, code in zip(self.names, self.codes[row].tolist(), strict=True) if code]
        )

    def all_labels(self) -> list[Labels]:
        """The labels of every series, as strings: for what leaves the ruler."""
        text = self.strings.text
        return [
            Labels([(name, text(code)) for name, code in zip(self.names, row, strict=True) if code])
            for row in self.codes.tolist()
        ]


def table_of(labels: Sequence[Labels], strings: Strings) -> LabelTable:
    """The table of these labels, minting codes in `strings`."""
    names = tuple(sorted({name for each in labels for name in each}))
    codes = np.zeros((len(labels), len(names)), dtype=np.int32)
    place = {name: index for index, name in enumerate(names)}
    for row, each in enumerate(labels):
        for name, value in each.items():
            codes[row, place[name]] = strings.code(value)
    return LabelTable(names, codes, strings)


def stacked(tables: Sequence[LabelTable], strings: Strings, pace: Pace | None = None) -> LabelTable:
    """The series of all these tables, one after the other."""
    names = all_names(table.names for table in tables)
    codes = np.zeros((sum(map(len, tables)), len(names)), dtype=np.int32)
    pace, row = pace or Pace(None), 0
    for table in tables:
        places = np.array([names.index(name) for name in table.names], dtype=np.int64)
        for low, high in pace.stretches(0, len(table)):
            move(table.codes[low:high], None, places, codes, row + low)
        row += len(table)
    return LabelTable(names, codes, strings)


def all_names(each: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """All these names of labels, sorted."""
    several = set(each)
    return several.pop() if len(several) == 1 else tuple(sorted(set().union(*several)))
