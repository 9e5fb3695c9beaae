"""The lines of a page and the numbers at their ends: bytes → float64, without a Python step per line when it can be.

A page whose lines come as they came last time costs a split, a removeprefix per line in C and one number parser.
A Shape knows bytes alone: no labels, no series, no target; targets that expose the same share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from struct import Struct
from typing import Final, cast
from weakref import WeakValueDictionary

import numpy as np

from common.errors import ExpositionError
from common.textformat import Entry, LabelPairs, MetricType, Sample, Type, parse_line, parse_page
from ruler.model.arrays import NAN, FloatArray
from ruler.model.numbers import joined_values, parse_values

_NORMALISED: Final = (MetricType.HISTOGRAM, MetricType.SUMMARY)

Pick = Callable[[list[bytes]], tuple[bytes, ...]]


def _pick(places: Sequence[int]) -> Pick:
    """A function that takes these places out of a list, in one step of C where there are two or more."""
    if len(places) > 1:
        return cast("Pick", itemgetter(*places))
    return lambda lines: tuple(lines[place] for place in places)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Shape:
    """A Shape is a page without its values: which lines carry one, and the bytes of each line before it.

    `carries` has a byte for each line, 1 where it has a value; `fixed` is how many bytes of a page are not values.
    `runs` says under which kind of `# TYPE` the samples stand: (kind, how many), in order.
    """

    prefixes: tuple[bytes, ...]
    comments: tuple[bytes, ...]
    carries: bytes
    fixed: int
    runs: tuple[tuple[MetricType, int], ...]
    pick_comments: Pick
    pick_samples: Pick
    layout: Struct

    def values(self, page: bytes) -> FloatArray | None:
        """The values of a page of exactly this shape, None for any other page."""
        lines = page.split(b"\n")
        if len(lines) != len(self.carries) or self.pick_comments(lines) != self.comments:
            return None
        joined = b",".join(map(bytes.removeprefix, self.pick_samples(lines), self.prefixes))
        commas = max(0, len(self.prefixes) - 1)
        if len(joined) - commas != len(page) - self.fixed:  # some line kept the prefix that it should have lost
            return None
        return joined_values(joined, self.layout)

    def known(self, ids: Iterable[int]) -> Known:
        """The id of each line's series, by the kind that the line stands under and its prefix."""
        known: Known = {}
        pairs = zip(self.prefixes, ids, strict=True)
        for kind, count in self.runs:
            under = known.setdefault(kind, {})
            for prefix, id_ in islice(pairs, count):
                under.setdefault(prefix, id_)
        return known

    def same_as(self, other: Shape) -> bool:
        """Whether two shapes say the same."""
        return self.carries == other.carries and self.prefixes == other.prefixes and self.comments == other.comments


class Shapes:
    """Shapes are those in use, so that the targets of one kind keep one among them."""

    def __init__(self) -> None:
        self._used: WeakValueDictionary[int, Shape] = WeakValueDictionary()

    def shared(self, shape: Shape) -> Shape:
        """The shape with this content that is in use already, or `shape` itself."""
        key = hash((shape.prefixes, shape.comments, shape.carries))
        used = self._used.setdefault(key, shape)
        return used if used.same_as(shape) else shape


Known = dict[MetricType, dict[bytes, int]]


@dataclass(slots=True)
class Scan:
    """A Scan is a page being read: per sample its id (None where unknown), value, timestamp, and the new ones' labels.

    `shape` stays None for a page whose lines cannot be told apart without reading all of it.
    """

    kinds: list[MetricType] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    ids: list[int | None] = field(default_factory=list)
    fresh: list[tuple[int, LabelPairs]] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    values: FloatArray = field(default_factory=lambda: np.empty(0))
    comments: list[bytes] = field(default_factory=list)
    shape: Shape | None = None

    @property
    def timed(self) -> bool:
        """Whether any line brings a timestamp of its own."""
        return any(time is not None for time in self.times)

    def add(self, kind: MetricType, sample: Sample, id_: int | None) -> None:
        if id_ is None:
            self.fresh.append((len(self.ids), sample.labels))
        self.note(kind, sample.prefix, id_, sample.timestamp)

    def note(self, kind: MetricType, prefix: bytes, id_: int | None, time: int | None) -> None:
        self.kinds.append(kind)
        self.prefixes.append(prefix)
        self.ids.append(id_)
        self.times.append(time)


def scan(page: bytes, known: Mapping[MetricType, dict[bytes, int]]) -> Scan | None:
    """Read a page line by line, looking each prefix up; None when it must be read as a whole.

    A line that is valid alone leaves the parser where a line begins, so valid lines make a valid page. What is not
    valid alone may still be valid in its place (a label value with a line end in it): then nothing here counts.
    """
    if b"\0" in page:
        return None
    result, texts, carries = Scan(), [], bytearray()
    kind = MetricType.UNTYPED
    under = known.get(kind, {})
    try:
        for line in page.split(b"\n"):
            text, time, id_ = line.rpartition(b" ")[2], None, None
            prefix = line[: len(line) - len(text)]
            if line[:1] != b"#":
                id_ = under.get(prefix)
                if id_ is None and text.isdigit() and (head := prefix[:-1].rpartition(b" "))[1]:
                    id_ = under.get(head[0] + b" ")
                    if id_ is not None:
                        prefix, time, text = head[0] + b" ", _timestamp(text), head[2]
            if id_ is not None:
                result.note(kind, prefix, id_, time)
            else:
                entry = _comment(line) if line[:1] in (b"", b"#") else parse_line(line)
                if not isinstance(entry, Sample):
                    if isinstance(entry, Type):
                        kind = _kind(entry)
                        under = known.get(kind, {})
                    result.comments.append(line)
                    carries.append(0)
                    continue
                text = line[len(entry.prefix) :].split()[0]
                result.add(kind, entry, under.get(entry.prefix))
            texts.append(text)
            carries.append(1)
        result.values = parse_values(texts)
    except (ExpositionError, ValueError):
        return None
    result.shape = _shape(result, bytes(carries))
    return result


def _kind(entry: Type) -> MetricType:
    """The type, where it decides how a line's labels are read."""
    return entry.type if entry.type in _NORMALISED else MetricType.UNTYPED


def _shape(scan: Scan, carries: bytes) -> Shape:
    ends = len(carries) - 1
    return Shape(
        prefixes=tuple(scan.prefixes),
        comments=tuple(scan.comments),
        carries=carries,
        fixed=ends + sum(map(len, scan.comments)) + sum(map(len, scan.prefixes)),
        runs=_runs(scan.kinds),
        pick_comments=_pick([line for line, carry in enumerate(carries) if not carry]),
        pick_samples=_pick([line for line, carry in enumerate(carries) if carry]),
        layout=Struct(f"{len(scan.prefixes)}d"),
    )


def _timestamp(digits: bytes) -> int:
    time = int(digits)
    if time >= 1 << 63:
        msg = f"timestamp out of range: {time}"
        raise ValueError(msg)
    return time


def scan_whole(page: bytes, known: Mapping[MetricType, dict[bytes, int]], result: Scan) -> None:
    """Read a page from end to end by the grammar into `result`, which has what came before an ExpositionError."""
    values = []
    kind = MetricType.UNTYPED
    for entry in parse_page(page):
        if isinstance(entry, Type):
            kind = _kind(entry)
        elif isinstance(entry, Sample):
            result.add(kind, entry, known.get(kind, {}).get(entry.prefix))
            values.append(entry.value)
    result.comments = [line for line in page.split(b"\n") if line.startswith(b"#")]
    result.values = np.array(values, dtype=np.float64)
    result.values[np.isnan(result.values)] = NAN


@lru_cache(maxsize=4096)
def _comment(line: bytes) -> Entry | None:
    """What a comment line says; the same exporters say the same, so it is read once."""
    return parse_line(line)


def _runs(kinds: Iterable[MetricType]) -> tuple[tuple[MetricType, int], ...]:
    runs: list[tuple[MetricType, int]] = []
    for kind in kinds:
        if runs and runs[-1][0] is kind:
            runs[-1] = (kind, runs[-1][1] + 1)
        else:
            runs.append((kind, 1))
    return tuple(runs)
