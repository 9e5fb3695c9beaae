"""OpenMetrics pages read line by line, and taken apart: what is before exemplars, and the exemplars.

A page without its exemplars has a shape like any other. Cutting at ` # {` is right wherever a line then is a known
prefix and a number; a page that has these bytes in a label or a comment gets no shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from common.errors import ExpositionError
from common.openmetrics import END, MARK, parse_line
from common.textformat import MetricType, Sample, Type, shown
from ruler.model.arrays import NAN
from ruler.scrape.page.families import Families
from ruler.scrape.page.lines import Scan, kind_of
from ruler.scrape.page.shapes import Shape

LARGE: Final = 4_096  # bytes of a page, from which arrays are faster

Cuts: TypeAlias = Sequence[tuple[int, bytes]]  # of each exemplar its line, and its text behind ` # {`


def parted(page: bytes) -> tuple[bytes, Cuts]:
    """A page without exemplars, and these; as it is, where a line seems to have two."""
    return _parted_at_once(page) if len(page) > LARGE else _parted_in_steps(page)


def _parted_in_steps(page: bytes) -> tuple[bytes, Cuts]:
    first, *others = page.split(MARK)
    if not others:
        return page, ()
    bare, cuts = [first], []
    line = first.count(b"\n")
    for piece in others:
        cut, end, rest = piece.partition(b"\n")
        if not end:
            return page, ()
        cuts.append((line, cut))
        bare += (end, rest)
        line += piece.count(b"\n")
    return b"".join(bare), cuts


def _parted_at_once(page: bytes) -> tuple[bytes, Cuts]:
    characters = np.frombuffer(page, dtype=np.uint8)
    sharps = np.flatnonzero(characters[:-2] == ord("#"))
    sharps = sharps[1:] if len(sharps) and sharps[0] == 0 else sharps
    begins = sharps[(characters[sharps + 2] == ord("{")) & (characters[sharps + 1] == characters[sharps - 1])] - 1
    begins = begins[characters[begins] == ord(" ")]
    if not len(begins):
        return page, ()
    line_ends = np.flatnonzero(characters == ord("\n"))
    lines = np.searchsorted(line_ends, begins)
    if lines[-1] == len(line_ends) or not (lines[1:] > lines[:-1]).all():
        return page, ()
    places, ends = begins.tolist(), line_ends[lines].tolist()
    cuts = [
        (line, page[begin + len(MARK) : end]) for line, begin, end in zip(lines.tolist(), places, ends, strict=True)
    ]
    kept = zip([0, *ends], [*places, len(page)], strict=True)
    return b"".join([page[begin:end] for begin, end in kept]), cuts


def scan_open(page: bytes, known: Mapping[MetricType, dict[bytes, int]], result: Scan) -> None:
    """Read a page by the grammar into `result`, which has what came before an ExpositionError."""
    if not page:
        return  # as in Prometheus, which does not ask an empty page for its end
    lines = page.split(b"\n")
    last = len(lines) - (2 if lines[-1] == b"" else 1)
    families, values, places = Families(), [], []
    kind, fits = MetricType.UNTYPED, True
    for number, line in enumerate(lines[: max(0, last)], 1):
        if line == END:
            raise ExpositionError("unexpected data after # EOF", line=number)
        entry = parse_line(line, number)
        try:
            if isinstance(entry, Sample):
                families.sample(entry)
                result.add(kind, entry, known.get(kind, {}).get(entry.prefix))
                values.append(entry.value)
                places.append(number)
                fits = fits and MARK not in entry.prefix
            else:
                families.metadata(entry)
                result.comments.append(line)
                fits = fits and MARK not in line
        except ValueError as error:
            raise ExpositionError(f"{error} while parsing: {shown(line)}", line=number) from None
        if isinstance(entry, Type):
            kind = kind_of(entry)
    if last < 0 or lines[last] != END:
        raise ExpositionError("data does not end with # EOF", line=len(lines))
    try:
        families.end()
    except ValueError as error:
        raise ExpositionError(str(error), line=len(lines)) from None
    result.comments += lines[last:]
    result.values = np.array(values, dtype=np.float64)
    result.values[np.isnan(result.values)] = NAN
    law = families.articles.law()
    if (broken := law.broken(result.values)) is not None:
        place, why = broken
        raise ExpositionError(f"{why} while parsing: {shown(lines[places[place] - 1])}", line=places[place])
    if fits:
        carries = bytearray(len(lines))
        for place in places:
            carries[place - 1] = 1
        result.shape = Shape.of(result.prefixes, result.comments, bytes(carries), result.kinds, law)
