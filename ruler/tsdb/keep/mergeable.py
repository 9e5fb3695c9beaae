"""Which chunks can be merged: those that follow one another, and together have as many rows as are worth it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from ruler.tsdb.files.chunk import Chunk
from ruler.tsdb.files.chunkfile import MAX_SOURCES
from ruler.tsdb.files.page import Page

MERGED_ROWS = 1024


def followers(leaves: Iterable[Page | Chunk]) -> dict[int, int]:
    """Which leaf was begun after which."""
    return dict(pairwise(sorted(leaf.order for leaf in leaves)))


def mergeable(chunks: list[Chunk], followers: dict[int, int], longest: int) -> Iterator[list[Chunk]]:
    """Stretches of chunks that can be merged, and are worth it; none is longer than `longest` (ms).

    They were begun one after another: what came between after a step of the clock is to be told from both.
    """
    group: list[Chunk] = []
    rows = 0
    for chunk in chunks:
        end = group[-1].first + group[-1].rows if group else chunk.first
        apart = chunk.interval and not end <= chunk.first <= end + MERGED_ROWS // 4
        apart = apart or (bool(group) and followers.get(group[-1].order) != chunk.order)
        if chunk.rows >= MERGED_ROWS or apart or chunk.path is None:
            group, rows = [], 0
            if chunk.rows >= MERGED_ROWS or chunk.path is None:
                continue
        if group and chunk.newest - group[0].oldest > longest:
            if len(group) > 1:
                yield group
            group, rows = [], 0
        group.append(chunk)
        rows += chunk.rows
        if rows >= MERGED_ROWS or len(group) == MAX_SOURCES:
            yield group
            group, rows = [], 0
