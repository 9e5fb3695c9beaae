"""Which rule of the archives holds for a series, and so how long what is kept of it.

The first selector that matches, of all rules in order, decides. What is on the disk says nothing of rules: a reload may
change which holds for what is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ruler.model.arrays import IntArray
from ruler.model.matcher import Matcher
from ruler.model.table import LabelTable, StringPool
from ruler.tsdb.config import Archive
from ruler.tsdb.files.chunk import Chunk
from ruler.tsdb.files.chunkfile import MAX_SOURCES
from ruler.tsdb.files.dictionary import Dictionary
from ruler.tsdb.keep.uniting import United
from ruler.tsdb.labels.matching import select_codes

NO_RULE = -1


class Rules:
    """Rules are the archives of a config; they remember how long the chunks that they were asked about stay."""

    def __init__(self, archives: Sequence[Archive]) -> None:
        self.archives = tuple(archives)
        self.selectors: list[tuple[tuple[Matcher, ...], int]] = [
            (matchers, rule) for rule, archive in enumerate(archives) for matchers in archive.match
        ]
        self._rules_of: dict[int, list[int]] = {}  # of chunks, by number

    def deciding(self, table: LabelTable) -> IntArray:
        """Of each series, which of the selectors decides; NO_RULE where none matches."""
        found = np.full(len(table), NO_RULE, dtype=np.int64)
        for number, (matchers, _) in enumerate(self.selectors):
            left = np.flatnonzero(found == NO_RULE)
            for matcher in matchers:
                left = left[select_codes(matcher, table.column(matcher.name)[left], table.strings)]
            found[left] = number
        return found

    def of_columns(self, dictionary: Dictionary, columns: int) -> IntArray:
        """The rule of each column of a chunk (without column 0)."""
        rule_of = np.full(columns, NO_RULE, dtype=np.int64)
        left = np.ones(columns, dtype=np.bool_)
        for matchers, rule in self.selectors:
            found, _ = dictionary.select(matchers, left, StringPool())
            rule_of[found], left[found] = rule, False
        return rule_of

    def resolutions(self) -> list[int]:
        """The sizes of buckets (ms) that there are to be, ascending."""
        return sorted({size for archive in self.archives for size, _ in archive.resolutions})

    def kept(self, chunk: Chunk, otherwise: int) -> int:
        """How long (ms) a chunk stays: as long as any of its series; `otherwise` is for those without a rule."""
        rules = self._rules_of.get(chunk.number)
        if rules is None:
            opened = chunk.opened()
            if opened is None:
                return otherwise
            rules = np.unique(self.of_columns(opened.dictionary, opened.used - 1)).tolist()
            self._rules_of[chunk.number] = rules
        return max(self.kept_by(rule, chunk.header.resolution, otherwise) for rule in rules)

    def by_time(self, columns: United, otherwise: int) -> list[United]:
        """Columns of raw samples parted by how long they stay; all together where they cannot be parted."""
        chunks = columns.chunks
        if not self.archives or chunks[0].header.resolution or len(chunks) == MAX_SOURCES:
            return [columns]
        rule_of = self.of_columns(columns.dictionary, len(columns.series))
        rules, which = np.unique(rule_of, return_inverse=True)
        kept = np.array([self.kept_by(rule, 0, otherwise) for rule in rules.tolist()])[which]
        times = np.unique(kept).tolist()
        return [columns] if len(times) == 1 else [columns.only(kept == each) for each in times]

    def kept_by(self, rule: int, resolution: int, otherwise: int) -> int:
        """How long a rule keeps raw samples (resolution 0) or buckets; `otherwise` when it says nothing of them."""
        if rule == NO_RULE:
            return otherwise
        archive = self.archives[rule]
        return dict(archive.resolutions).get(resolution, otherwise) if resolution else archive.raw

    def shortest(self, otherwise: int) -> int:
        """The shortest time (ms) that any raw sample stays, and so anything."""
        return min([otherwise, *(archive.raw for archive in self.archives)])

    def longest(self, otherwise: int) -> int:
        """The longest time (ms) that any raw sample stays."""
        return max([otherwise, *(archive.raw for archive in self.archives)])

    def forget(self, alive: set[int]) -> None:
        """Remember nothing of chunks but those with these numbers."""
        self._rules_of = {number: rules for number, rules in self._rules_of.items() if number in alive}
