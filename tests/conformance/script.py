"""The language of Prometheus's own PromQL tests: scripts of `load`, `clear` and `eval` with what is expected.

`parse_script` is pure; running scripts is in promqltest.py. Native histograms are recognised and not understood.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from common.durations import parse_duration
from common.labels import METRIC_NAME, Labels
from ruler.model.arrays import STALE
from ruler.promql.parser import parse_selector

Points: TypeAlias = list[float | None]  # None: no sample at this step
Starts: TypeAlias = list[int | None]


@dataclass(frozen=True)
class Series:
    """A Series is one line `metric{labels} values`; `native` when it has native histograms.

    Of those, `points` only say where samples are.

    `starts` are from a line `metric{labels}@st offsets`: how far (ms) from each point's time its start time is.
    """

    labels: Labels
    points: Points
    native: bool
    starts: Starts = field(default_factory=list)


@dataclass(frozen=True)
class Load:
    """A Load puts series into the storage, their points `interval` ms apart from 0 on."""

    interval: int
    series: list[Series]
    with_nhcb: bool


@dataclass(frozen=True)
class Clear:
    """A Clear empties the storage."""


@dataclass(frozen=True)
class Expectation:
    """An Expectation is one `expect` line: its kind, and how its text must match."""

    kind: str
    match: str = ""
    text: str = ""

    def met_by(self, actual: str) -> bool:
        if self.match == "msg":
            return self.text == actual
        return self.match != "regex" or re.search(self.text, actual) is not None


@dataclass
class Eval:
    """An Eval is a query with the result it must have. `step` is 0 for an instant query at `start`."""

    line: int
    query: str
    start: int
    end: int
    step: int
    expectations: list[Expectation] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    scalar: float | None = None
    string: str | None = None
    grid: tuple[int, int] | None = None  # start and step of an expected range vector

    def expected(self, kind: str) -> list[Expectation]:
        return [each for each in self.expectations if each.kind == kind]

    @property
    def native(self) -> bool:
        return any(each.native for each in self.series)


Command: TypeAlias = Load | Clear | Eval

_LOAD = re.compile(r"load(?:_(with_nhcb))?\s+(.+?)$")
_INSTANT = re.compile(r"eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$")
_RANGE = re.compile(r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$")
_EXPECT = re.compile(r"expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$")
_EXPECT_RANGE = re.compile(r"expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$")
_FLOAT = r"(?:inf|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
_VALUE = re.compile(rf"([+-]?{_FLOAT})(?:([+-]{_FLOAT}))?(?:x(\d+))?\Z", re.IGNORECASE)
_DURATION = r"(?:0|(?:\d+(?:ms|[smhdwy]))+)"
_OFFSET = re.compile(rf"([+-]?{_DURATION})([+-]{_DURATION})?(?:x(\d+))?\Z")
_START = "@st"
_OMITTED = re.compile(r"_(?:x(\d+))?\Z")
_ITEM = re.compile(r"\{\{.*?\}\}(?:[+-]\{\{.*?\}\})?(?:x(?=\d))?(?P<times>\d*)|\S+")


def parse_script(text: str) -> list[Command]:
    """The commands of a script."""
    lines = ["" if line.strip().startswith("#") else line.strip() for line in text.split("\n")]
    commands: list[Command] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        end = place + 1
        while line and end < len(lines) and lines[end]:
            end += 1
        if line.lower() == "clear":
            commands.append(Clear())
            end = place + 1
        elif line.lower().startswith("load"):
            commands.append(_load(line, lines[place + 1 : end]))
        elif line.lower().startswith("eval"):
            commands.append(_eval(place + 1, line, lines[place + 1 : end]))
        elif line:
            message = f"line {place + 1}: invalid command: {line!r}"
            raise ValueError(message)
        place = end
    return commands


def _load(line: str, body: list[str]) -> Load:
    match = _LOAD.match(line)
    assert match is not None, line
    starts = dict(parse_starts(each) for each in body if _is_of_starts(each))
    series = [parse_series(each) for each in body if not _is_of_starts(each)]
    last_of_each = {each.labels: replace(each, starts=starts.get(each.labels, [])) for each in series}
    return Load(parse_duration(match[2]), list(last_of_each.values()), match[1] is not None)


def _eval(number: int, line: str, body: list[str]) -> Eval:
    instant, ranged = _INSTANT.match(line), _RANGE.match(line)
    if instant is not None:
        start = parse_duration(instant[2])
        command, kind = Eval(number, instant[3], start, start, 0), instant[1]
    else:
        assert ranged is not None, line
        start, end, step = (parse_duration(ranged[group]) for group in (2, 3, 4))
        command, kind = Eval(number, ranged[5], start, end, step), ranged[1]
    if kind:
        command.expectations.append(Expectation(kind))
    for each in body:
        _add_expected(command, each)
    return command


def _add_expected(command: Eval, line: str) -> None:
    if line.startswith("expected_fail_message"):
        command.expectations[-1] = Expectation("fail", "msg", line.partition(" ")[2].strip())
    elif line.startswith("expected_fail_regexp"):
        command.expectations[-1] = Expectation("fail", "regex", line.partition(" ")[2].strip())
    elif match := _EXPECT_RANGE.match(line):
        command.grid = (parse_duration(match[1]), parse_duration(match[3]))
    elif line.startswith("expect string"):
        text = line.removeprefix("expect string ").strip()
        command.string = text[1:-1] if text.startswith("`") else ast.literal_eval(text)
    elif line.split(maxsplit=1)[0] == "expect":
        expect = _EXPECT.match(line)
        assert expect is not None, line
        command.expectations.append(Expectation(expect[1], expect[2] or "", (expect[3] or "").strip()))
    elif (number := _number(line)) is not None:
        command.scalar = number
    else:
        command.series.append(parse_series(line))


def _number(text: str) -> float | None:
    try:
        return float(int(text, 0))
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def parse_series(line: str) -> Series:
    """One line `metric{labels} values`."""
    metric, values = _split(line)
    labels = _labels(metric)
    points: Points = []
    for item in _ITEM.finditer(values):
        points += _expanded(item[0]) if item["times"] is None else [0.0] * (int(item["times"] or 0) + 1)
    return Series(labels, points, native="{{" in values)


def _is_of_starts(line: str) -> bool:
    metric, values = _split(line)
    return metric.endswith(_START) or values.startswith(_START)


def parse_starts(line: str) -> tuple[Labels, Starts]:
    """One line `metric{labels}@st offsets`."""
    metric, values = _split(line)
    starts: Starts = []
    for item in values.removeprefix(_START).split():
        if omitted := _OMITTED.match(item):
            starts += [None] * int(omitted[1] or 1)
            continue
        match = _OFFSET.match(item)
        assert match is not None, item
        first, step = (_signed(match[group] or "0") for group in (1, 2))
        starts += [first + step * place for place in range(int(match[3] or 0) + 1)]
    return _labels(metric.removesuffix(_START)), starts


def _signed(duration: str) -> int:
    size = duration.lstrip("+-")
    return (-1 if duration.startswith("-") else 1) * (0 if size == "0" else parse_duration(size))


def _split(line: str) -> tuple[str, str]:
    """The metric and the values of a line; the labels may have spaces, braces and quotes in their values."""
    quoted, depth = "", 0
    place = 0
    while place < len(line):
        char = line[place]
        if quoted:
            if char == "\\" and quoted != "`":
                place += 1
            elif char == quoted:
                quoted = ""
        elif char in "\"'`":
            quoted = char
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return line[: place + 1], line[place + 1 :]
        elif char.isspace() and depth == 0:
            rest = line[place:].lstrip()
            if not rest.startswith("{") or rest.startswith("{{"):
                return line[:place], rest
        place += 1
    return line, ""


def _labels(metric: str) -> Labels:
    name, _, inner = metric.partition("{")
    if not inner.rstrip("}").strip():
        return Labels({METRIC_NAME: name.strip()} if name.strip() else {})
    return Labels({each.name: each.value for each in parse_selector(_selectable(metric)) if each.name != "__any__"})


def _selectable(metric: str) -> str:
    """The metric as a selector: one with only empty values would not be a selector by itself."""
    return metric[: metric.rindex("}")].rstrip().rstrip(",") + ',__any__="x"}'


def _expanded(item: str) -> Points:
    if item == "stale":
        return [float(STALE)]
    if omitted := _OMITTED.match(item):
        return [None] * int(omitted[1] or 1)
    match = _VALUE.match(item)
    assert match is not None, item
    value, delta, times = float(match[1]), float(match[2] or 0), int(match[3] or 0)
    points: Points = []
    for _ in range(times + 1):
        points.append(value)
        value += delta
    return points
