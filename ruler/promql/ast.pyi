from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

from ruler.model.matcher import Matcher
from ruler.promql.modes import AtEdge as AtEdge
from ruler.promql.modes import Cardinality as Cardinality
from ruler.promql.modes import Extension as Extension
from ruler.promql.modes import Matching as Matching
from ruler.promql.signatures import ValueType as ValueType

At: TypeAlias = int | AtEdge

@dataclass(kw_only=True, eq=False)
class Node:
    span: Final[tuple[int, int]] = ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def type(self) -> ValueType: ...
    def replaced(self, *, span: tuple[int, int] | None = None, **changes: Any) -> Self: ...
    def pieces(self) -> tuple[str | Node, ...]: ...

@dataclass(eq=False)
class Number(Node):
    value: Final[float]
    duration: Final[bool] = ...

@dataclass(eq=False)
class DurationExpr(Node):
    op: Final[str]
    left: Final[DurationTerm | None] = ...
    right: Final[DurationTerm | None] = ...
    wrapped: Final[bool] = ...

DurationTerm: TypeAlias = Number | DurationExpr
Extent: TypeAlias = int | DurationExpr

def known(extent: Extent) -> int: ...

@dataclass(eq=False)
class Text(Node):
    value: Final[str]

@dataclass(eq=False)
class VectorSelector(Node):
    name: Final[str]
    matchers: Final[tuple[Matcher, ...]]
    offset: Final[Extent] = ...
    at: Final[At | None] = ...
    extension: Final[Extension] = ...
    @property
    def selection(self) -> str: ...

@dataclass(eq=False)
class MatrixSelector(Node):
    selector: Final[VectorSelector]
    range: Final[Extent]

@dataclass(eq=False)
class Subquery(Node):
    expr: Final[Expr]
    range: Final[Extent]
    step: Final[Extent | None] = ...
    offset: Final[Extent] = ...
    at: Final[At | None] = ...

@dataclass(eq=False)
class Call(Node):
    function: Final[str]
    args: Final[tuple[Expr, ...]]

@dataclass(eq=False)
class Aggregation(Node):
    op: Final[str]
    expr: Final[Expr]
    param: Final[Expr | None] = ...
    grouping: Final[tuple[str, ...]] = ...
    without: Final[bool] = ...

@dataclass(eq=False)
class Binary(Node):
    op: Final[str]
    left: Final[Expr]
    right: Final[Expr]
    bool_result: Final[bool] = ...
    matching: Final[Matching | None] = ...

@dataclass(eq=False)
class Unary(Node):
    op: Final[str]
    expr: Final[Expr]

@dataclass(eq=False)
class Paren(Node):
    expr: Final[Expr]

Expr: TypeAlias = (
    Number | Text | VectorSelector | MatrixSelector | Subquery | Call | Aggregation | Binary | Unary | Paren
)

def is_name(matcher: Matcher, name: str) -> bool: ...
