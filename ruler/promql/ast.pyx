# cython: boundscheck=True, wraparound=True
"""The syntax tree of PromQL: what was written, with positions, and nothing about how it runs. No node ever changes.

Positions are offsets in characters of the query text, end exclusive. Durations are int milliseconds, or arithmetic that
becomes so when the query runs (durations.py). The printed form of a node (`str`, Prometheus's canonical form) parses
back to an equal tree; positions do not take part in equality. A chain `1 + 1 + …` is a left spine of thousands of
Binary nodes: nothing here recurses, and no walker may recurse on `Binary.left`. Any other way down is short.
"""

cimport cython

from common.durations import format_duration
from common.labels import METRIC_NAME
from ruler.model.golang import format_float, quote
from ruler.model.matcher import MatchOp
from ruler.promql.modes import AtEdge, Cardinality, Extension, Matching, names_in
from ruler.promql.signatures import SIGNATURES, ValueType

cdef object SCALAR = ValueType.SCALAR, STRING = ValueType.STRING, VECTOR = ValueType.VECTOR, MATRIX = ValueType.MATRIX


cdef object NO_EXTENSION = Extension.NONE

At = int | AtEdge  # ms, or an edge of the query's range


cdef class Node:
    """A Node is a piece of an expression, written from `start` to `end`, and the `type` of its value if it has one.

    Each kind says its own text, as strings with its children between them. Its fields are those of __match_args__.
    """

    __match_args__ = ()

    cdef void stand(self, Py_ssize_t start, Py_ssize_t end) noexcept:
        self.start, self.end = start, end

    @property
    def span(self):
        return self.start, self.end

    def replaced(self, *, span=None, **changes):
        """The same with other fields."""
        fields = {name: changes.pop(name, getattr(self, name)) for name in self.__match_args__}
        return type(self)(**fields, **changes, span=self.span if span is None else span)

    def pieces(self):
        raise NotImplementedError

    def __str__(self):
        cdef list text = [], pending = [self]
        while pending:
            piece = pending.pop()
            if isinstance(piece, str):
                text.append(piece)
            else:
                pending.extend(reversed(piece.pieces()))
        return "".join(text)

    def __repr__(self):
        return f"<{type(self).__name__} {self}>"

    def __eq__(self, other):
        if not isinstance(other, Node):
            return NotImplemented
        cdef list pending = [(self, other)]
        while pending:
            one, two = pending.pop()
            if one is two:
                continue
            if type(one) is not type(two):
                return False
            if isinstance(one, (Node, Matching)):
                pending.extend([(getattr(one, name), getattr(two, name)) for name in one.__match_args__ if name != "matchers"])
                if isinstance(one, VectorSelector) and sorted(map(str, one.matchers)) != sorted(map(str, two.matchers)):
                    return False
            elif isinstance(one, tuple):
                if len(one) != len(two):
                    return False
                pending.extend(zip(one, two))
            elif one != two and not (one != one and two != two):  # NaN was written on both sides
                return False
        return True

    def __hash__(self):
        return hash(str(self))


cdef class Number(Node):
    """A Number is a literal; one written as a duration (`5m`) is its seconds."""

    __match_args__ = ("value", "duration")

    def __cinit__(self):
        self.type = SCALAR

    def __init__(self, double value, bint duration=False, *, tuple span=(0, 0)):
        self.value, self.duration = value, duration
        self.stand(span[0], span[1])

    def pieces(self):
        return (format_duration(round(self.value * 1000)) if self.duration else format_float(self.value),)


@cython.trashcan(True)
cdef class DurationExpr(Node):
    """A DurationExpr is `left op right` where a duration stands; a minus sign has no left, `step` and `range` no side.

    `wrapped` says that it stands in parentheses; a literal loses its own.
    """

    __match_args__ = ("op", "left", "right", "wrapped")

    def __init__(self, str op, Node left=None, Node right=None, bint wrapped=False, *, tuple span=(0, 0)):
        self.op, self.left, self.right, self.wrapped = op, left, right, wrapped
        self.stand(span[0], span[1])

    def pieces(self):
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


DurationTerm = Number | DurationExpr
Extent = int | DurationExpr  # ms, or what has to be resolved before


def known(extent):
    """The milliseconds of an extent in a tree that has been resolved."""
    if isinstance(extent, DurationExpr):
        raise TypeError(f"unresolved duration: {extent}")
    return extent


cdef class Text(Node):
    """A Text is a string literal."""

    __match_args__ = ("value",)

    def __cinit__(self):
        self.type = STRING

    def __init__(self, str value, *, tuple span=(0, 0)):
        self.value = value
        self.stand(span[0], span[1])

    def pieces(self):
        return (quote(self.value),)


cdef class VectorSelector(Node):
    """`name{matchers} offset 5m @ 123`: `matchers` include the one for `__name__`; `name` is set when written bare.

    The matchers come as they were written, that of `name` last; their order takes no part in equality.
    """

    __match_args__ = ("name", "matchers", "offset", "at", "extension")

    def __cinit__(self):
        self.type, self.offset, self.extension = VECTOR, 0, NO_EXTENSION

    def __init__(self, str name, tuple matchers, offset=0, at=None, extension=NO_EXTENSION, *, tuple span=(0, 0)):
        self.name, self.matchers, self.offset, self.at, self.extension = name, matchers, offset, at, extension
        self.stand(span[0], span[1])

    def pieces(self):
        return (self.selection, _at(self.at), _extended(self.extension), *_moved(self.offset))

    @property
    def selection(self):
        """The text without its modifiers."""
        rest = self.matchers
        if self.name:
            rest = [each for each in rest if not is_name(each, self.name)]
        inner = ",".join(sorted(map(str, rest)))
        return f"{self.name}{{{inner}}}" if inner or not self.name else self.name


cdef class MatrixSelector(Node):
    """`selector[range]`; offset and @ are those of the selector inside."""

    __match_args__ = ("selector", "range")

    def __cinit__(self):
        self.type = MATRIX

    def __init__(self, VectorSelector selector, range, *, tuple span=(0, 0)):
        self.selector, self.range = selector, range
        self.stand(span[0], span[1])

    def pieces(self):
        inner = self.selector
        modifiers = (_extended(inner.extension), _at(inner.at), *_moved(inner.offset))
        return (inner.selection, "[", _extent(self.range), "]", *modifiers)


cdef class Subquery(Node):
    """`expr[range:step]`; a step of None is the evaluation interval."""

    __match_args__ = ("expr", "range", "step", "offset", "at")

    def __cinit__(self):
        self.type = MATRIX

    def __init__(self, Node expr, range, step=None, offset=0, at=None, *, tuple span=(0, 0)):
        self.expr, self.range, self.step, self.offset, self.at = expr, range, step, offset, at
        self.stand(span[0], span[1])

    def pieces(self):
        step = "" if self.step is None else _extent(self.step)
        return (self.expr, "[", _extent(self.range), ":", step, "]", _at(self.at), *_moved(self.offset))


cdef class Call(Node):
    """A Call is a function with its arguments."""

    __match_args__ = ("function", "args")

    def __init__(self, str function, tuple args, *, tuple span=(0, 0)):
        self.function, self.args, self.type = function, args, SIGNATURES[function].returns
        self.stand(span[0], span[1])

    def pieces(self):
        between = [piece for arg in self.args for piece in (", ", arg)]
        return (f"{self.function}(", *between[1:], ")")


cdef class Aggregation(Node):
    """`op by (grouping) (param, expr)`; `without` turns the grouping round."""

    __match_args__ = ("op", "expr", "param", "grouping", "without")

    def __cinit__(self):
        self.type = VECTOR

    def __init__(
        self, str op, Node expr, Node param=None, tuple grouping=(), bint without=False, *, tuple span=(0, 0)
    ):
        self.op, self.expr, self.param, self.grouping, self.without = op, expr, param, grouping, without
        self.stand(span[0], span[1])

    def pieces(self):
        grouping = ""
        if self.without or self.grouping:
            grouping = f" {'without' if self.without else 'by'} ({names_in(self.grouping)}) "
        param = () if self.param is None else (self.param, ", ")
        return (f"{self.op}{grouping}(", *param, self.expr, ")")


@cython.trashcan(True)
cdef class Binary(Node):
    """`left op right`; `matching` is set only between two vectors, `bool_result` is the `bool` modifier."""

    __match_args__ = ("op", "left", "right", "bool_result", "matching")

    def __init__(self, str op, Node left, Node right, bint bool_result=False, matching=None, *, tuple span=(0, 0)):
        self.op, self.left, self.right, self.bool_result, self.matching = op, left, right, bool_result, matching
        self.type = SCALAR if left.type is SCALAR and right.type is SCALAR else VECTOR
        self.stand(span[0], span[1])

    def pieces(self):
        modifiers = (" bool" if self.bool_result else "") + str(self.matching or "")
        return (self.left, f" {self.op}{modifiers} ", self.right)


cdef class Unary(Node):
    """`+expr` or `-expr`."""

    __match_args__ = ("op", "expr")

    def __init__(self, str op, Node expr, *, tuple span=(0, 0)):
        self.op, self.expr, self.type = op, expr, expr.type
        self.stand(span[0], span[1])

    def pieces(self):
        return (self.op, self.expr)


cdef class Paren(Node):
    """`(expr)`."""

    __match_args__ = ("expr",)

    def __init__(self, Node expr, *, tuple span=(0, 0)):
        self.expr, self.type = expr, expr.type
        self.stand(span[0], span[1])

    def pieces(self):
        return ("(", self.expr, ")")


Expr = Number | Text | VectorSelector | MatrixSelector | Subquery | Call | Aggregation | Binary | Unary | Paren


def is_name(matcher, name):
    """Whether this is the matcher that a bare metric name stands for."""
    return matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL and matcher.value == name


def _extent(extent):
    return format_duration(extent) if isinstance(extent, int) else extent


def _moved(offset):
    return (" offset ", _extent(offset)) if offset != 0 else ()


def _at(at):
    if at is None:
        return ""
    return f" @ {at.value}" if isinstance(at, AtEdge) else f" @ {at / 1000:.3f}"


def _extended(extension):
    return f" {extension.value}" if extension.value else ""
