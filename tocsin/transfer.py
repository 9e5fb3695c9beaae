"""`tocsin tsdb dump` and `tocsin tsdb import`: samples out of and into a running ruler, or out of a directory."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import click
import requests

from common.clock import SystemClock
from common.errors import TocsinError
from common.labels import Labels
from ruler.promql.parser import parse_selector
from ruler.transfer import csvcolumns, jsonlines
from ruler.transfer.formats import CHUNK, EXPORTS, Format, Reading, Wanted, chunks_of, load
from ruler.transfer.formats import dump as dump_to
from ruler.transfer.parquet import Written, export_parquet, write_days
from ruler.transfer.read import DAY
from ruler.transfer.series import SeriesSamples
from ruler.tsdb.config import FOREVER, Retention
from ruler.tsdb.db import DB
from tocsin.query import seconds_of

SECONDS = 3_600  # that one answer may take; what does not answer at all is given up at once
EVERYTHING = '{__name__=~".+"}'
PARQUET = "parquet"
EARLIEST, LATEST = -(1 << 53), 1 << 53  # ms

_url = click.option(
    "--url", envvar="TOCSIN_SERVER", default="http://localhost:9090", show_default=True, help="The running ruler."
)


@click.command()
@_url
@click.option("--storage.tsdb.path", "storage", type=click.Path(path_type=Path), help="This directory, with no ruler.")
@click.option("--match", "selectors", multiple=True, help="Which series (repeatable).  [default: all]")
@click.option("--start", help="The first time (seconds or RFC 3339).  [default: the oldest sample]")
@click.option("--end", help="The last time (seconds or RFC 3339).  [default: the newest sample]")
@click.option(
    "--format",
    "form",
    type=click.Choice([*map(str, EXPORTS), PARQUET]),
    default=str(Format.JSON),
    show_default=True,
)
@click.option("--columns", help="Of CSV, such as __timestamp__:rfc3339,host,__name__,__value__.  [default: all labels]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file; for Parquet a directory.")
def dump(
    url: str,
    storage: Path | None,
    selectors: tuple[str, ...],
    start: str | None,
    end: str | None,
    form: str,
    columns: str | None,
    output: Path | None,
) -> None:
    """Write samples as JSON lines, OpenMetrics, CSV or Parquet."""
    first = round(seconds_of(start) * 1000) if start else EARLIEST
    last = round(seconds_of(end) * 1000) if end else LATEST
    names = tuple(columns.split(",")) if columns else None
    if form == PARQUET and output is None:
        raise click.UsageError("Parquet goes into a directory: give --output")
    try:
        if names is not None:
            csvcolumns.headed(names)
        if storage is not None:
            _dump_directory(storage, selectors or (EVERYTHING,), first, last, form, names, output)
        else:
            _dump_ruler(Ruler(url), selectors or (EVERYTHING,), first, last, form, names, output)
    except TocsinError as error:
        raise click.ClickException(str(error)) from None


def _dump_directory(
    path: Path,
    selectors: Sequence[str],
    start: int,
    end: int,
    form: str,
    columns: Sequence[str] | None,
    output: Path | None,
) -> None:
    sets = [parse_selector(text) for text in selectors]
    db = DB.open_to_read(path)
    if form == PARQUET:
        assert output is not None  # noqa: S101  (tells the type checker; refused above)
        _tell(export_parquet(db, sets, start, end, output))
        return
    wanted = Wanted(matcher_sets=sets, start=start, end=end, columns=columns)
    with _opened(output) as out:
        dump_to(db, Format(form), wanted, out)


def _dump_ruler(
    ruler: Ruler,
    selectors: Sequence[str],
    start: int,
    end: int,
    form: str,
    columns: Sequence[str] | None,
    output: Path | None,
) -> None:
    values: dict[str, Any] = {"match[]": list(selectors)}
    if form == PARQUET:
        assert output is not None  # noqa: S101  (tells the type checker; refused above)
        if start == EARLIEST:
            raise click.UsageError("Parquet from a running ruler needs --start")
        last = min(end, SystemClock().now())
        spans = [
            (max(start, day * DAY), min(last, day * DAY + DAY - 1)) for day in range(start // DAY, last // DAY + 1)
        ]
        labels = ruler.labels({**values, "start": start / 1000, "end": last / 1000})
        _tell(write_days(spans, lambda low, high: ruler.series(values, low, high), labels, output))
        return
    if start != EARLIEST:
        values["start"] = start / 1000
    if end != LATEST:
        values["end"] = end / 1000
    if columns is not None:
        values["format"] = ",".join(columns)
    path = {Format.JSON: "export", Format.OPENMETRICS: "export/openmetrics", Format.CSV: "export/csv"}[Format(form)]
    with _opened(output) as out:
        for piece in ruler.export(path, values):
            out.write(piece)


def _tell(written: Iterator[Written]) -> None:
    for each in written:
        click.echo(f"{each.path}: {each.samples} samples", err=True)


def _opened(path: Path | None) -> AbstractContextManager[BinaryIO]:
    """The file to write to; standard output stays open."""
    if path is None:
        return nullcontext(sys.stdout.buffer)
    try:
        return path.open("wb")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None


@click.command("import")
@_url
@click.option(
    "--format", "form", type=click.Choice(list(map(str, Format))), default=str(Format.JSON), show_default=True
)
@click.option("--columns", help="What CSV columns hold, such as 1:time:unix_s,2:label:host,3:metric:load.")
@click.option("--extra-label", "extra", multiple=True, help="name=value for every series (repeatable).")
@click.option("--storage.tsdb.path", "storage", type=click.Path(path_type=Path), help="This directory, with no ruler.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
def import_(
    url: str, form: str, columns: str | None, extra: tuple[str, ...], storage: Path | None, files: tuple[Path, ...]
) -> None:
    """Put the samples of FILES (- for standard input, .gz as they are) into a running ruler or a directory."""
    if storage is not None:
        _import_into(storage, Format(form), columns, extra, files)
        return
    ruler = Ruler(url)
    path = {Format.JSON: "import"}.get(Format(form), f"import/{form}")
    values = {"extra_label": list(extra), **({"format": columns} if columns else {})}
    for file in files:
        try:
            with click.open_file(str(file), "rb") as body:
                stored, refused = ruler.imported(path, values, body, gzipped=file.suffix == ".gz")
        except OSError as error:
            raise click.ClickException(f"{file}: {error.strerror}") from None
        except TocsinError as error:
            raise click.ClickException(f"{file}: {error}") from None
        click.echo(f"{file}: {stored} samples stored" + (f", refused: {refused}" if refused else ""))


def _import_into(
    directory: Path, format_: Format, columns: str | None, extra: Sequence[str], files: Sequence[Path]
) -> None:
    """Put samples of any age into a directory, which is made if there is none."""
    clock = SystemClock()
    try:
        reading = Reading(
            now=clock.now(),
            columns=csvcolumns.described(columns) if columns else None,
            extra=_labels(extra),
        )
        with closing(DB.open(directory, retention=Retention(FOREVER, None))) as db:
            backfill = db.backfill(clock, lambda function: function())
            assert backfill is not None  # noqa: S101  (there is a directory)
            for file in files:
                with click.open_file(str(file), "rb") as plain:
                    body = gzip.GzipFile(fileobj=plain) if file.suffix == ".gz" else plain
                    total = load(backfill, format_, chunks_of(cast("BinaryIO", body)), reading)
                refused = ", ".join(f"{reason}={count}" for reason, count in total.refused.items())
                click.echo(f"{file}: {total.stored} samples stored" + (f", refused: {refused}" if refused else ""))
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    except TocsinError as error:
        raise click.ClickException(str(error)) from None


def _labels(pairs: Sequence[str]) -> Labels:
    found = {}
    for pair in pairs:
        name, equal, value = pair.partition("=")
        if not (name and equal):
            raise click.BadParameter(f"not name=value: {pair!r}", param_hint="--extra-label")
        found[name] = value
    return Labels(found)


class RulerRefusal(TocsinError):  # noqa: N818  (what happened, not what to call it)
    """A request that a ruler does not answer as asked."""


class Ruler:
    """A Ruler is a running one, at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def export(self, path: str, values: dict[str, Any]) -> Iterator[bytes]:
        """The body of an answer as it comes; raises RulerRefusal."""
        with self._asked("POST", path, data=values, stream=True) as response:
            try:
                yield from response.iter_content(CHUNK)
            except requests.RequestException:
                raise RulerRefusal(f"{self._url}: the export broke off; the log of the ruler has the cause") from None

    def series(self, values: dict[str, Any], start: int, end: int) -> Iterator[SeriesSamples]:
        """What an export with these times (ms) has."""
        return jsonlines.parse(self.export("export", {**values, "start": start / 1000, "end": end / 1000}))

    def labels(self, values: dict[str, Any]) -> list[str]:
        """The names of the labels of what these values select."""
        names: list[str] = self._asked("POST", "labels", data=values).json()["data"]
        return names

    def imported(self, path: str, values: dict[str, Any], body: IO[bytes], *, gzipped: bool) -> tuple[int, str]:
        """How many samples of a body were stored, and what was refused; raises RulerRefusal."""
        headers = {"Content-Encoding": "gzip"} if gzipped else {}
        answer = self._asked("POST", path, params=values, data=body, headers=headers)
        return int(answer.headers.get("X-Tocsin-Stored", 0)), answer.headers.get("X-Tocsin-Refused", "")

    def _asked(self, method: str, path: str, **arguments: Any) -> requests.Response:
        try:
            response = requests.request(method, f"{self._url}/api/v1/{path}", timeout=(5, SECONDS), **arguments)
        except requests.RequestException as error:
            reason = "connection refused" if isinstance(error, requests.ConnectionError) else str(error)
            msg = f"{self._url} does not answer: {reason} (is the ruler running? --storage.tsdb.path reads a directory)"
            raise RulerRefusal(msg) from None
        if not response.ok:
            try:
                problem = response.json()["error"]
            except (requests.exceptions.JSONDecodeError, KeyError, TypeError):
                problem = f"{response.status_code} {response.text[:200]!r}"
            raise RulerRefusal(str(problem))
        return response
