"""The syntax tree of PromQL: what was written, with positions, and nothing about how it runs. All nodes are frozen.

Positions are offsets in characters of the query text, end exclusive. Durations are int milliseconds. The printed form
of a node (`str`) parses back to an equal tree; positions do not take part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TypeAlias

from ruler.model.matcher import Matcher


@dataclass(frozen=True, slots=True)
class Span:
    """A Span is where in the text a node was written."""

    start: int = 0
    end: int = 0


class ValueType(StrEnum):
    """The types of PromQL, in the words of its error messages and of the API."""

    SCALAR = "scalar"
    STRING = "string"
    VECTOR = "vector"
    MATRIX = "matrix"


class AtEdge(Enum):
    """`@ start()` and `@ end()`."""

    START = "start()"
    END = "end()"


At: TypeAlias = int | AtEdge  # ms, or an edge of the query's range


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    span: Span = field(default=Span(), compare=False)


@dataclass(frozen=True, slots=True)
class Number(Node):
    value: float


@dataclass(frozen=True, slots=True)
class Text(Node):
    value: str


@dataclass(frozen=True, slots=True)
class VectorSelector(Node):
    """`name{matchers} offset 5m @ 123`: `matchers` include the one for `__name__`; `name` is set when written bare."""

    name: str
    matchers: tuple[Matcher, ...]
    offset: int = 0
    at: At | None = None


@dataclass(frozen=True, slots=True)
class MatrixSelector(Node):
    """`selector[range]`; offset and @ are those of the selector inside."""

    selector: VectorSelector
    range: int


@dataclass(frozen=True, slots=True)
class Subquery(Node):
    """`expr[range:step]`; a step of None is the evaluation interval."""

    expr: Expr
    range: int
    step: int | None = None
    offset: int = 0
    at: At | None = None


@dataclass(frozen=True, slots=True)
class Call(Node):
    function: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Aggregation(Node):
    """`op by (grouping) (param, expr)`; `without` turns the grouping round."""

    op: str
    expr: Expr
    param: Expr | None = None
    grouping: tuple[str, ...] = ()
    without: bool = False


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`left op right`; `matching` is set only between two vectors, `bool_result` is the `bool` modifier."""

    op: str
    left: Expr
    right: Expr
    bool_result: bool = False
    matching: Matching | None = None


@dataclass(frozen=True, slots=True)
class Unary(Node):
    op: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Paren(Node):
    expr: Expr


Expr: TypeAlias = (
    Number | Text | VectorSelector | MatrixSelector | Subquery | Call | Aggregation | Binary | Unary | Paren
)
