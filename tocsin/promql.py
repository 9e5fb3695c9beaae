"""`tocsin promql`: format queries and edit their matchers, as `promtool promql` does. Asks no server."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from common.errors import ParseError, QueryError
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.ast import Expr
from ruler.promql.edit import with_matcher, without_matchers
from ruler.promql.parser import parse
from ruler.promql.pretty import pretty


@click.group()
def promql() -> None:
    """Format and edit queries."""


@promql.command("format")
@click.argument("query")
def format_(query: str) -> None:
    """Print QUERY in its canonical form (`-`: read it from standard input)."""
    _print(query, lambda expr: expr)


@promql.group("label-matchers")
def label_matchers() -> None:
    """Set or delete a matcher in every selector of a query."""


@label_matchers.command("set")
@click.option("-t", "--type", "op", type=click.Choice([each.value for each in MatchOp]), default="=", show_default=True)
@click.argument("query")
@click.argument("name")
@click.argument("value")
def set_(op: str, query: str, name: str, value: str) -> None:
    """Print QUERY with a matcher for the label NAME."""
    _print(query, lambda expr: with_matcher(expr, Matcher(name, MatchOp(op), value)))


@label_matchers.command()
@click.argument("query")
@click.argument("name")
def delete(query: str, name: str) -> None:
    """Print QUERY without matchers for the label NAME."""
    _print(query, lambda expr: without_matchers(expr, name))


def _print(query: str, edit: Callable[[Expr], Expr]) -> None:
    text = sys.stdin.read() if query == "-" else query
    try:
        click.echo(pretty(edit(parse(text))))
    except (ParseError, QueryError) as error:
        raise click.ClickException(str(error)) from None
