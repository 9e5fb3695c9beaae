"""The shapes of pages: what of a page stays the same from scrape to scrape, and how the values are read past it.

A small page, or one that has just changed, is split into lines: a step of C for each. A large one that has come the
same some times is read with a stencil. A Shape knows bytes alone: no labels, no series, no target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from struct import Struct
from typing import Final, cast
from weakref import WeakValueDictionary

from common.textformat import MetricType
from ruler.model.arrays import FloatArray
from ruler.model.numbers import joined_values, parse_values
from ruler.scrape.page.law import Law
from ruler.scrape.page.stencil import Stencil

LARGE: Final = 250  # lines, from which a stencil is faster
SETTLED: Final = 32  # pages in a row, after which a stencil is worth cutting

Known = dict[MetricType, dict[bytes, int]]
Pick = Callable[[list[bytes]], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines are a page without its values: which lines carry one, and the bytes of each line before it.

    `carries` has a byte for each line, 1 where it has a value; `fixed` is how many bytes of a page are not values.
    """

    prefixes: tuple[bytes, ...]
    comments: tuple[bytes, ...]
    carries: bytes
    fixed: int
    pick_comments: Pick
    pick_samples: Pick
    layout: Struct

    @classmethod
    def of(cls, prefixes: Sequence[bytes], comments: Sequence[bytes], carries: bytes) -> Lines:
        """The lines of a page of which those that carry a value have these prefixes."""
        ends = len(carries) - 1
        return cls(
            prefixes=tuple(prefixes),
            comments=tuple(comments),
            carries=carries,
            fixed=ends + sum(map(len, comments)) + sum(map(len, prefixes)),
            pick_comments=_pick([line for line, carry in enumerate(carries) if not carry]),
            pick_samples=_pick([line for line, carry in enumerate(carries) if carry]),
            layout=Struct(f"{len(prefixes)}d"),
        )

    def values(self, page: bytes, *, bare: bool) -> FloatArray | None:
        """The values of a page of exactly these lines, None for any other page; `bare` allows no space behind them."""
        lines = page.split(b"\n")
        if len(lines) != len(self.carries) or self.pick_comments(lines) != self.comments:
            return None
        texts = list(map(bytes.removeprefix, self.pick_samples(lines), self.prefixes))
        joined = b",".join(texts)
        commas = max(0, len(texts) - 1)
        if len(joined) - commas != len(page) - self.fixed:  # some line kept the prefix that it should have lost
            return None
        if bare and (b" " in joined or b"\t" in joined):
            return None
        values = joined_values(joined, self.layout)
        if values is None:
            with suppress(ValueError):
                values = parse_values(texts)
        return values


@dataclass(slots=True, weakref_slot=True, eq=False)
class Shape:
    """A Shape is what the pages of a target, or of several alike, have in common.

    `runs` says under which kind of `# TYPE` the samples stand: (kind, how many), in order. A `law` is what the values
    of an OpenMetrics page have to keep. Targets of one shape share its memory, and a stencil takes the lines' place.
    """

    comments: tuple[bytes, ...]
    carries: bytes
    runs: tuple[tuple[MetricType, int], ...]
    key: int
    _reader: Lines | Stencil
    _unsettled: int  # pages that are still to be read by lines
    law: Law | None = None

    @classmethod
    def of(
        cls,
        prefixes: Sequence[bytes],
        comments: Sequence[bytes],
        carries: bytes,
        kinds: Iterable[MetricType],
        law: Law | None = None,
    ) -> Shape:
        """The shape of a page of which these lines carry a sample."""
        lines = Lines.of(prefixes, comments, carries)
        key = hash((lines.prefixes, lines.comments, carries, law is None))
        return cls(lines.comments, carries, _runs(kinds), key, lines, SETTLED if len(carries) >= LARGE else 0, law)

    def values(self, page: bytes) -> FloatArray | None:
        """The values of a page of exactly this shape, None for any other page."""
        law = self.law
        values = self._reader.values(page, bare=law is not None)
        if law is not None and values is not None and law.broken(values) is not None:
            return None
        if self._unsettled and values is not None:
            self._settle(page)
        return values

    def known(self, ids: Iterable[int]) -> Known:
        """The id of each line's series, by the kind that the line stands under and its prefix."""
        known: Known = {}
        pairs = zip(self._reader.prefixes, ids, strict=True)
        for kind, count in self.runs:
            under = known.setdefault(kind, {})
            for prefix, id_ in islice(pairs, count):
                under.setdefault(prefix, id_)
        return known

    def kind(self, place: int) -> MetricType:
        """The kind under which a sample stands."""
        for kind, count in self.runs:
            if place < count:
                return kind
            place -= count
        raise IndexError(place)

    def same_as(self, other: Shape) -> bool:
        """Whether two shapes say the same."""
        return (
            self.carries == other.carries
            and (self.law is None) == (other.law is None)
            and self.comments == other.comments
            and tuple(self._reader.prefixes) == tuple(other._reader.prefixes)
        )

    def _settle(self, page: bytes) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self._reader = Stencil.cut(page, self.carries, self._reader.prefixes) or self._reader


class Shapes:
    """Shapes are those in use, so that the targets of one kind keep one among them."""

    def __init__(self) -> None:
        self._used: WeakValueDictionary[int, Shape] = WeakValueDictionary()

    def shared(self, shape: Shape) -> Shape:
        """The shape in use that says the same, or `shape` itself."""
        used = self._used.setdefault(shape.key, shape)
        return used if used is shape or used.same_as(shape) else shape


def _pick(places: Sequence[int]) -> Pick:
    """A function that takes these places out of a list, in one step of C where there are two or more."""
    if len(places) > 1:
        return cast("Pick", itemgetter(*places))
    return lambda lines: tuple(lines[place] for place in places)


def _runs(kinds: Iterable[MetricType]) -> tuple[tuple[MetricType, int], ...]:
    return tuple((kind, len(list(run))) for kind, run in groupby(kinds))
