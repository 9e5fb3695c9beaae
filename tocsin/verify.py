"""`tocsin tsdb verify`: read all that a directory has, and say of each file what is wrong; exits 1 if anything is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from common.errors import TocsinError
from ruler.tsdb.inspect.verify import Verdict
from ruler.tsdb.inspect.verify import verify as verdicts_on


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.argument("directory", type=click.Path(path_type=Path))
def verify(form: str, directory: Path) -> None:
    """Read everything in DIRECTORY, which no ruler has open, or in a snapshot, and say what is damaged."""
    try:
        verdicts = verdicts_on(directory)
    except TocsinError as error:
        raise click.ClickException(str(error)) from None
    if form == "json":
        click.echo(orjson.dumps(_document(verdicts), option=orjson.OPT_INDENT_2))
    else:
        for verdict in verdicts:
            for problem in verdict.problems:
                click.echo(f"{verdict.path}: {problem}")
        click.echo(_summary(verdicts))
    if any(verdict.problems for verdict in verdicts):
        raise SystemExit(1)


def _document(verdicts: Sequence[Verdict]) -> dict[str, object]:
    files = [{**asdict(verdict), "path": str(verdict.path)} for verdict in verdicts]
    return {"files": files, "damaged": sum(bool(verdict.problems) for verdict in verdicts)}


def _summary(verdicts: Sequence[Verdict]) -> str:
    wrong = sum(bool(verdict.problems) for verdict in verdicts)
    size = sum(verdict.size for verdict in verdicts)
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict.kind] = counts.get(verdict.kind, 0) + 1
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    found = "nothing is wrong" if not wrong else f"something is wrong with {wrong}"
    return f"{len(verdicts)} files of {size:,} bytes ({kinds}): {found}"
