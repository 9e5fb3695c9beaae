"""Generated queries: PromQL over the series of a world, every choice hypothesis's, so that a failing one gets smaller.

Times in a text are written `@ <ms>` from the world's beginning until `Asked.at` puts it somewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.ruler.promql.oracle.words import (
    AGGREGATIONS,
    ARITHMETIC,
    CHOOSING,
    COMPARISONS,
    DATES,
    GROUPINGS,
    GROUPS,
    MATCHINGS,
    NEW_WINDOWED,
    NUMBERS,
    POINTWISE,
    SELECTORS,
    SETS,
    SHARES,
    WINDOWED,
)
from tests.ruler.promql.oracle.world import World, worlds

T = TypeVar("T")

DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Asked:
    """An Asked is a query with its times (ms); a step of 0 is an instant query at `start`."""

    text: str
    start: int
    end: int
    step: int
    lookback: int | None = None

    def at(self, base: int) -> Asked:
        """The same in a world that begins at `base`."""
        text = re.sub(r"<(-?\d+)>", lambda found: f"{(base + int(found[1])) / 1000:.3f}", self.text)
        return replace(self, text=text, start=base + self.start, end=base + self.end)

    @property
    def instant(self) -> bool:
        return self.step == 0

    def __str__(self) -> str:
        when = f"at {self.start}" if self.instant else f"from {self.start} to {self.end} step {self.step}"
        return f"{self.text}   ({when} ms, lookback {self.lookback})"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A Dialect is which parts of the language queries are written in."""

    fill: bool = True
    new: bool = True  # what the Prometheus beside ours does not know yet


_A_LITTLE = (0, 0, 0, 1, -1)
_tenths = st.one_of(st.integers(1, 9).map(lambda ticks: 10 * ticks), st.integers(1, 120))


_NEW_SCALARS = ("of the query", "of two")
_starts = st.one_of(st.integers(0, 24).map(lambda ticks: 10 * ticks), st.integers(-15, 260))
_counts = st.integers(0, 24)


@cache
def _one_of(options: tuple[T, ...]) -> st.SearchStrategy[T]:
    return st.sampled_from(options)


class _Writer:
    """A _Writer writes expressions; `fuel` is how deep they may still get."""

    def __init__(self, draw: st.DrawFn, world: World, dialect: Dialect) -> None:
        self._draw, self._world, self._dialect = draw, world, dialect
        there = {labels["__name__"] for target in world.targets for labels in target.series}
        self._likely = tuple(text for text in SELECTORS if any(name in text for name in there)) or SELECTORS
        self._windowed = WINDOWED + (NEW_WINDOWED if dialect.new else ())

    def pick(self, options: tuple[T, ...]) -> T:
        strategy: st.SearchStrategy[T] = _one_of(options)
        return self._draw(strategy)

    # --- times --------------------------------------------------------------------------------------------------------

    def duration(self) -> str:
        """About a few ticks: a whole number of them, a little more or less, or any number of tenths."""
        tick = self._world.tick
        tenths = self._draw(_tenths)
        return written(max(1, tenths * tick // 10 + self.pick(_A_LITTLE)))

    def resolution(self) -> str:
        tick = self._world.tick
        return self.pick(("", *(written(max(1, tick * times // 4)) for times in (4, 2, 1, 3, 8, 12, 20))))

    def moved(self) -> str:
        """The modifiers of a selector, mostly none."""
        kind = self.pick(("", "", "", "", "", "offset", "offset -", "@", "@ start()", "@ end()", "@ offset"))
        offset = f" offset {self.duration()}"
        if kind == "offset":
            return offset
        if kind == "offset -":
            return f" offset -{self.duration()}"
        if kind == "@":
            return f" @ <{self.moment()}>"
        if kind == "@ offset":
            return f" @ <{self.moment()}>{offset}"
        return f" {kind}" if kind else ""

    def moment(self) -> int:
        tick = self._world.tick
        return self.pick(tuple(range(-1, 26))) * tick + self.pick((0, 1, -1, tick // 2))

    # --- values -------------------------------------------------------------------------------------------------------

    def scalar(self, fuel: int) -> str:
        kind = self.pick(("number", "number", "time()", "pi()", "scalar", "op", "compare", "-", *_NEW_SCALARS))
        if kind == "number" or fuel <= 0:
            return self.pick(NUMBERS)
        if kind == "scalar":
            return f"scalar({self.vector(fuel - 1)})"
        if kind == "op":
            return f"({self.scalar(fuel - 1)} {self.pick(ARITHMETIC)} {self.scalar(fuel - 1)})"
        if kind == "of the query":
            return self.pick(("start()", "end()", "range()", "step()")) if self._dialect.new else "time()"
        if kind == "of two":
            function = self.pick(("min_of", "max_of"))
            return f"{function}({self.scalar(fuel - 1)}, {self.scalar(fuel - 1)})" if self._dialect.new else "pi()"
        if kind == "compare":
            return f"({self.scalar(fuel - 1)} {self.pick(COMPARISONS)} bool {self.scalar(fuel - 1)})"
        return f"-({self.scalar(fuel - 1)})" if kind == "-" else kind

    def share(self, fuel: int) -> str:
        return self.pick(SHARES) if self.pick((True, True, True, False)) else self.scalar(fuel)

    def selector(self) -> str:
        return f"{self.selected()}{self.moved()}"

    def selected(self) -> str:
        """A selector: mostly of something that there is."""
        return self.pick(self._likely) if self.pick((True, True, True, False)) else self.pick(SELECTORS)

    def matrix(self, fuel: int) -> str:
        if fuel <= 0 or self.pick((True, True, True, False)):
            return f"{self.selected()}[{self.reach()}]{self.moved()}"
        return f"({self.vector(fuel - 1)})[{self.duration()}:{self.resolution()}]{self.moved()}"

    def reach(self) -> str:
        if self.pick((True, True, True, True, False)):
            return self.duration()
        one, other = self.duration(), self.duration()
        sums = (f"({one}*2)", f"{one}+{other}", f"({one})/2")
        newer = (f"{one}+step()", f"max_of({one}, {other})", f"range()+{one}", f"min_of({one}, step()+{other})")
        return self.pick(sums + newer if self._dialect.new else sums)

    def vector(self, fuel: int) -> str:
        if fuel <= 0:
            return self.selector()
        kind = self.pick(_KINDS if self._dialect.new else _OLD_KINDS)
        return _KINDS_OF[kind](self, fuel - 1)

    def plain(self, fuel: int) -> str:
        return self.selector()

    def pointwise(self, fuel: int) -> str:
        return f"{self.pick(POINTWISE)}({self.vector(fuel)})"

    def windowed(self, fuel: int) -> str:
        return f"{self.pick(self._windowed)}({self.matrix(fuel)})"

    def windowed_with_scalars(self, fuel: int) -> str:
        function = self.pick(("quantile_over_time", "predict_linear", "double_exponential_smoothing"))
        if function == "quantile_over_time":
            return f"quantile_over_time({self.share(fuel)}, {self.matrix(fuel)})"
        if function == "predict_linear":
            return f"predict_linear({self.matrix(fuel)}, {self.scalar(fuel)})"
        factors = f"{self.pick(('0.5', '0.1'))}, {self.pick(('0.3', '0.9', '1', self.scalar(fuel)))}"
        return f"double_exponential_smoothing({self.matrix(fuel)}, {factors})"

    def aggregation(self, fuel: int) -> str:
        return f"{self.pick(AGGREGATIONS)} {self.pick(GROUPINGS)} ({self.vector(fuel)})"

    def aggregation_with_parameter(self, fuel: int) -> str:
        operator = self.pick((*CHOOSING, "quantile", "count_values", "limit_ratio"))
        if operator == "quantile":
            parameter = self.share(fuel)
        elif operator == "count_values":
            parameter = self.pick(('"value"', '"code"', '"instance"', '"odd one"'))
        elif operator == "limit_ratio":
            parameter = self.pick(("1", "0", "-1", "2", "-1.5"))
        else:
            parameter = self.pick(("1", "2", "0", "3", "-1", "2.9", "NaN", "1e30", self.scalar(fuel)))
        return f"{operator} {self.pick(GROUPINGS)} ({parameter}, {self.vector(fuel)})"

    def arithmetic(self, fuel: int) -> str:
        return f"({self.vector(fuel)}) {self.pick(ARITHMETIC)} {self.matching()} ({self.vector(fuel)})"

    def comparison(self, fuel: int) -> str:
        boolean = self.pick(("", "bool "))
        return f"({self.vector(fuel)}) {self.pick(COMPARISONS)} {boolean}{self.matching()} ({self.vector(fuel)})"

    def matching(self) -> str:
        matching = self.pick(MATCHINGS)
        group = self.pick(GROUPS) if matching else ""
        fill = ""
        if self._dialect.fill:
            fill = self.pick(
                ("", "", "", "fill (0)", "fill_left (1)", "fill_right (-2)", "fill_left (1) fill_right (2)")
            )
        return " ".join(part for part in (matching, group, fill) if part)

    def with_scalar(self, fuel: int) -> str:
        operator = self.pick((*ARITHMETIC, *COMPARISONS))
        boolean = " bool" if operator in COMPARISONS and self.pick((False, False, True)) else ""
        vector, scalar = f"({self.vector(fuel)})", f"({self.scalar(fuel)})"
        left, right = (vector, scalar) if self.pick((True, True, False)) else (scalar, vector)
        return f"{left} {operator}{boolean} {right}"

    def sets(self, fuel: int) -> str:
        return f"({self.vector(fuel)}) {self.pick(SETS)} {self.pick(MATCHINGS)} ({self.vector(fuel)})"

    def clamped(self, fuel: int) -> str:
        function = self.pick(("clamp", "clamp_min", "clamp_max", "round"))
        second = f", {self.scalar(fuel)}" if function == "clamp" else ""
        return f"{function}({self.vector(fuel)}, {self.scalar(fuel)}{second})"

    def relabelled(self, fuel: int) -> str:
        vector = self.vector(fuel)
        if self.pick((True, False)):
            rest = self.pick(
                (
                    '"place", "at-$1", "instance", "(.*)"',
                    '"__name__", "$1_seen", "__name__", "(.+)"',
                    '"__name__", "", "instance", "a"',
                    '"code", "$2$1", "code", "(.)(..)"',
                    '"instance", "", "instance", ".*"',
                    '"place", "${x}", "instance", "(?P<x>[ab])"',
                    '"instance", "x", "nothing", ""',
                )
            )
            return f"label_replace({vector}, {rest})"
        rest = self.pick(
            (
                '"both", "/", "instance", "code"',
                '"instance", "", "job"',
                '"__name__", "_", "job", "instance"',
                '"code", "-", "nothing"',
                '"new", "x"',
            )
        )
        return f"label_join({vector}, {rest})"

    def absent(self, fuel: int) -> str:
        return f"absent({self.vector(fuel)})"

    def histogram(self, fuel: int) -> str:
        buckets = self.pick(
            (
                "latency_bucket",
                f"rate(latency_bucket[{self.duration()}])",
                "sum by (le) (latency_bucket)",
                f"sum by (instance, le) (increase(latency_bucket[{self.duration()}]))",
                self.vector(fuel),
            )
        )
        if not self._dialect.new or self.pick((True, True, False)):
            return f"histogram_quantile({self.share(fuel)}, {buckets})"
        if self.pick((True, False)):
            return f"histogram_fraction({self.scalar(0)}, {self.scalar(0)}, {buckets})"
        return f'histogram_quantiles({buckets}, "{self.pick(("q", "instance"))}", 0.5, {self.share(fuel)})'

    def made(self, fuel: int) -> str:
        kind = self.pick(("vector", "date", "date of", "negative", "paren"))
        if kind == "vector":
            return f"vector({self.scalar(fuel)})"
        if kind == "date":
            return f"{self.pick(DATES)}()"
        if kind == "date of":
            return f"{self.pick(DATES)}({self.vector(fuel)})"
        return f"-({self.vector(fuel)})" if kind == "negative" else f"({self.vector(fuel)})"

    def ordered(self, fuel: int) -> str:
        function = self.pick(("sort", "sort_desc", "sort_by_label", "sort_by_label_desc"))
        labels = self.pick(('"instance"', '"code", "instance"', '"job"')) if "label" in function else ""
        return f"{function}({self.vector(fuel)}{', ' if labels else ''}{labels})"

    def informed(self, fuel: int) -> str:
        wanted = self.pick(("", ', {region=~".+"}', ', {version="1"}', ', {__name__=~".+_info"}', ', {version=~"9?"}'))
        plain = self.selected()
        vector = self.pick((plain, f"rate({plain}[{self.duration()}])", f"sum by (instance, job) ({plain})"))
        return f"info({vector}{wanted})"


_KINDS_OF = {
    "plain": _Writer.plain,
    "windowed": _Writer.windowed,
    "windowed with scalars": _Writer.windowed_with_scalars,
    "pointwise": _Writer.pointwise,
    "aggregation": _Writer.aggregation,
    "aggregation with parameter": _Writer.aggregation_with_parameter,
    "arithmetic": _Writer.arithmetic,
    "comparison": _Writer.comparison,
    "with scalar": _Writer.with_scalar,
    "sets": _Writer.sets,
    "clamped": _Writer.clamped,
    "relabelled": _Writer.relabelled,
    "absent": _Writer.absent,
    "histogram": _Writer.histogram,
    "made": _Writer.made,
    "ordered": _Writer.ordered,
    "informed": _Writer.informed,
}
_KINDS = (
    "plain",
    *_KINDS_OF,
    "windowed",
    "windowed",
    "windowed",
    "aggregation",
    "aggregation with parameter",
    "arithmetic",
)
_OLD_KINDS = tuple(kind for kind in _KINDS if kind != "informed")


@st.composite
def queries(draw: st.DrawFn, world: World, dialect: Dialect) -> Asked:
    """A query over the world, with times in and around it."""
    writer = _Writer(draw, world, dialect)
    fuel = writer.pick((1, 2, 3))
    kind = writer.pick(("vector",) * 12 + ("scalar", "matrix"))
    tick = world.tick
    start = draw(_starts) * tick // 10 + writer.pick(_A_LITTLE)
    lookback = writer.pick((None, None, None, None, 3 * tick, tick, tick - 1))
    if kind == "matrix":
        return Asked(writer.matrix(fuel), start, start, 0, lookback)
    text = writer.vector(fuel) if kind == "vector" else writer.scalar(fuel)
    step = 0 if writer.pick((False, False, True)) else max(1, writer.pick((10, 15, 5, 30, 7, 23, 0)) * tick // 10)
    if step == 1 and tick > 100:
        step = writer.pick((1, 7, DAY))
    count = 0 if step == 0 else draw(_counts)
    return Asked(text, start, start + count * step + (step // 3 if step else 0), step, lookback)


@dataclass(frozen=True, slots=True, repr=False)
class Scene:
    """A Scene is a world and what is asked about it."""

    world: World
    asked: tuple[Asked, ...]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def __repr__(self) -> str:
        return f"a world of {len(self.world.samples())} series, {len(self.asked)} queries"


@st.composite
def _scenes(draw: st.DrawFn, dialect: Dialect, count: int) -> Scene:
    world = draw(worlds())
    return Scene(world, tuple(draw(queries(world, dialect)) for _ in range(count)))


def scenes(dialect: Dialect, count: int) -> st.SearchStrategy[Scene]:
    """A world and so many queries.

    Drawn as a collection without duplicates, in which hypothesis does not write one part over another, as it otherwise
    does five times with each example: nearly every query comes once only.
    """
    return st.lists(_scenes(dialect, count), min_size=1, max_size=1, unique_by=lambda _: 0).map(lambda one: one[0])


def written(milliseconds: int) -> str:
    """A duration as text."""
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"
