"""/api/v1/admin/tsdb: snapshots and the deletion of samples, as Prometheus has them, behind the same flag.

Each waits until what it did is durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flask import Blueprint, Response, request

from common.clock import Clock
from ruler.api import params
from ruler.api.errors import AdminDisabled, BadRequest
from ruler.api.respond import success
from ruler.model.matcher import Matcher

TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


class Administered(Protocol):
    """What an administrator may have a database do; each raises DiskRefused with nothing done."""

    def snapshot(self, now: int, *, head: bool = True) -> str: ...

    def erase(self, matcher_sets: Sequence[Sequence[Matcher]], start: int, end: int) -> None: ...

    def clean(self) -> None: ...


def blueprint(database: Administered, clock: Clock, *, enabled: bool) -> Blueprint:
    """The routes; unless they are enabled, each says so."""
    routes = Blueprint("admin", __name__)

    @routes.before_request
    def _allowed() -> None:
        if not enabled:
            raise AdminDisabled("admin APIs disabled")

    @routes.route("/admin/tsdb/snapshot", methods=["POST", "PUT"])
    def snapshot() -> Response:
        head = not _boolean("skip_head", request.values.get("skip_head", ""))
        return success({"name": database.snapshot(clock.now(), head=head)})

    @routes.route("/admin/tsdb/delete_series", methods=["POST", "PUT"])
    def delete_series() -> Response:
        form = request.values
        start = params.time_of(form, "start", params.EARLIEST)
        end = params.time_of(form, "end", params.LATEST)
        database.erase(params.matchers_of(form, required=True), start, end)
        return Response(status=204)

    @routes.route("/admin/tsdb/clean_tombstones", methods=["POST", "PUT"])
    def clean_tombstones() -> Response:
        database.clean()
        return Response(status=204)

    return routes


def _boolean(name: str, text: str) -> bool:
    """A parameter that is read as Go reads one; false when it is empty."""
    if text and text not in (*TRUE, *FALSE):
        problem = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise BadRequest(f'invalid parameter "{name}": unable to parse boolean: {problem}')
    return text in TRUE
