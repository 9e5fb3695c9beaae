"""The rules of types: what may stand beside what, in Prometheus's words. Each function looks at one node, not below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from common.labels import METRIC_NAME
from ruler.model.golang import quote
from ruler.model.matcher import Matcher
from ruler.promql.ast import Cardinality, Expr, Matching, VectorSelector
from ruler.promql.signatures import AGGREGATIONS, PARAMETERS, SIGNATURES, Signature, ValueType

ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%", "^", "atan2"})
SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
_CLOSE: Final = 0.8  # how much of a name has to be right to be taken for another
_LONG_NAME: Final = 100
_RENAMED: Final = {"holt_winters": "double_exponential_smoothing"}
OPERANDS: Final = (ValueType.SCALAR, ValueType.VECTOR)


class Complaint(NamedTuple):
    """A Complaint is what is wrong, and where."""

    problem: str
    position: int


def binary(op: str, at: int, left: Expr, right: Expr, bool_result: bool, matching: Matching) -> Iterator[Complaint]:
    """What is wrong with `left op right`, where `op` stands at `at`."""
    compares, start = op in _COMPARISONS, left.start
    scalars = (left.type is ValueType.SCALAR, right.type is ValueType.SCALAR)
    if bool_result and not compares:
        yield Complaint("bool modifier can only be used on comparison operators", at)
    if compares and not bool_result and all(scalars):
        yield Complaint("comparisons between scalars must use BOOL modifier", at)
    if matching.on:
        for label in matching.labels:
            if label in matching.include:
                problem = f"label {quote(label)} must not occur in ON and GROUP clause at once"
                yield Complaint(problem, at)
    for side in (left, right):
        if side.type not in OPERANDS:
            problem = "binary expression must contain only scalar and instant vector types"
            yield Complaint(problem, side.start)
    filled = matching.fill_left is not None or matching.fill_right is not None
    if left.type is not ValueType.VECTOR or right.type is not ValueType.VECTOR:
        if matching.labels:
            yield Complaint("vector matching only allowed between instant vectors", start)
        if filled:
            yield Complaint("filling in missing series only allowed between instant vectors", start)
    elif op in SET_OPERATORS:
        if matching.cardinality is not Cardinality.ONE_TO_ONE:
            yield Complaint(f"no grouping allowed for {quote(op)} operation", start)
        if filled:
            yield Complaint("filling in missing series not allowed for set operators", start)
    if any(scalars) and op in SET_OPERATORS:
        problem = f"set operator {quote(op)} not allowed in binary scalar expression"
        yield Complaint(problem, start)


def unary(start: int, expr: Expr) -> Complaint | None:
    """What is wrong with a sign before `expr`."""
    if expr.type in OPERANDS:
        return None
    got = quote(expr.type.documented)
    return Complaint(f"unary expression only allowed on expressions of type scalar or instant vector, got {got}", start)


def subquery(expr: Expr) -> Complaint | None:
    """What is wrong with `expr[…:…]`."""
    if expr.type is ValueType.VECTOR:
        return None
    problem = f"subquery is only allowed on instant vector, got {expr.type} instead"
    return Complaint(problem, expr.start)


def aggregation(op: str, expr: Expr, param: Expr | None) -> Iterator[Complaint]:
    """What is wrong with `op(param, expr)`."""
    if expr.type is not ValueType.VECTOR:
        yield _wrong_type(expr, ValueType.VECTOR, "aggregation expression")
    if param is not None and param.type is not PARAMETERS[op]:
        yield _wrong_type(param, PARAMETERS[op], "aggregation parameter")


def _wrong_type(expr: Expr, wanted: ValueType, where: str) -> Complaint:
    problem = f"expected type {wanted.documented} in {where}, got {expr.type.documented}"
    return Complaint(problem, expr.start)


def selector(start: int, name: str, written: Sequence[Matcher]) -> Complaint | None:
    """What is wrong with `name{written}`."""
    if name:
        for matcher in written:
            if matcher.name == METRIC_NAME:
                problem = f"metric name must not be set twice: {quote(name)} or {quote(matcher.value)}"
                return Complaint(problem, start)
        return None
    if all(matcher.matches_empty for matcher in written):
        return Complaint("vector selector must contain at least one non-empty matcher", start)
    return None


def argument_count(start: int, function: Signature, args: Sequence[Expr]) -> Complaint | None:
    """Whether a call has as many arguments as its function takes."""
    got, wanted = len(args), ""
    if not function.variadic and got != function.fewest:
        wanted = f"{function.fewest}"
    elif got < function.fewest:
        wanted = f"at least {function.fewest}"
    elif function.most is not None and got > function.most:
        wanted = f"at most {function.most}"
    if not wanted:
        return None
    return Complaint(f"expected {wanted} argument(s) in call to {quote(function.name)}, got {got}", start)


def unknown_function(name: str, start: int) -> Complaint:
    """That there is no such function, and which one may have been meant."""
    known = (*SIGNATURES, *AGGREGATIONS)
    meant = _RENAMED.get(name) or next(iter(get_close_matches(name[:_LONG_NAME].lower(), known, 1, _CLOSE)), None)
    hint = f"; did you mean {quote(meant)}?" if meant else ""
    return Complaint(f"unknown function with name {quote(name)}{hint}", start)


def arguments(function: Signature, args: Sequence[Expr]) -> Iterator[Complaint]:
    """What is wrong with the arguments that a function is called with."""
    if function.name == "info" and len(args) > 1:
        yield from _info_selector(args[1])
    for index, arg in enumerate(args):
        if index >= len(function.args) and not function.variadic:
            return
        wanted = function.arg_type(index)
        if arg.type is not wanted:
            found = _wrong_type(arg, wanted, f"call to function {quote(function.name)}")
            yield Complaint(f"{found.problem}{_without_range(function, arg, wanted)}", found.position)


def _without_range(function: Signature, arg: Expr, wanted: ValueType) -> str:
    """What may have been meant where a range is missing."""
    if wanted is not ValueType.MATRIX or not isinstance(arg, VectorSelector) or arg.offset != 0 or arg.at is not None:
        return ""
    meant = f"{arg.selection}[5m]"
    if len(meant) > _LONG_NAME:
        return ""
    before, after = ("…, ", "") if function.args[0] is not ValueType.MATRIX else ("", ", …")
    others = len(function.args) > 1
    return f"; did you mean {function.name}({before * others}{meant}{after * others})?"


def _info_selector(arg: Expr) -> Iterator[Complaint]:
    if not isinstance(arg, VectorSelector):
        yield Complaint("expected label selectors only", arg.start)
    elif arg.name:
        yield Complaint("expected label selectors only, got vector selector instead", arg.start)
