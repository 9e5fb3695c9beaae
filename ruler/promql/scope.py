"""What a function sees of the evaluation that it takes part in. A Scope evaluates arguments and takes notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from ruler.model.arrays import BoolArray, FloatArray
from ruler.model.table import LabelTable, Strings
from ruler.promql.ast import Call, Expr, VectorSelector
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.limits import Limits
from ruler.promql.notes import Notes
from ruler.promql.window import Windows
from ruler.storage import Aspect, Block, Deferred, Lasts


class Ranged(Struct, frozen=True, eq=False):
    """A Ranged is a range vector at every step: its series (columns of its blocks, one block after the other)."""

    table: LabelTable
    blocks: Sequence[Block | Lasts | Deferred]
    windows: Windows
    drop: BoolArray


class Scope(Protocol):
    """A Scope is one query being evaluated."""

    @property
    def strings(self) -> Strings: ...
    @property
    def notes(self) -> Notes: ...
    @property
    def limits(self) -> Limits: ...

    @property
    def asked(self) -> tuple[int, int, int]:
        """The query's own start, end and step (ms); the step of an instant query is 0."""

    def value(self, expr: Expr, grid: Grid) -> Value:
        """The value of an expression at every moment of the grid."""

    def vector(self, expr: Expr, grid: Grid) -> Frame:
        """The value of an expression that is an instant vector."""

    def scalar(self, expr: Expr, grid: Grid) -> FloatArray:
        """The value of an expression that is a scalar, [steps or 1]."""

    def text(self, expr: Expr) -> str:
        """The value of an expression that is a string."""

    def ranged(self, expr: Expr, grid: Grid, aspect: Aspect = Aspect.LAST) -> Ranged:
        """The value of an expression that is a range vector; `aspect` is what will be made of its samples."""

    def sample_times(self, selector: VectorSelector, grid: Grid) -> Frame:
        """The times (s) of the samples that an instant selector finds."""

    def sample_starts(self, selector: VectorSelector, grid: Grid) -> Frame:
        """Since when (s) the counters of these samples count, 0 where that is not known; nothing where it never is."""


Run: TypeAlias = Callable[[Scope, Call, Grid], Value]
