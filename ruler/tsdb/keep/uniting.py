"""The columns of several chunks as those of one: by series, whatever their ids and columns are in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ruler.model.arrays import BoolArray, IntArray
from ruler.model.table import StringPool
from ruler.tsdb.files.chunk import OpenChunk
from ruler.tsdb.files.dictionary import Dictionary, Part

LAYER_BITS = 20  # of keys: a chunk may hold a series in several columns


@dataclass(frozen=True, slots=True)
class United:
    """A United is columns of some chunks: where each chunk has them (0: not), their series' ids, and their labels."""

    chunks: Sequence[OpenChunk]
    columns: Sequence[IntArray]
    series: IntArray
    dictionary: Dictionary

    def only(self, which: BoolArray) -> United:
        """Some of the columns."""
        pool = StringPool()
        parts = [part for _, part in self.dictionary.parts(pool, which)]
        columns = [each[which] for each in self.columns]
        return United(self.chunks, columns, self.series[which], Dictionary.of_parts(parts, pool))


def united(chunks: Sequence[OpenChunk]) -> United:
    """All columns of some chunks."""
    pool = StringPool()
    every = [np.arange(1, chunk.used) for chunk in chunks]
    keys = np.concatenate([_keys(chunk) for chunk in chunks])
    distinct, first, where = np.unique(keys, return_index=True, return_inverse=True)
    labelled = np.zeros(len(keys), dtype=np.bool_)
    labelled[first] = True
    by_name: dict[str, list[tuple[IntArray, Part]]] = {}
    start = 0
    for chunk, columns in zip(chunks, every, strict=True):
        stop = start + len(columns)
        for rows, part in chunk.dictionary.parts(pool, labelled[start:stop]):
            by_name.setdefault(part.name, []).append((where[start:stop][rows], part))
        start = stop
    place = np.empty(len(distinct), dtype=np.int64)  # of each distinct key among the target's columns
    parts, at = [], 0
    for name in sorted(by_name):
        found, part = _joined(name, by_name[name])
        place[found] = np.arange(at, at + len(found))
        parts.append(part)
        at += len(found)
    placed, start = [], 0
    for columns in every:
        stop = start + len(columns)
        here = np.zeros(len(distinct), dtype=np.int64)
        here[place[where[start:stop]]] = columns
        placed.append(here)
        start = stop
    series = np.empty(len(distinct), dtype=np.int64)
    series[place] = distinct >> LAYER_BITS
    return United(chunks, placed, series, Dictionary.of_parts(parts, pool))


def _keys(chunk: OpenChunk) -> IntArray:
    """The series of each column, shifted, plus which of its columns it is."""
    series = chunk.series_of[1:].astype(np.int64)
    order = np.argsort(series, kind="stable")
    ordered = series[order]
    starts = np.maximum.accumulate(np.where(np.diff(ordered, prepend=-1) != 0, np.arange(len(ordered)), 0))
    nth = np.empty(len(series), dtype=np.int64)
    nth[order] = np.arange(len(ordered)) - starts
    return (series << LAYER_BITS) + nth


def _joined(name: str, found: list[tuple[IntArray, Part]]) -> tuple[IntArray, Part]:
    """Rows of one metric out of several dictionaries, sorted by key, with all their label names."""
    names = tuple(dict.fromkeys(each for _, part in found for each in part.names))
    keys = np.concatenate([rows for rows, _ in found])
    codes = np.zeros((len(keys), len(names)), dtype=np.int32)
    at = 0
    for rows, part in found:
        codes[at : at + len(rows), [names.index(each) for each in part.names]] = part.codes
        at += len(rows)
    order = np.argsort(keys)
    return keys[order], Part(name, names, codes[order])
