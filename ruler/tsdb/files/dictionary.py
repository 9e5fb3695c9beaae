"""The labels of a chunk's series, in the chunk: strings and codes of its own, one row for each column.

Columns are sorted by metric name, so a metric is a stretch of columns with one matrix of codes [columns × label names].
Label strings are built, and given codes of the database, only for rows that a query wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from common.labels import METRIC_NAME
from ruler.kernels.series.numbering import Numbering
from ruler.model.arrays import CodeArray, IntArray
from ruler.model.groups import numbered
from ruler.model.matcher import Matcher
from ruler.model.pace import Check, Pace
from ruler.model.table import LabelTable, Strings
from ruler.tsdb.labels.matching import select_absent, select_codes, wanted


class Texts:
    """Texts are the strings of one dictionary, behind the same protocol as those of the database. Nothing is minted."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {text: code for code, text in enumerate(self._texts)}

    def __len__(self) -> int:
        return len(self._texts)

    def code(self, text: str) -> int:
        return self._codes[text]

    def find(self, text: str) -> int | None:
        return self._codes.get(text)

    def text(self, code: int) -> str:
        return self._texts[code]


@dataclass(frozen=True, slots=True)
class Metric:
    """A Metric is the stretch of columns [start, stop) of one name: codes [columns × label names]."""

    name: int
    start: int
    stop: int
    names: tuple[int, ...]
    codes: CodeArray


class Part(NamedTuple):
    """A Part is the labels of neighbouring columns of one metric: codes [columns × label names]."""

    name: str
    names: tuple[str, ...]
    codes: CodeArray


class Dictionary:
    """A Dictionary holds the labels of a chunk's columns, in order (without column 0, which stands for none)."""

    def __init__(self, strings: Texts, metrics: Sequence[Metric]) -> None:
        self.strings, self.metrics = strings, metrics

    def select(
        self, matchers: Sequence[Matcher], among: npt.NDArray[np.bool_], pool: Strings, check: Check | None = None
    ) -> tuple[IntArray, LabelTable]:
        """The columns that matchers select among some (by column), and their labels in codes of `pool`."""
        parts: list[tuple[Metric, IntArray]] = []
        pace = Pace(check)
        others = [matcher for matcher in matchers if matcher.name != METRIC_NAME]
        text = self.strings.text
        for metric in self.metrics:
            name = text(metric.name)
            if not all(wanted(each).accepts(name) for each in matchers if each.name == METRIC_NAME):
                continue
            chosen = np.flatnonzero(among[metric.start : metric.stop])
            pace.done(metric.stop - metric.start)
            names = [text(code) for code in metric.names]
            for matcher in others:
                if matcher.name in names:
                    column = metric.codes[chosen, names.index(matcher.name)]
                    chosen = chosen[select_codes(matcher, column, self.strings, check)]
                elif not select_absent(matcher, self.strings):
                    chosen = chosen[:0]
                if not len(chosen):
                    break
            if len(chosen):
                parts.append((metric, chosen))
        columns = [chosen + metric.start for metric, chosen in parts]
        found: IntArray = np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)
        return found, self._table(parts, pool, pace)

    def _table(self, parts: Sequence[tuple[Metric, IntArray]], pool: Strings, pace: Pace) -> LabelTable:
        """The labels of some columns of some metrics, in codes of `pool`."""
        text = self.strings.text
        names = tuple(sorted({METRIC_NAME, *(text(code) for metric, _ in parts for code in metric.names)}))
        place = {name: index for index, name in enumerate(names)}
        own = np.zeros((sum(len(chosen) for _, chosen in parts), len(names)), dtype=np.int32)
        at = 0
        for metric, chosen in parts:
            until = at + len(chosen)
            own[at:until, place[METRIC_NAME]] = metric.name
            for column, code in enumerate(metric.names):
                own[at:until, place[text(code)]] = metric.codes[chosen, column]
            at = until
            pace.done(len(chosen) * len(metric.names))
        each = own.reshape(-1, 1)
        groups = numbered(Numbering(1), each, pace=pace)
        theirs = np.array([pool.code(text(code)) for code in each[groups.first, 0].tolist()], dtype=np.int32)
        return LabelTable(names, theirs[groups.of].reshape(own.shape), pool)

    def parts(self, pool: Strings, wanted_columns: npt.NDArray[np.bool_]) -> list[tuple[IntArray, Part]]:
        """Some columns by metric, with their labels in codes of `pool`."""
        text = self.strings.text
        theirs = np.array([pool.code(text(code)) for code in range(len(self.strings))], dtype=np.int32)
        found = []
        for metric in self.metrics:
            chosen = np.flatnonzero(wanted_columns[metric.start : metric.stop])
            if len(chosen):
                names = tuple(text(code) for code in metric.names)
                found.append((chosen + metric.start, Part(text(metric.name), names, theirs[metric.codes[chosen]])))
        return found

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The dictionary as arrays, to be kept."""
        texts = [self.strings.text(code).encode(errors="surrogatepass") for code in range(len(self.strings))]
        widths = [len(metric.names) for metric in self.metrics]
        return {
            "text": np.frombuffer(b"".join(texts), dtype=np.uint8),
            "lengths": np.array([len(each) for each in texts], dtype=np.uint32),
            "metric": np.array([metric.name for metric in self.metrics], dtype=np.int32),
            "height": np.array([metric.stop - metric.start for metric in self.metrics], dtype=np.int32),
            "width": np.array(widths, dtype=np.int32),
            "names": np.array([code for metric in self.metrics for code in metric.names], dtype=np.int32),
            "codes": np.concatenate([np.empty(0, np.int32), *(metric.codes.T.ravel() for metric in self.metrics)]),
        }

    @staticmethod
    def of_arrays(arrays: dict[str, npt.NDArray[Any]]) -> Dictionary:
        """The dictionary that `arrays` were made of."""
        ends = np.cumsum(arrays["lengths"], dtype=np.int64).tolist()
        content = arrays["text"].tobytes()
        starts = [0, *ends[:-1]]
        texts = [
            content[start:stop].decode(errors="surrogatepass") for start, stop in zip(starts, ends, strict=bool(ends))
        ]
        metrics, names, codes = [], arrays["names"].tolist(), arrays["codes"]
        column, name_at, code_at = 0, 0, 0
        heights, widths = arrays["height"].tolist(), arrays["width"].tolist()
        for name, height, width in zip(arrays["metric"].tolist(), heights, widths, strict=True):
            matrix = codes[code_at : code_at + height * width].reshape(width, height).T
            metrics.append(Metric(name, column, column + height, tuple(names[name_at : name_at + width]), matrix))
            column, name_at, code_at = column + height, name_at + width, code_at + height * width
        return Dictionary(Texts(texts), metrics)

    @staticmethod
    def of_parts(parts: Sequence[Part], strings: Strings) -> Dictionary:
        """The dictionary of columns whose labels are these parts, one after another, in codes of `strings`."""
        distinct = np.unique(np.concatenate([np.zeros(1, np.int32), *(part.codes.ravel() for part in parts)]))
        texts = [strings.text(code) for code in distinct.tolist()]
        own = {text: code for code, text in enumerate(texts)}
        for text in (text for part in parts for text in (part.name, *part.names)):
            if own.setdefault(text, len(texts)) == len(texts):
                texts.append(text)
        metrics, start = [], 0
        for name, names, codes in parts:
            used = np.flatnonzero(codes.any(axis=0))
            stop = start + len(codes)
            mine = np.searchsorted(distinct, codes[:, used]).astype(np.int32)
            metrics.append(Metric(own[name], start, stop, tuple(own[names[each]] for each in used.tolist()), mine))
            start = stop
        return Dictionary(Texts(texts), metrics)
