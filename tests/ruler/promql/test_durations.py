"""Arithmetic on durations: what it comes to for a query, and what is wrong with it."""

from __future__ import annotations

import pytest

from common.errors import ParseError
from ruler.promql.ast import Extent, MatrixSelector, VectorSelector, known
from ruler.promql.durations import resolved
from ruler.promql.parser import parse, parsed
from ruler.promql.walk import nodes

START, END, STEP = 1_000, 61_000, 15_000


def reach(text: str) -> Extent:
    """The range of `a[text]` in a query over a minute in steps of 15 s."""
    expr = resolved(parse(f"a[{text}]"), START, END, STEP)
    assert isinstance(expr, MatrixSelector)
    return expr.range


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5m + 1m", 360_000),
        ("1h / 8", 450_000),
        ("2 ^ 3 ^ 2", 512_000),
        ("-2 ^ 2 + 10", 6_000),
        ("10 - 2 - 3", 5_000),
        ("1h30m % 1h", 1_800_000),
        ("-(5m - 6m)", 60_000),
        ("step()", STEP),
        ("range() + 1ms", 60_001),
        ("max_of(step(), 1m) * 2", 120_000),
        ("min_of(step() * 3, 1m)", 45_000),
        ("min(0 / (step() - 14), 1m) + 1", 1_000),
        ("0.0015 * 1", 1),
    ],
)
def test_values(text: str, expected: int) -> None:
    """Arithmetic on seconds, cut to whole milliseconds."""
    assert expected == reach(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a[1m - 1m]", "1:3: parse error: duration must be greater than 0"),
        ("rate(a[range() - 2m])", "1:8: parse error: duration must be greater than 0"),
        ("a offset (1h / (step() - 15))", "1:11: parse error: division by zero"),
        ("a offset (1h % (step() - 15))", "1:11: parse error: modulo by zero"),
        ("a\n+\na offset (step() ^ 999)", "3:11: parse error: duration is NaN or infinite"),
        ("a offset ((0 - 8) ^ 0.5)", "1:12: parse error: duration is NaN or infinite"),
        ("a[step() * 1e9]", "1:3: parse error: duration is out of range"),
        ("max_over_time(a[1h:step() - 15])", "1:20: parse error: duration must be greater than 0"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    """What no duration can be is told with its place in the text."""
    with pytest.raises(ParseError) as caught:
        resolved(parse(text), START, END, STEP, text)
    assert problem == str(caught.value)


def test_an_instant_query_has_no_step() -> None:
    """At one time, step() and range() are zero: an offset may be that, a range may not."""
    offset = resolved(parse("a offset step()"), START, START, 0)
    assert isinstance(offset, VectorSelector)
    assert 0 == offset.offset
    with pytest.raises(ParseError, match="duration must be greater than 0"):
        resolved(parse("a[range()]"), START, START, 0)


def test_all_of_a_tree_is_resolved() -> None:
    """Wherever arithmetic stands, milliseconds come out; nodes keep their places, and the tree its shape."""
    text = (
        "sum by (x) (-(rate(a[step()] offset (1m * 2))) + topk(scalar(b offset -step()), c)) "
        "or max_over_time(abs(d offset range())[range() + 1s:1s * 2] offset (1s * 3))"
    )
    expr = parse(text)
    plain = resolved(expr, START, END, STEP, text)
    assert [node.span for node in nodes(expr)] == [node.span for node in nodes(plain)]
    assert str(plain) == (
        "sum by (x) (-(rate(a[15s] offset 2m)) + topk(scalar(b offset -15s), c)) "
        "or max_over_time(abs(d offset 1m)[1m1s:2s] offset 3s)"
    )


def test_what_holds_arithmetic_is_known_beforehand() -> None:
    """Most queries have none, and pay for no copy."""
    assert not parsed("sum(rate(a[5m] offset 1h)) / b").timed
    for text in ("rate(a[5m * 2])", "1 + a offset (1h / 2)", "max_over_time(a[1h:step()])", "a[2 ^ 9:]"):
        assert parsed(text).timed


def test_long_arithmetic_is_no_nesting() -> None:
    """A chain of a thousand durations is added up."""
    assert 1_001_000 == reach("1" + " + 1" * 1_000)


def test_what_is_not_resolved_is_not_evaluated() -> None:
    """An evaluator that met arithmetic would fail, not take it for zero."""
    expr = parse("a[step()]")
    assert isinstance(expr, MatrixSelector)
    with pytest.raises(TypeError, match="unresolved duration"):
        known(expr.range)
