"""Series that go by different ids, found by their labels: a fingerprint of 128 bits for each, made by arrays.

The fingerprint of a series is the sum over its labels of a mixture of what name and value hash to. The hashes are keyed
afresh in each process, so nobody can bring about that two series have one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np

from common.labels import METRIC_NAME, Labels
from ruler.model.arrays import CodeArray, IntArray
from ruler.model.table import NO_LABEL, StringPool, table_of
from ruler.tsdb.files.dictionary import Dictionary
from ruler.tsdb.files.page import Bits, mixed

_KEY = secrets.token_bytes(16)


class Hashes:
    """Hashes are those [codes × 2] of the strings behind some codes."""

    def __init__(self, codes: CodeArray, text: Callable[[int], str]) -> None:
        self._distinct = np.unique(codes)
        self._hashes = np.stack([_hash(text(code)) for code in self._distinct.tolist()])

    def of(self, codes: CodeArray) -> Bits:
        found: Bits = self._hashes[np.searchsorted(self._distinct, codes)]
        return found


def of_labels(labels: Sequence[Labels]) -> Bits:
    """The fingerprints [series × 2] of these label sets."""
    pool = StringPool()
    table = table_of(labels, pool)
    if not len(table):
        return np.empty((0, 2), dtype=np.uint64)
    return _summed(table.names, table.codes, Hashes(table.codes, pool.text))


def of_dictionary(dictionary: Dictionary) -> Bits:
    """The fingerprint [columns × 2] of each column of a chunk (without column 0)."""
    text = dictionary.strings.text
    every = np.arange(len(dictionary.strings), dtype=np.int32)
    hashes = Hashes(every, text)
    parts = [np.empty((0, 2), dtype=np.uint64)]
    for metric in dictionary.metrics:
        labels = _summed([text(code) for code in metric.names], metric.codes, hashes)
        name = np.full((metric.stop - metric.start, 1), metric.name, dtype=np.int32)
        parts.append(labels + _summed([METRIC_NAME], name, hashes))
    return np.concatenate(parts)


def matches(wanted: Bits, known: Bits) -> tuple[IntArray, IntArray]:
    """Each pair of a wanted and a known fingerprint that are the same: the places of both."""
    order = np.argsort(known[:, 0], kind="stable")
    ordered = known[order]
    left = np.searchsorted(ordered[:, 0], wanted[:, 0], "left")
    count = np.searchsorted(ordered[:, 0], wanted[:, 0], "right") - left
    mine = np.repeat(np.arange(len(wanted)), count)
    theirs = np.arange(len(mine)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(left, count)
    same = ordered[theirs, 1] == wanted[mine, 1]
    return mine[same], order[theirs[same]].astype(np.int64)


def _summed(names: Sequence[str], codes: CodeArray, hashes: Hashes) -> Bits:
    total = np.zeros((len(codes), 2), dtype=np.uint64)
    for name, column in zip(names, codes.T, strict=True):
        total += np.where(column[:, None] == NO_LABEL, np.uint64(0), mixed(_hash(name) + mixed(hashes.of(column))))
    return total


def _hash(text: str) -> Bits:
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=_KEY).digest()
    return np.frombuffer(digest, dtype=np.uint64)
