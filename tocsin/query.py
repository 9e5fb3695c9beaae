"""`tocsin query`: ask a running ruler (or any server with Prometheus's API), as `promtool query` does."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import click
import requests

from common.durations import parse_duration
from common.errors import ParseError
from common.labels import Labels

TIMEOUT_SECONDS = 130


@click.group()
def query() -> None:
    """Ask a running ruler."""


_server = click.option(
    "--server", envvar="TOCSIN_SERVER", default="http://localhost:9090", show_default=True, help="The ruler to ask."
)
_output = click.option(
    "-o", "--format", "form", type=click.Choice(["promql", "json"]), default="promql", show_default=True
)


@query.command()
@_server
@_output
@click.option("--time", "at", help="Evaluate at this time (seconds or RFC 3339) instead of now.")
@click.argument("expr")
def instant(server: str, form: str, at: str | None, expr: str) -> None:
    """Evaluate EXPR at one time."""
    values = {"query": expr, **({"time": at} if at else {})}
    _show(_ask(server, "query", values), form)


@query.command("range")
@_server
@_output
@click.option("--start", help="Start (seconds or RFC 3339).  [default: 5 minutes before the end]")
@click.option("--end", help="End (seconds or RFC 3339).  [default: now]")
@click.option("--step", default="15s", show_default=True, help="Time between two values.")
@click.argument("expr")
def range_(server: str, form: str, start: str | None, end: str | None, step: str, expr: str) -> None:
    """Evaluate EXPR at every step from --start to --end."""
    try:
        parse_duration(step)
    except ParseError as error:
        raise click.BadParameter(error.problem, param_hint="--step") from None
    last = seconds_of(end) if end else time.time()
    first = seconds_of(start) if start else last - 300
    values = {"query": expr, "start": f"{first:.3f}", "end": f"{last:.3f}", "step": step}
    _show(_ask(server, "query_range", values), form)


def seconds_of(text: str) -> float:
    """Seconds since 1970, from such a number or from RFC 3339; raises ClickException."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        msg = f"not a time: {text!r} (write seconds since 1970 or 2026-01-31T12:00:00Z)"
        raise click.ClickException(msg) from None


def _ask(server: str, path: str, values: dict[str, str]) -> dict[str, Any]:
    try:
        response = requests.post(f"{server.rstrip('/')}/api/v1/{path}", data=values, timeout=TIMEOUT_SECONDS)
        body: dict[str, Any] = response.json()
    except requests.exceptions.JSONDecodeError:
        msg = f"{server} does not speak Prometheus's API: {response.status_code} {response.text[:200]!r}"
        raise click.ClickException(msg) from None
    except requests.RequestException as error:
        reason = "connection refused" if isinstance(error, requests.ConnectionError) else str(error)
        msg = f"{server} does not answer: {reason} (is the ruler running? `make run` starts it)"
        raise click.ClickException(msg) from None
    if body["status"] != "success":
        raise click.ClickException(body["error"])
    for note in (*body.get("warnings", ()), *body.get("infos", ())):
        click.echo(note, err=True)
    return body


def _show(body: dict[str, Any], form: str) -> None:
    data = body["data"]
    if form == "json":
        click.echo(json.dumps(data["result"]))
        return
    result = data["result"]
    if data["resultType"] in ("scalar", "string"):
        click.echo(f"{data['resultType']}: {result[1]} @[{result[0]}]")
        return
    for series in result:
        name = str(Labels(series["metric"]))
        if "value" in series:
            at, value = series["value"]
            click.echo(f"{name} => {value} @[{at}]")
        else:
            click.echo(f"{name} =>")
            for at, value in series["values"]:
                click.echo(f"{value} @[{at}]")
