"""/api/v1/export and /api/v1/import: samples out and in, in VictoriaMetrics's forms of both and in OpenMetrics.

Exports are read in bounded memory while they are sent. Imports change what is stored, so they need the admin API.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response, request

from common.clock import Clock
from common.errors import DiskRefused
from common.labels import Labels, is_label_name
from ruler.api import params
from ruler.api.errors import BadRequest, Forbidden, Unavailable
from ruler.api.inflate import body_of
from ruler.storage import Queryable
from ruler.transfer import csvcolumns, jsonlines
from ruler.transfer.formats import CONTENT_TYPES, Format, Reading, Wanted, export, load
from ruler.transfer.series import BadLine, Imported, Importer

STORED, REFUSED = "X-Tocsin-Stored", "X-Tocsin-Refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """TransferOptions are the limits of exports and imports; without `admin` nothing can be imported."""

    admin: bool
    exports_at_once: int = 4
    max_body: int = 1 << 30
    max_inflated: int = 16 << 30


def blueprint(storage: Queryable, importer: Importer | None, clock: Clock, options: TransferOptions) -> Blueprint:
    """The routes; a ruler that keeps samples in memory alone has no `importer`."""
    routes = Blueprint("transfer", __name__)
    exporting = threading.BoundedSemaphore(options.exports_at_once)
    importing = threading.Lock()

    def exported(format_: Format, columns: list[str] | None = None) -> Response:
        wanted = _wanted(columns)
        if not exporting.acquire(blocking=False):
            msg = f"{options.exports_at_once} exports are running, try again later"
            raise Unavailable(msg)
        try:
            pieces = export(storage, format_, wanted)
            head = next(pieces, b"")  # so that what fails at once gets a proper answer
        except BaseException:
            exporting.release()
            raise
        response = Response(_following(head, pieces), content_type=CONTENT_TYPES[format_])
        response.call_on_close(exporting.release)
        return response

    @routes.route("/export", methods=["GET", "POST"])
    def export_lines() -> Response:
        words = (Format.JSON, Format.OPENMETRICS)
        return exported(Format(params.choices(request.values, "format", words, Format.JSON)))

    @routes.route("/export/openmetrics", methods=["GET", "POST"])
    def export_openmetrics() -> Response:
        return exported(Format.OPENMETRICS)

    @routes.route("/export/csv", methods=["GET", "POST"])
    def export_csv() -> Response:
        text = request.values.get("format", "")
        names = text.split(",") if text else None
        if names is not None:
            try:
                csvcolumns.headed(names)
            except csvcolumns.BadColumns as error:
                msg = f'invalid parameter "format": {error}'
                raise BadRequest(msg) from None
        return exported(Format.CSV, names)

    def imported(format_: Format) -> Response:
        if not options.admin:
            msg = "admin APIs disabled (start the ruler with --web.enable-admin-api)"
            raise Forbidden(msg)
        if importer is None:
            msg = "there is no directory to import into: this ruler keeps samples in memory alone"
            raise Unavailable(msg)
        reading = _reading(format_, clock.now())
        if not importing.acquire(blocking=False):
            msg = "another import is running, try again later"
            raise Unavailable(msg)
        progress = Imported()

        def note(total: Imported) -> None:
            nonlocal progress
            progress = total

        try:
            body = body_of(request, options.max_body, options.max_inflated)
            return _answer(load(importer, format_, body, reading, note))
        except (BadLine, BadRequest) as error:
            msg = f"{error} ({progress.stored} samples before that are stored)"
            raise BadRequest(msg) from None
        except DiskRefused as error:
            msg = f"{error} ({progress.stored} samples before that are stored)"
            raise Unavailable(msg) from None
        finally:
            importing.release()

    @routes.post("/import")
    def import_lines() -> Response:
        return imported(Format.JSON)

    @routes.post("/import/openmetrics")
    def import_openmetrics() -> Response:
        return imported(Format.OPENMETRICS)

    @routes.post("/import/csv")
    def import_csv() -> Response:
        return imported(Format.CSV)

    @routes.post("/import/prometheus")
    def import_prometheus() -> Response:
        return imported(Format.PROMETHEUS)

    return routes


def _following(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from pieces


def _wanted(columns: list[str] | None) -> Wanted:
    form = request.values
    start, end = params.span(form, params.EARLIEST, params.LATEST)
    text = form.get("max_rows_per_line", "") or "0"
    if not text.isdecimal():
        msg = f'invalid parameter "max_rows_per_line": not a non-negative number: "{text}"'
        raise BadRequest(msg)
    return Wanted(
        matcher_sets=params.matchers_of(form, required=True),
        start=start,
        end=end,
        rows_per_line=min(int(text) or jsonlines.ROWS_PER_LINE, jsonlines.ROWS_PER_LINE),
        columns=columns,
    )


def _reading(format_: Format, now: int) -> Reading:
    """How the parameters in the URL say that the body is to be read; the body itself is not looked at."""
    text = request.args.get("timestamp", "") or str(now)
    if not text.removeprefix("-").isdecimal() or abs(int(text)) > params.LATEST:
        msg = f'invalid parameter "timestamp": not a time in ms: "{text}"'
        raise BadRequest(msg)
    extra = {}
    for pair in request.args.getlist("extra_label"):
        name, equal, value = pair.partition("=")
        if not equal or not (is_label_name(name) or name.isprintable()) or not name:
            msg = f'invalid parameter "extra_label": not name=value: "{pair}"'
            raise BadRequest(msg)
        extra[name] = value
    described = request.args.get("format", "")
    try:
        columns = csvcolumns.described(described) if described and format_ is Format.CSV else None
    except csvcolumns.BadColumns as error:
        msg = f'invalid parameter "format": {error}'
        raise BadRequest(msg) from None
    return Reading(now=int(text), columns=columns, extra=Labels(extra))


def _answer(total: Imported) -> Response:
    """VictoriaMetrics's answer, whose clients take 204 alone for success; the counts are in its head."""
    response = Response(status=204)
    response.headers[STORED] = str(total.stored)
    if total.refused:
        response.headers[REFUSED] = ", ".join(f"{reason}={count}" for reason, count in total.refused.items())
    return response
