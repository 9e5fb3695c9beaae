"""Trees over several lines and as JSON: layouts and values that Prometheus gave for the same queries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ruler.promql.ast import Unary
from ruler.promql.described import described
from ruler.promql.parser import parse
from ruler.promql.pretty import LONGEST_LINE, pretty

LONG = "a" * 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum  by(a)(up)", "sum by (a) (up)"),
        (f"{LONG} + {LONG}", f"  {LONG}\n+\n  {LONG}"),
        (f"({LONG} > bool on (x) group_left (y) {LONG})",
         f"(\n    {LONG}\n  > bool on (x) group_left (y)\n    {LONG}\n)"),
        (f"topk by (x) (5, {LONG} or {LONG})", f"topk by (x) (\n  5,\n    {LONG}\n  or\n    {LONG}\n)"),
        (f'label_replace({LONG}, "a", "$1", "b", "{LONG}")',
         f'label_replace(\n  {LONG},\n  "a",\n  "$1",\n  "b",\n  "{LONG}"\n)'),
        (f"-(-({LONG} * {LONG}))", f"-(\n  -(\n      {LONG}\n    *\n      {LONG}\n  )\n)"),
        (f"max_over_time(({LONG} - {LONG})[5m:1m] offset 1m)",
         f"max_over_time(\n  (\n      {LONG}\n    -\n      {LONG}\n  )[5m:1m] offset 1m\n)"),
        (f"{LONG} + max_over_time(sum({LONG})[5m:1m] offset 5m @ 3.000)",
         f"  {LONG}\n+\n  max_over_time(\nsum({LONG})[5m:1m] @ 3.000 offset 5m\n  )"),  # with no margin, as there
        (f'{LONG}{{b="{LONG}"}}', f'{LONG}{{b="{LONG}"}}'),
    ],
)  # fmt: skip
def test_layout(text: str, expected: str) -> None:
    """What is longer than a line is split where Prometheus splits it, everything else stays together."""
    assert expected == pretty(parse(text))


@pytest.mark.parametrize("text", [f"({LONG}", "-" * 100 + LONG, f"sum({LONG}) + {LONG}", "a + " * 4_000 + "a"])
def test_a_split_query_is_the_same_query(text: str) -> None:
    """However long a chain, its layout parses to it again."""
    text += ")" * (text.count("(") - text.count(")"))
    expr = parse(text)
    assert expr == parse(pretty(expr))
    assert all(len(line.strip()) <= LONGEST_LINE for line in pretty(expr).splitlines()) or isinstance(expr, Unary)


SELECTOR: dict[str, Any] = {
    "type": "vectorSelector", "name": "a", "offset": 0, "timestamp": None, "startOrEnd": None, "anchored": False,
    "smoothed": False, "matchers": [{"name": "__name__", "type": "=", "value": "a"}],
}  # fmt: skip
NUMBER = {"type": "numberLiteral", "val": "1.5"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", NUMBER),
        ("-inf", {"type": "numberLiteral", "val": "-Inf"}),
        ("'é'", {"type": "stringLiteral", "val": "é"}),
        ("a", SELECTOR),
        ('a{c!="1",b=~"2"} offset -5m @ 7',
         {**SELECTOR, "offset": -300_000, "timestamp": 7_000, "matchers": [
             {"name": "c", "type": "!=", "value": "1"}, {"name": "b", "type": "=~", "value": "2"},
             {"name": "__name__", "type": "=", "value": "a"}]}),
        ("a[5m] smoothed @ end()",
         {**SELECTOR, "type": "matrixSelector", "range": 300_000, "startOrEnd": "end", "smoothed": True}),
        ("a[step()] anchored", {**SELECTOR, "type": "matrixSelector", "range": 0, "anchored": True}),
        ("a[5m:] offset 1s", {"type": "subquery", "expr": SELECTOR, "range": 300_000, "step": 0, "offset": 1_000,
                              "timestamp": None, "startOrEnd": None}),
        ("-(a)", {"type": "unaryExpr", "op": "-", "expr": {"type": "parenExpr", "expr": SELECTOR}}),
        ("sum without (x) (a)", {"type": "aggregation", "op": "sum", "expr": SELECTOR, "param": None,
                                 "grouping": ["x"], "without": True}),
        ("topk(1.5, a)", {"type": "aggregation", "op": "topk", "expr": SELECTOR, "param": NUMBER, "grouping": [],
                          "without": False}),
        ("round(a, 1.5)", {"type": "call", "args": [SELECTOR, NUMBER], "func": {
            "name": "round", "argTypes": ["vector", "scalar"], "returnType": "vector", "variadic": 1}}),
        ("a > bool 1.5", {"type": "binaryExpr", "op": ">", "lhs": SELECTOR, "rhs": NUMBER, "matching": None,
                          "bool": True}),
        ("a * on (x) group_left (y) fill_right (2) a",
         {"type": "binaryExpr", "op": "*", "lhs": SELECTOR, "rhs": SELECTOR, "bool": False, "matching": {
             "card": "many-to-one", "labels": ["x"], "on": True, "include": ["y"],
             "fillValues": {"lhs": None, "rhs": 2}}}),
    ],
)  # fmt: skip
def test_description(text: str, expected: Any) -> None:
    """A tree is shown with the keys and the words of Prometheus's parse_query."""
    assert expected == json.loads(described(parse(text)))


def test_a_long_chain_is_described() -> None:
    """A chain nests as deep as it is long, and is written without recursion."""
    assert 4_000 == described(parse("a + " * 4_000 + "a")).count(b'"op":"+"')
