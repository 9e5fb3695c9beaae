"""Text exposition with timestamps, in and out: OpenMetrics (seconds, ended by `# EOF`), and Prometheus's (ms) in.

A stale marker is written as OpenMetrics has nothing for it: as NaN with the exemplar {tocsin="stale"}, which comes
back as a stale marker here and is NaN elsewhere. Prometheus cuts times to ms after multiplying floats; where that
would lose one, a fourth decimal is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from common.errors import ExpositionError
from common.labels import METRIC_NAME, Labels, is_label_name, is_metric_name, quote
from common.textformat import Sample, parse_line
from ruler.model.arrays import IntArray
from ruler.model.numbers import joined_texts, number_texts, parse_integers, parse_values
from ruler.transfer.keyed import KeyedLines, Row
from ruler.transfer.lines import MAX_LINE, batches
from ruler.transfer.series import BadLine, SeriesSamples, shown
from ruler.transfer.write import interleaved, odd_texts

END = b"# EOF"
STALE_MARK = b'{tocsin="stale"}'

_KEY = re.compile(rb'[^\s{"#]*[ \t]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?', re.DOTALL)
_REST = re.compile(rb"[ \t]*(\S+)(?:[ \t]+([^#\s]\S*))?(?:[ \t]+#[ \t]+(\{.*))?[ \t]*\r?\Z", re.DOTALL)
_LATEST = 9_000_000_000_000  # seconds; more are no time in ms of 64 bits


def write(series: Iterable[SeriesSamples]) -> Iterator[bytes]:
    """The samples as OpenMetrics with timestamps. Types are not known, so none is written."""
    tails: list[bytes] = []
    tails_of: IntArray | None = None
    for each in series:
        if each.times is not tails_of:  # columns without gaps share their times
            tails, tails_of = _tails(each.times), each.times
        texts = number_texts(each.values)
        ends = tails
        for place, text in odd_texts(each.values, nan=b"NaN", infinity=b"+Inf", stale=b""):
            texts[place] = text
            if not text:
                ends = list(tails) if ends is tails else ends
                texts[place], ends[place] = b"NaN", tails[place][:-1] + b" # " + STALE_MARK + b" 1\n"
        yield interleaved((_key(each.labels) + b" ", texts, ends), len(texts))
    yield END + b"\n"


def _tails(times: IntArray) -> list[bytes]:
    """What follows a value: the time in seconds and the line's end."""
    seconds = times / 1000
    short = (seconds * 1000).astype(np.int64) != times
    if short.any():
        seconds[short] = (times[short] * 10 + np.sign(times[short])) / 10_000
    return (b" " + joined_texts(seconds).replace(b",", b"\n, ") + b"\n").split(b",")


def _key(labels: Labels) -> bytes:
    name = labels.get(METRIC_NAME, "")
    pairs = [
        f"{label if is_label_name(label) else quote(label)}={quote(value)}"
        for label, value in labels.items()
        if label != METRIC_NAME
    ]
    if not is_metric_name(name):
        return ("{" + ",".join((quote(name), *pairs)) + "}").encode()
    return (name + ("{" + ",".join(pairs) + "}" if pairs else "")).encode()


def parse_openmetrics(chunks: Iterable[bytes], *, max_line: int = MAX_LINE) -> Iterator[SeriesSamples]:
    """What a page of OpenMetrics says. Every sample needs a timestamp, and the page its `# EOF`; raises BadLine."""
    grammar = _OpenMetrics()
    yield from KeyedLines(grammar).read(batches(chunks, max_line))
    if not grammar.ended:
        raise BadLine(f"the page does not end with {END.decode()}", line=grammar.seen + 1)


def parse_prometheus(chunks: Iterable[bytes], now: int, *, max_line: int = MAX_LINE) -> Iterator[SeriesSamples]:
    """What a page of Prometheus's text format says; lines without a timestamp are of `now`. Raises BadLine."""
    yield from KeyedLines(_Prometheus(now)).read(batches(chunks, max_line))


class _Exposition:
    """What both text formats have in common."""

    separator = b" "

    def row(self, line: bytes, number: int) -> Row | None:
        if line[:1] in (b"", b"#", b"\r"):
            self._comment(line)
            return None
        match = _KEY.match(line)
        key = match[0].rstrip(b" \t") if match else b""
        rest = _REST.match(line, len(key))
        if rest is None:
            raise BadLine(f"not a sample: {shown(line)}", line=number)
        value, time, exemplar = rest.groups()
        return Row(key, self._value(value, exemplar, line, number), time or self._missing(line, number))

    def labels(self, key: bytes, number: int) -> Labels:
        try:
            entry = parse_line(key + b" 0")
        except ExpositionError as error:
            raise BadLine(error.problem, line=number) from None
        if not isinstance(entry, Sample):
            raise BadLine(f"not a series: {shown(key)}", line=number)
        return Labels(entry.labels)

    def _comment(self, line: bytes) -> None:
        """Read a line that holds no sample."""

    def _value(self, value: bytes, exemplar: bytes | None, line: bytes, number: int) -> bytes:
        if exemplar is not None:
            raise BadLine(f"an exemplar, which this format has not: {shown(line)}", line=number)
        return value

    def _missing(self, line: bytes, number: int) -> bytes:
        """The time of a line that has none."""
        raise BadLine(f"no timestamp: {shown(line)}", line=number)


class _OpenMetrics(_Exposition):
    def __init__(self) -> None:
        self.ended, self.seen = False, 0

    def row(self, line: bytes, number: int) -> Row | None:
        if self.ended and line.strip():
            raise BadLine(f"more after {END.decode()}: {shown(line)}", line=number)
        self.seen = number
        return super().row(line, number)

    def _comment(self, line: bytes) -> None:
        self.ended = self.ended or line.rstrip(b"\r") == END

    def _value(self, value: bytes, exemplar: bytes | None, line: bytes, number: int) -> bytes:  # noqa: ARG002
        return b"" if exemplar is not None and exemplar.startswith(STALE_MARK) and value == b"NaN" else value

    def times(self, texts: list[bytes]) -> IntArray:
        seconds = parse_values(texts)
        if not (np.abs(seconds) < _LATEST).all():
            msg = f"not a time in seconds: {shown(texts[0])}"
            raise ValueError(msg)
        # Cut to whole ms, as Prometheus does, save that the rounding of a float never costs one.
        return (seconds * 1000 + np.copysign(1e-3, seconds)).astype(np.int64)


class _Prometheus(_Exposition):
    def __init__(self, now: int) -> None:
        self._now = b"%d" % now

    def _missing(self, line: bytes, number: int) -> bytes:  # noqa: ARG002
        return self._now

    def times(self, texts: list[bytes]) -> IntArray:
        return parse_integers(texts)
