"""What Prometheus has to have enabled for a query."""

from __future__ import annotations

import pytest

from ruler.promql.flags import lacking_functions, needed_flags
from ruler.promql.parser import parse

FUNCTIONS, DURATIONS = "promql-experimental-functions", "promql-duration-expr"
EXTENSIONS, FILLS = "promql-extended-range-selectors", "promql-binop-fill-modifiers"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum by (a) (rate(x[5m] offset 1h)) > 5 and on (b) y", ()),
        ("x[300] offset 60", ()),
        ('avg(sort_by_label(x, "a"))', (FUNCTIONS,)),
        ("abs(limitk(3, x))", (FUNCTIONS,)),
        ("-limit_ratio(0.1, x)", (FUNCTIONS,)),
        ("x[5m * 2]", (DURATIONS,)),
        ("sum(x offset -step())", (DURATIONS,)),
        ("max_over_time(x[range() + 1s:])", (DURATIONS,)),
        ("max_over_time(x[1h:1m + 1m])", (DURATIONS,)),
        ("max_over_time(x[1h:1m] offset (1m * 2))", (DURATIONS,)),
        ("increase(x[5m] smoothed)", (EXTENSIONS,)),
        ("quantile(0.5, x anchored)", (EXTENSIONS,)),
        ("x + fill_left (0) y", (FILLS,)),
        ("x + on (a) fill (1) limitk(1, increase(y[step()] anchored))", (FILLS, DURATIONS, FUNCTIONS, EXTENSIONS)),
    ],
)
def test_flags(text: str, expected: tuple[str, ...]) -> None:
    """Each thing that Prometheus calls experimental names its flag, once, wherever it stands."""
    assert tuple(sorted(expected)) == needed_flags(parse(text))


def test_functions_of_our_own() -> None:
    """A function that Prometheus does not have is named, and needs no flag there."""
    expr = parse('hour(vector(time() + timezone_offset("Europe/Rome"))) + abs(x)')
    assert (("timezone_offset",), ()) == (lacking_functions(expr), needed_flags(expr))
