"""`tocsin tsdb analyze`: whose series are many, come and go, or are dear; as promtool's, and with bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from common.clock import rfc3339
from common.durations import format_duration
from common.errors import TocsinError
from ruler.tsdb.db import DB
from ruler.tsdb.inspect.analyze import Analysis, Top

SECOND = 1000


@click.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows of each list.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.argument("directory", type=click.Path(path_type=Path))
def analyze(limit: int, form: str, directory: Path) -> None:
    """Say what is in DIRECTORY, which no ruler has open, or in a snapshot: series, churn and bytes by label."""
    try:
        found = DB.open_to_read(directory).analyze(limit)
    except TocsinError as error:
        raise click.ClickException(str(error)) from None
    if form == "json":
        click.echo(orjson.dumps(_document(found), option=orjson.OPT_INDENT_2))
    else:
        click.echo("\n".join(_lines(found)))


def _document(found: Analysis) -> dict[str, object]:
    return {**asdict(found), "first": found.first / SECOND, "last": found.last / SECOND}


def _lines(found: Analysis) -> Iterator[str]:
    if not found.series:
        yield "no samples"
        return
    length = (found.last - found.first) // SECOND * SECOND
    yield f"Duration: {format_duration(length)} ({rfc3339(found.first)} to {rfc3339(found.last)})"
    yield f"Total series: {found.series:,}"
    yield f"Distinct label pairs: {found.pairs:,}"
    yield from _list(
        "Label pairs most involved in churn (series times the part of the time that they lack)", found.churn_by_pair
    )
    yield from _list("Label names most involved in churn", found.churn_by_label)
    yield from _list("Most common label pairs (series)", found.series_by_pair)
    yield from _list("Labels with the most values", found.values_by_label)
    yield from _list("Labels with the longest values (bytes of all)", found.lengths_by_label)
    yield from _list("Metrics with the most series", found.series_by_metric)
    yield from _list("Metrics with the most bytes of samples", found.bytes_by_metric)
    yield ""
    yield "Files: count, rows (least, median, most), samples, bytes, bytes a sample"
    for kind in found.kinds:
        each = kind.size / kind.samples if kind.samples else 0
        least, median, most = kind.rows
        rows = f"{least}, {median}, {most}"
        yield f"  {kind.name}: {kind.files:,}; {rows}; {kind.samples:,}; {kind.size:,}; {each:.2f}"


def _list(title: str, top: Top) -> Iterator[str]:
    yield ""
    yield f"{title}:"
    for name, amount in top:
        yield f"{amount:>14,.0f}  {name}" if amount == int(amount) else f"{amount:>14,.2f}  {name}"
