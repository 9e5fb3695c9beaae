"""A large page read as bytes and places: no object for a line, no step of Python for a value.

What stands between two values of a page is fixed. A stencil knows how long each such stretch is, so that the line ends
of the next page say where its values must be, and holds the stretches' bytes in chunks: the same chunks of the next
page show whether it fits. What a stencil reads it vouches for; of any other page it reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from struct import Struct, error
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from common.textformat import parse_value
from ruler.model.arrays import NAN, CodeArray, FloatArray, IntArray

Bytes: TypeAlias = npt.NDArray[np.uint8]
Windows: TypeAlias = npt.NDArray[np.void]

LONGEST = 31  # bytes of a value
_ROW_WIDTHS: Final = (8, 16, 24, 32)
_WIDTHS: Final = ((64, 16), (16, 0), (4, 0), (1, 0))  # of chunks, and how much is rather left to narrower ones
_WINDOW: Final = {width: np.dtype(f"V{width}") for width in (1, 4, 64, *_ROW_WIDTHS)}
_WORDS: Final = {b"NaN": float(NAN), b"+Inf": float("inf"), b"-Inf": float("-inf")}


@dataclass(frozen=True, slots=True)
class Chunks:
    """Chunks are pieces of one width: the i-th is `offsets[i]` bytes into stretch `stretches[i]`; `joined` is all."""

    width: int
    stretches: CodeArray
    offsets: CodeArray
    joined: bytes


@dataclass(frozen=True, slots=True)
class Stencil:
    """A Stencil is a page with holes for its values.

    `lengths` are those of the stretches, each from the end of the value before to the next value; `ends` says which of
    the page's line ends ends each value, `line_ends` how many there are, and `rest` is what follows the last value.
    """

    lengths: CodeArray
    ends: CodeArray
    line_ends: int
    rest: bytes
    chunks: tuple[Chunks, ...]
    layout: Struct

    @classmethod
    def cut(cls, page: bytes, carries: bytes, prefixes: Sequence[bytes]) -> Stencil | None:
        """The stencil of a page of which these lines carry a value behind these prefixes; None where it cannot be."""
        line_ends = _line_ends(page)
        values = np.flatnonzero(np.frombuffer(carries, dtype=np.uint8))
        if not len(values) or values[-1] == len(line_ends):
            return None  # no values, or one without a line end
        ends = line_ends[values]
        begins = _begins(ends)
        lines = np.concatenate(([0], line_ends + 1))[values]
        lengths = lines + np.fromiter(map(len, prefixes), np.int64, len(prefixes)) - begins
        if lengths[0] < LONGEST:
            return None  # too little before the first value to fill its row
        chunks = [
            Chunks(width, _narrow(stretches), _narrow(offsets), _windows(page, width, begins[stretches] + offsets))
            for width, stretches, offsets in _pieces(lengths)
        ]
        layout = Struct(f"{len(prefixes)}d")
        return cls(_narrow(lengths), _narrow(values), len(line_ends), page[ends[-1] :], tuple(chunks), layout)

    def values(self, page: bytes, *, bare: bool) -> FloatArray | None:
        """The values of a page that the stencil fits, None for any other page; `bare` allows no space behind them."""
        line_ends = _line_ends(page)
        if len(line_ends) != self.line_ends:
            return None
        ends = line_ends.take(self.ends)
        begins = _begins(ends)
        starts = begins + self.lengths
        sizes = ends - starts
        longest = int((sizes - 1).view(np.uint64).max()) + 1  # as unsigned, a size of 0 or less is the largest
        if longest > LONGEST or page[ends[-1] :] != self.rest:
            return None
        for chunks in self.chunks:
            if _windows(page, chunks.width, begins.take(chunks.stretches) + chunks.offsets) != chunks.joined:
                return None
        if bare and (np.frombuffer(page, dtype=np.uint8).take(ends - 1) <= ord(" ")).any():
            return None
        return self._numbers(page, starts, ends, (longest + 8) & ~7)

    @property
    def prefixes(self) -> Sequence[bytes]:
        """What stands before each value in its line."""
        tos = np.cumsum(self.lengths, dtype=np.int64)
        begins = tos - self.lengths
        whole = np.empty(tos[-1], dtype=np.uint8)
        for chunks in self.chunks:
            views = np.ndarray((len(whole) - chunks.width + 1,), _WINDOW[chunks.width], whole.data, 0, (1,))
            views[begins[chunks.stretches] + chunks.offsets] = np.frombuffer(chunks.joined, _WINDOW[chunks.width])
        joined, places = whole.tobytes(), zip(begins.tolist(), tos.tolist(), strict=True)
        return [joined[begin:to].rpartition(b"\n")[2] for begin, to in places]

    def _numbers(self, page: bytes, starts: IntArray, ends: IntArray, width: int) -> FloatArray | None:
        """The numbers that stand there, None where one is none: read as JSON, each in a row of so many bytes.

        JSON's numbers are a subset of Prometheus's with the same meaning, but that its integer -0 has no sign and that
        a carriage return is white space. What does not begin like one of them is read by itself, a 0 in its place.
        """
        count = len(starts)
        text = np.empty(1 + count * width, dtype=np.uint8)
        rows = text[1:].reshape(count, width)
        found = np.frombuffer(_windows(page, width, ends - (width - 1)), dtype=np.uint8)
        blank = _BLANKS[width].take(ends - starts).view(np.uint8)
        np.minimum(found.reshape(count, width), blank.reshape(count, width), out=rows)
        rows[:, -1] = ord(",")
        text[0], text[-1] = b"[]"
        negative, odd = _unusual(np.frombuffer(page, dtype=np.uint8), starts)
        if len(odd):
            rows[odd, :-2], rows[odd, -2] = ord(" "), ord("0")
        joined = text.tobytes()
        if b"\r" in joined:
            return None
        values = np.empty(count)
        try:
            self.layout.pack_into(values.data, 0, *orjson.loads(joined))
            if len(negative):
                values[negative] = -np.abs(values[negative])
            if len(odd):
                places = zip(starts[odd].tolist(), ends[odd].tolist(), strict=True)
                values[odd] = [_odd_number(page[start:end]) for start, end in places]
        except (orjson.JSONDecodeError, error, ValueError):
            return None
        return values


def _line_ends(page: bytes) -> IntArray:
    return np.flatnonzero(np.frombuffer(page, dtype=np.uint8) == ord("\n"))


def _begins(ends: IntArray) -> IntArray:
    """Where the stretches begin, of which each value ends there."""
    begins = np.empty_like(ends)
    begins[:1], begins[1:] = 0, ends[:-1]
    return begins


def _windows(page: bytes, width: int, places: IntArray) -> bytes:
    """So many bytes of `page` from each of `places`, joined."""
    views = np.ndarray((len(page) - width + 1,), _WINDOW[width], page, 0, (1,))
    return views[places].tobytes()


def _narrow(numbers: IntArray) -> CodeArray:
    return numbers.astype(np.int32)


def _pieces(lengths: IntArray) -> Iterator[tuple[int, IntArray, IntArray]]:
    """Chunks that cover stretches of these lengths: (width, stretch of each, offset of each). The last may overlap."""
    covered = np.zeros_like(lengths)
    for width, slack in _WIDTHS:
        counts = np.where(lengths >= width, (lengths - covered + width - 1 - slack) // width, 0)
        stretches = np.repeat(np.arange(len(lengths)), counts)
        if len(stretches):
            nth = np.arange(len(stretches)) - np.repeat(np.cumsum(counts) - counts, counts)
            offsets = np.minimum(covered[stretches] + nth * width, lengths[stretches] - width)
            yield width, stretches, offsets
        covered = np.minimum(covered + counts * width, lengths)


def _blanks(width: int) -> Windows:
    """For a value of each size, the most that each byte of its row may be: blank before the value."""
    most = np.full((width, width), 0xFF, dtype=np.uint8)
    for size in range(width):
        most[size, : width - 1 - size] = ord(" ")
    return most.view(_WINDOW[width]).ravel()


_BLANKS: Final = {width: _blanks(width) for width in _ROW_WIDTHS}


def _unusual(characters: Bytes, starts: IntArray) -> tuple[IntArray, IntArray]:
    """Which of the values that start there have a minus, and which do not begin like a number of JSON."""
    first = characters.take(starts)
    strange = np.flatnonzero(first - ord("0") > 9)  # as unsigned, what comes before 0 is larger
    if not len(strange):
        return strange, strange
    minus = first[strange] == ord("-")
    fine = minus & (characters[starts[strange] + 1] - ord("0") <= 9)
    return strange[fine], strange[~fine]


def _odd_number(text: bytes) -> float:
    number = _WORDS.get(text)
    if number is None:
        number = parse_value(text.rstrip(b" \t"))
        if isnan(number):
            return _WORDS[b"NaN"]
    return number
