"""The syntax tree of PromQL: what was written, with positions, and nothing about how it runs. No node ever changes.

Positions are offsets in characters of the query text, end exclusive. Durations are int milliseconds, or arithmetic that
becomes so when the query runs (durations.py). The printed form of a node (`str`, Prometheus's canonical form) parses
back to an equal tree; positions do not take part in equality. A chain `1 + 1 + …` is a left spine of thousands of
Binary nodes: nothing here recurses, and no walker may recurse on `Binary.left`. Any other way down is short.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Final, TypeAlias, cast

from common.durations import format_duration
from common.labels import METRIC_NAME, is_label_name
from ruler.model.golang import format_float, quote
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.signatures import SIGNATURES, ValueType

__all__ = [
    "Aggregation",
    "At",
    "AtEdge",
    "Binary",
    "Call",
    "Cardinality",
    "DurationExpr",
    "DurationTerm",
    "Expr",
    "Extension",
    "Extent",
    "Matching",
    "MatrixSelector",
    "Node",
    "Number",
    "Paren",
    "Subquery",
    "Text",
    "Unary",
    "ValueType",
    "VectorSelector",
    "known",
]


class AtEdge(Enum):
    """`@ start()` and `@ end()`."""

    START = "start()"
    END = "end()"


_SCALAR, _VECTOR = ValueType.SCALAR, ValueType.VECTOR  # looked up once: an enumeration takes its time
At: TypeAlias = int | AtEdge  # ms, or an edge of the query's range


class Extension(Enum):
    """What a selector does with samples beyond its window's edges."""

    NONE = ""
    ANCHORED = "anchored"
    SMOOTHED = "smoothed"


class Cardinality(Enum):
    """How the sides of a binary operation between vectors pair."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"  # group_left
    ONE_TO_MANY = "one-to-many"  # group_right
    MANY_TO_MANY = "many-to-many"  # and, or, unless


@dataclass(frozen=True, slots=True)
class Matching:
    """Matching says which labels pair the sides: those of `labels` alone (`on`) or all but those."""

    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()  # labels that group_left/group_right copies from the one side
    fill_left: float | None = None
    fill_right: float | None = None

    def __str__(self) -> str:
        text = ""
        grouped = self.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY)
        if self.labels or self.on or grouped:
            text = f" {'on' if self.on else 'ignoring'} ({_names(self.labels)})"
        if grouped:
            side = "left" if self.cardinality is Cardinality.MANY_TO_ONE else "right"
            text += f" group_{side} ({_names(self.include)})"
        left, right = (None if fill is None else format_float(fill, "g") for fill in (self.fill_left, self.fill_right))
        if left is not None and left == right:
            return f"{text} fill ({left})"
        return text + (f" fill_left ({left})" if left else "") + (f" fill_right ({right})" if right else "")


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Node:
    """A Node is a piece of an expression; each kind says its own text, as strings with its children between them.

    Its fields are Final instead of frozen: a query may have thousands of nodes, and a frozen one takes three times as
    long to make.
    """

    span: Final[tuple[int, int]] = (0, 0)  # from where to where it was written

    @property
    def start(self) -> int:
        return self.span[0]

    def pieces(self) -> tuple[str | Node, ...]:
        raise NotImplementedError

    def __str__(self) -> str:
        text: list[str] = []
        pending: list[str | Node] = [self]
        while pending:
            piece = pending.pop()
            if isinstance(piece, str):
                text.append(piece)
            else:
                pending.extend(reversed(piece.pieces()))
        return "".join(text)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        pending: list[tuple[Any, Any]] = [(self, other)]
        while pending:
            one, two = pending.pop()
            if one is two:
                continue
            if type(one) is not type(two):
                return False
            if isinstance(one, Node | Matching):
                names = cast("tuple[str, ...]", one.__match_args__)
                pending.extend((getattr(one, name), getattr(two, name)) for name in names if name != "matchers")
                if isinstance(one, VectorSelector) and sorted(map(str, one.matchers)) != sorted(map(str, two.matchers)):
                    return False
            elif isinstance(one, tuple):
                if len(one) != len(two):
                    return False
                pending.extend(zip(one, two, strict=True))
            elif one != two and not (one != one and two != two):  # noqa: PLR0124  (NaN was written on both sides)
                return False
        return True

    def __hash__(self) -> int:
        return hash(str(self))


@dataclass(slots=True, eq=False, repr=False)
class Number(Node):
    """A Number is a literal; one written as a duration (`5m`) is its seconds."""

    type: ClassVar[ValueType] = ValueType.SCALAR
    value: Final[float]
    duration: Final[bool] = False

    def pieces(self) -> tuple[str | Node, ...]:
        return (format_duration(round(self.value * 1000)) if self.duration else format_float(self.value),)


@dataclass(slots=True, eq=False, repr=False)
class DurationExpr(Node):
    """A DurationExpr is `left op right` where a duration stands; a minus sign has no left, `step` and `range` no side.

    `wrapped` says that it stands in parentheses; a literal loses its own.
    """

    op: Final[str]
    left: Final[DurationTerm | None] = None
    right: Final[DurationTerm | None] = None
    wrapped: Final[bool] = False

    def pieces(self) -> tuple[str | Node, ...]:
        text: tuple[str | Node, ...]
        if self.right is None:
            text = (f"{self.op}()",)
        elif self.left is None:
            text = (self.op, self.right)
        elif self.op in ("min_of", "max_of"):
            text = (f"{self.op}(", self.left, ", ", self.right, ")")
        elif self.op == "^" and isinstance(self.left, Number) and str(self.left).startswith("-"):
            text = ("(", self.left, ") ^ ", self.right)  # a sign before it would be read as that of the power
        else:
            text = (self.left, f" {self.op} ", self.right)
        return ("(", *text, ")") if self.wrapped else text


DurationTerm: TypeAlias = Number | DurationExpr
Extent: TypeAlias = int | DurationExpr  # ms, or what has to be resolved before


def known(extent: Extent) -> int:
    """The milliseconds of an extent in a tree that has been resolved."""
    if isinstance(extent, DurationExpr):
        raise TypeError(f"unresolved duration: {extent}")
    return extent


@dataclass(slots=True, eq=False, repr=False)
class Text(Node):
    """A Text is a string literal."""

    type: ClassVar[ValueType] = ValueType.STRING
    value: Final[str]

    def pieces(self) -> tuple[str | Node, ...]:
        return (quote(self.value),)


@dataclass(slots=True, eq=False, repr=False)
class VectorSelector(Node):
    """`name{matchers} offset 5m @ 123`: `matchers` include the one for `__name__`; `name` is set when written bare.

    The matchers come as they were written, that of `name` last; their order takes no part in equality.
    """

    type: ClassVar[ValueType] = ValueType.VECTOR
    name: Final[str]
    matchers: Final[tuple[Matcher, ...]]
    offset: Final[Extent] = 0
    at: Final[At | None] = None
    extension: Final[Extension] = Extension.NONE

    def pieces(self) -> tuple[str | Node, ...]:
        return (self.selection, _at(self.at), _extended(self.extension), *_moved(self.offset))

    @property
    def selection(self) -> str:
        """The text without its modifiers."""
        rest = self.matchers
        if self.name:
            rest = tuple(each for each in rest if not is_name(each, self.name))
        inner = ",".join(sorted(map(str, rest)))
        return f"{self.name}{{{inner}}}" if inner or not self.name else self.name


@dataclass(slots=True, eq=False, repr=False)
class MatrixSelector(Node):
    """`selector[range]`; offset and @ are those of the selector inside."""

    type: ClassVar[ValueType] = ValueType.MATRIX
    selector: Final[VectorSelector]
    range: Final[Extent]

    def pieces(self) -> tuple[str | Node, ...]:
        inner = self.selector
        modifiers = (_extended(inner.extension), _at(inner.at), *_moved(inner.offset))
        return (inner.selection, "[", _extent(self.range), "]", *modifiers)


@dataclass(slots=True, eq=False, repr=False)
class Subquery(Node):
    """`expr[range:step]`; a step of None is the evaluation interval."""

    type: ClassVar[ValueType] = ValueType.MATRIX
    expr: Final[Expr]
    range: Final[Extent]
    step: Final[Extent | None] = None
    offset: Final[Extent] = 0
    at: Final[At | None] = None

    def pieces(self) -> tuple[str | Node, ...]:
        step = "" if self.step is None else _extent(self.step)
        return (self.expr, "[", _extent(self.range), ":", step, "]", _at(self.at), *_moved(self.offset))


@dataclass(slots=True, eq=False, repr=False)
class Call(Node):
    """A Call is a function with its arguments."""

    function: Final[str]
    args: Final[tuple[Expr, ...]]
    type: Final[ValueType] = field(init=False)

    def __post_init__(self) -> None:
        self.type = SIGNATURES[self.function].returns  # type: ignore[misc]  # where it is made

    def pieces(self) -> tuple[str | Node, ...]:
        return (f"{self.function}(", *_between(", ", self.args), ")")


@dataclass(slots=True, eq=False, repr=False)
class Aggregation(Node):
    """`op by (grouping) (param, expr)`; `without` turns the grouping round."""

    type: ClassVar[ValueType] = ValueType.VECTOR
    op: Final[str]
    expr: Final[Expr]
    param: Final[Expr | None] = None
    grouping: Final[tuple[str, ...]] = ()
    without: Final[bool] = False

    def pieces(self) -> tuple[str | Node, ...]:
        grouping = ""
        if self.without or self.grouping:
            grouping = f" {'without' if self.without else 'by'} ({_names(self.grouping)}) "
        param = () if self.param is None else (self.param, ", ")
        return (f"{self.op}{grouping}(", *param, self.expr, ")")


@dataclass(slots=True, eq=False, repr=False)
class Binary(Node):
    """`left op right`; `matching` is set only between two vectors, `bool_result` is the `bool` modifier."""

    op: Final[str]
    left: Final[Expr]
    right: Final[Expr]
    bool_result: Final[bool] = False
    matching: Final[Matching | None] = None
    type: Final[ValueType] = field(init=False)

    def __post_init__(self) -> None:
        self.type = _SCALAR if self.left.type is _SCALAR and self.right.type is _SCALAR else _VECTOR  # type: ignore[misc]  # where it is made

    def pieces(self) -> tuple[str | Node, ...]:
        modifiers = (" bool" if self.bool_result else "") + str(self.matching or "")
        return (self.left, f" {self.op}{modifiers} ", self.right)


@dataclass(slots=True, eq=False, repr=False)
class Unary(Node):
    """`+expr` or `-expr`."""

    op: Final[str]
    expr: Final[Expr]
    type: Final[ValueType] = field(init=False)

    def __post_init__(self) -> None:
        self.type = self.expr.type  # type: ignore[misc]  # where it is made

    def pieces(self) -> tuple[str | Node, ...]:
        return (self.op, self.expr)


@dataclass(slots=True, eq=False, repr=False)
class Paren(Node):
    """`(expr)`."""

    expr: Final[Expr]
    type: Final[ValueType] = field(init=False)

    def __post_init__(self) -> None:
        self.type = self.expr.type  # type: ignore[misc]  # where it is made

    def pieces(self) -> tuple[str | Node, ...]:
        return ("(", self.expr, ")")


Expr: TypeAlias = (
    Number | Text | VectorSelector | MatrixSelector | Subquery | Call | Aggregation | Binary | Unary | Paren
)


def is_name(matcher: Matcher, name: str) -> bool:
    """Whether this is the matcher that a bare metric name stands for."""
    return matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL and matcher.value == name


def _names(labels: Iterable[str]) -> str:
    return ", ".join(map(_label, labels))


def _label(name: str) -> str:
    """A label in `(…)`, where a bare `inf` or `nan` would be a number."""
    return name if is_label_name(name) and name.lower() not in ("inf", "nan") else quote(name)


def _extent(extent: Extent) -> str | Node:
    return format_duration(extent) if isinstance(extent, int) else extent


def _moved(offset: Extent) -> tuple[str | Node, ...]:
    return (" offset ", _extent(offset)) if offset != 0 else ()


def _at(at: At | None) -> str:
    if at is None:
        return ""
    return f" @ {at.value}" if isinstance(at, AtEdge) else f" @ {at / 1000:.3f}"


def _extended(extension: Extension) -> str:
    return f" {extension.value}" if extension.value else ""


def _between(separator: str, nodes: tuple[Expr, ...]) -> Iterable[str | Node]:
    for index, node in enumerate(nodes):
        if index:
            yield separator
        yield node
