"""/api/v1: what the ruler shows of itself: rules, alerts, and the status pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from common.clock import rfc3339
from ruler.api.errors import BadRequest
from ruler.api.respond import success
from ruler.model.golang import format_float
from ruler.rule.status import AlertStatus, GroupStatus, RuleKind, RuleStatus
from ruler.tsdb.inspect.stats import Stats, Top

NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class View:
    """A View is what the status pages may see of the ruler; each call gives the state of this moment."""

    groups: Callable[[], Sequence[GroupStatus]]
    config: Callable[[], str]  # YAML, secrets redacted
    flags: Mapping[str, str]
    build: Mapping[str, str]
    runtime: Callable[[], Mapping[str, Any]]
    tsdb: Callable[[int], Stats]


def blueprint(view: View) -> Blueprint:
    """The routes that show `view`."""
    routes = Blueprint("status", __name__)

    @routes.get("/rules")
    def rules() -> Response:
        form = request.values
        kind = form.get("type", "")
        if kind not in ("", "alert", "record"):
            msg = f'invalid parameter "type": not supported value "{kind}"'
            raise BadRequest(msg)
        names, groups, files = (set(form.getlist(f"{what}[]")) for what in ("rule_name", "rule_group", "file"))
        with_alerts = form.get("exclude_alerts", "") != "true"
        wanted = {"": None, "alert": RuleKind.ALERTING, "record": RuleKind.RECORDING}[kind]
        shown = []
        for group in view.groups():
            if (groups and group.name not in groups) or (files and group.file not in files):
                continue
            kept = [
                _rule(rule, with_alerts=with_alerts)
                for rule in group.rules
                if wanted in (None, rule.kind) and (not names or rule.name in names)
            ]
            if kept or not (names or wanted):
                shown.append(_group(group, kept))
        return success({"groups": shown})

    @routes.get("/alerts")
    def alerts() -> Response:
        found = [alert for group in view.groups() for rule in group.rules for alert in rule.alerts]
        return success({"alerts": [_alert(alert) for alert in found]})

    @routes.get("/alertmanagers")
    def alertmanagers() -> Response:
        return success({"activeAlertmanagers": [], "droppedAlertmanagers": []})

    @routes.get("/status/config")
    def config() -> Response:
        return success({"yaml": view.config()})

    @routes.get("/status/flags")
    def flags() -> Response:
        return success(dict(view.flags))

    @routes.get("/status/buildinfo")
    def build_info() -> Response:
        return success(dict(view.build))

    @routes.get("/status/runtimeinfo")
    def runtime_info() -> Response:
        return success(dict(view.runtime()))

    @routes.get("/status/tsdb")
    def tsdb() -> Response:
        return success(_tsdb(view.tsdb(_rows_of(request.values.get("limit", "")))))

    return routes


def written_time(milliseconds: int | None) -> str:
    """A time as Go's RFC 3339 writes it; `None` is Go's zero time."""
    if milliseconds is None:
        return NEVER
    return rfc3339(milliseconds).removesuffix("Z").rstrip("0").rstrip(".") + "Z"


def _tsdb(stats: Stats) -> dict[str, Any]:
    head = stats.head
    return {
        "headStats": {
            "numSeries": head.series,
            "numLabelPairs": stats.pairs,
            "chunkCount": head.pages,
            "minTime": head.min_time,
            "maxTime": head.max_time,
        },
        "seriesCountByMetricName": _named(stats.series_by_name),
        "labelValueCountByLabelName": _named(stats.values_by_label),
        "memoryInBytesByLabelName": _named(stats.memory_by_label),
        "seriesCountByLabelValuePair": _named(stats.series_by_pair),
        "seriesLimit": stats.limit,
        "activeSeries": head.active,
        "refusedSeries": [
            {"job": refusal.job, "label": refusal.label, "series": refusal.series} for refusal in stats.refusals
        ],
        "topChurn": _named(stats.churn_by_name),
        "topChurnByJob": _named(stats.churn_by_job),
    }


def _rows_of(limit: str) -> int:
    """How many rows the lists of a page have; worded as Prometheus does."""
    digits = limit.removeprefix("+")
    if not limit:
        return 10
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19 and int(digits)):
        raise BadRequest("limit must be a positive number")
    return int(digits)


def _named(top: Top) -> list[dict[str, Any]]:
    return [{"name": name, "value": count} for name, count in top]


def _group(group: GroupStatus, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": group.name,
        "file": group.file,
        "rules": rules,
        "interval": group.interval / 1000,
        "limit": group.limit,
        "evaluationTime": group.evaluation_time,
        "lastEvaluation": written_time(group.last_evaluation),
    }


def _rule(rule: RuleStatus, *, with_alerts: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": rule.name, "query": rule.query, "labels": dict(rule.labels)}
    if rule.kind is RuleKind.ALERTING:
        shown |= {
            "state": str(rule.state),
            "duration": rule.duration / 1000,
            "keepFiringFor": rule.keep_firing_for / 1000,
            "annotations": dict(rule.annotations),
            "alerts": [_alert(alert) for alert in rule.alerts] if with_alerts else [],
        }
    shown |= {
        "health": str(rule.health),
        "evaluationTime": rule.evaluation_time,
        "lastEvaluation": written_time(rule.last_evaluation),
        "type": str(rule.kind),
    }
    if rule.last_error:
        shown["lastError"] = rule.last_error
    return shown


def _alert(alert: AlertStatus) -> dict[str, Any]:
    shown = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": str(alert.state),
        "activeAt": written_time(alert.active_at),
        "value": format_float(alert.value, "e"),
    }
    if alert.keep_firing_since is not None:
        shown["keepFiringSince"] = written_time(alert.keep_firing_since)
    return shown
