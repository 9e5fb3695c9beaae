"""What the API says of a query's text."""

from __future__ import annotations

import pytest

from tests.ruler.api.conftest import World


def test_queries_can_be_formatted(world: World) -> None:
    """The canonical form over several lines, as Prometheus lays it out."""
    long = "a" * 60
    assert "sum by (a) (up)" == world.get("/api/v1/format_query", query="sum  by(a)(up)")["data"]
    assert f"  {long}\n/\n  {long}" == world.get("/api/v1/format_query", query=f"{long}/{long}")["data"]


def test_queries_can_be_parsed(world: World) -> None:
    """The tree, as Prometheus shows it to its pages."""
    number = {"type": "numberLiteral", "val": "300"}
    assert number == world.get("/api/v1/parse_query", query="5m")["data"]


@pytest.mark.parametrize("path", ["/api/v1/format_query", "/api/v1/parse_query"])
def test_what_does_not_parse_is_bad_data(world: World, path: str) -> None:
    """A mistake is told with its place, and with what may have been meant."""
    problem = '1:1: parse error: unknown function with name "rat"; did you mean "rate"?'
    assert (400, "bad_data", f'invalid parameter "query": {problem}') == world.refusal(path, query="rat(a[5m])")


def test_a_duration_that_is_none_is_bad_data(world: World) -> None:
    """What is wrong with arithmetic shows when it is known what the query runs over."""
    problem = 'invalid parameter "query": 1:8: parse error: duration must be greater than 0'
    for query in ("things[step()]", "things[range()]"):
        assert (400, "bad_data", problem) == world.refusal("/api/v1/query", query=query)
