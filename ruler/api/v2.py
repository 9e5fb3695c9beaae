"""Alertmanager's API v2: silences, alerts, groups, receivers and status, as amtool, karma and Prometheus speak it.

Reads frozen snapshots; writes go through Silences.set/expire and Dispatcher.send alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, Counter

from common.clock import Clock, rfc3339
from common.errors import ParseError
from ruler.api.alertmanager_config import alertmanager_yml
from ruler.api.alertmanager_json import (
    Refused,
    alert_object,
    posted_alerts,
    posted_silence,
    silence_object,
    unreadable,
)
from ruler.dispatch.dispatcher import Dispatcher
from ruler.dispatch.group import AlertGroup
from ruler.dispatch.matchers import parse_matcher
from ruler.dispatch.silences import SilenceError, Silences, SilenceState, UnknownSilence, UnstoredSilence
from ruler.model.alert import Alert
from ruler.model.matcher import Matcher, compile_regex
from ruler.notify.notifier import Notifier

MAX_BODY = 16 << 20

View = Callable[..., Response]
_TRUE = frozenset(("true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"))
_ORDER = {SilenceState.ACTIVE: 1, SilenceState.PENDING: 2, SilenceState.EXPIRED: 3}


def blueprint(
    dispatcher: Dispatcher,
    silences: Silences,
    notifier: Notifier,
    clock: Clock,
    registry: CollectorRegistry,
    build: Mapping[str, str] | None = None,
) -> Blueprint:
    """The endpoints below /api/v2; `build` is what /status shows as versionInfo."""
    api = _Api(dispatcher, silences, notifier, clock, registry, build or {})
    below = Blueprint("alertmanager_v2", __name__, url_prefix="/api/v2")
    paths: dict[str, dict[str, View]] = {
        "/status": {"GET": api.status},
        "/receivers": {"GET": api.receivers},
        "/silences": {"POST": api.post_silence, "GET": api.silences},
        "/silence/<silence_id>": {"GET": api.silence, "DELETE": api.delete_silence},
        "/alerts": {"POST": api.post_alerts, "GET": api.alerts},
        "/alerts/groups": {"GET": api.groups},
        "/<path:rest>": {},
    }
    for path, views in paths.items():
        methods = ["GET", "POST", "PUT", "DELETE", "PATCH"]
        below.add_url_rule(path, path, _by_method(views), methods=methods, provide_automatic_options=True)
    return below


class _Api:
    def __init__(
        self,
        dispatcher: Dispatcher,
        silences: Silences,
        notifier: Notifier,
        clock: Clock,
        registry: CollectorRegistry,
        build: Mapping[str, str],
    ) -> None:
        self._dispatcher, self._silences, self._notifier, self._clock = dispatcher, silences, notifier, clock
        self._build, self._started = build, clock.now()
        self._received = Counter(
            "alertmanager_alerts_received", "Alerts posted, by status.", ["status", "version"], registry=registry
        )
        self._invalid = Counter(
            "alertmanager_alerts_invalid", "Alerts posted that were not valid.", ["version"], registry=registry
        )
        self._invalid.labels("v2")
        for status in ("firing", "resolved"):
            self._received.labels(status, "v2")

    def status(self) -> Response:
        names = ("version", "revision", "branch", "buildUser", "buildDate", "goVersion")
        config = alertmanager_yml(self._dispatcher.routes, self._notifier.receivers, self._dispatcher.resolve_timeout)
        return _json(
            {
                "cluster": {"peers": [], "status": "disabled"},
                "config": {"original": config},
                "uptime": rfc3339(self._started),
                "versionInfo": {name: self._build.get(name, "") for name in names},
            }
        )

    def receivers(self) -> Response:
        matchers = _matchers("receiver_matchers")
        names = [receiver.name for receiver in self._notifier.receivers]
        return _json([{"labels": {"name": name}, "name": name} for name in names if _fit(matchers, {"name": name})])

    def silences(self) -> Response:
        matchers, now = _matchers("filter"), self._clock.now()
        wanted = {state for state in SilenceState if _flag(state.value)}
        found = [
            silence
            for silence in self._silences.all()
            if silence.state(now) in wanted and all(matcher in silence.matchers for matcher in matchers)
        ]
        # Next to end first, then next to start, then last ended.
        keys = {
            SilenceState.ACTIVE: lambda silence: silence.ends_at,
            SilenceState.PENDING: lambda silence: silence.starts_at,
            SilenceState.EXPIRED: lambda silence: -silence.ends_at,
        }
        found.sort(key=lambda silence: (_ORDER[silence.state(now)], keys[silence.state(now)](silence)))
        return _json([silence_object(silence, now) for silence in found])

    def post_silence(self) -> Response:
        silence, now = posted_silence(_body("silence")), self._clock.now()
        if silence.starts_at >= silence.ends_at:
            raise Refused(400, "Failed to create silence: start time must be before end time")
        if silence.ends_at < now:
            raise Refused(400, "Failed to create silence: end time can't be in the past")
        try:
            return _json({"silenceID": self._silences.set(silence, now)})
        except UnknownSilence as error:
            raise Refused(404, str(error)) from None
        except UnstoredSilence as error:
            raise Refused(500, str(error)) from None
        except SilenceError as error:
            raise Refused(400, str(error)) from None

    def silence(self, silence_id: str) -> Response:
        try:
            return _json(silence_object(self._silences.get(_uuid(silence_id)), self._clock.now()))
        except UnknownSilence:
            return _empty(404)

    def delete_silence(self, silence_id: str) -> Response:
        try:
            self._silences.expire(_uuid(silence_id), self._clock.now())
        except UnknownSilence:
            return _empty(404)
        except UnstoredSilence as error:
            raise Refused(500, str(error)) from None
        return _empty(200)

    def alerts(self) -> Response:
        chosen = self._chosen()
        found: dict[str, dict[str, Any]] = {}
        for group in self._dispatcher.groups():
            for alert in group.alerts:
                shape = found.get(fingerprint := f"{alert.labels.fingerprint:016x}")
                if shape is not None:
                    shape["receivers"].append({"name": group.receiver})
                elif (silenced_by := chosen.silenced(alert)) is not None:
                    found[fingerprint] = alert_object(alert, [group.receiver], silenced_by)
        return _json(
            [
                shape
                for _, shape in sorted(found.items())
                if any(chosen.receiver(receiver["name"]) for receiver in shape["receivers"])
            ]
        )

    def post_alerts(self) -> Response:
        now = self._clock.now()
        alerts, problems = posted_alerts(_body("alerts"), now)
        for alert in alerts:
            self._received.labels("resolved" if 0 < alert.ends_at <= now else "firing", "v2").inc()
        self._dispatcher.send(alerts)
        if problems:
            self._invalid.labels("v2").inc(len(problems))
            raise Refused(400, "\n".join(problems))
        return _empty(200)

    def groups(self) -> Response:
        chosen = self._chosen()
        all_groups = self._dispatcher.groups()
        told: dict[int, list[str]] = {}
        for group in all_groups:
            for alert in group.alerts:
                told.setdefault(alert.labels.fingerprint, []).append(group.receiver)
        shapes = [
            shape
            for group in sorted(all_groups, key=lambda group: (tuple(group.labels.items()), group.receiver))
            if chosen.receiver(group.receiver) and (shape := _group_object(group, chosen, told))["alerts"]
        ]
        return _json(shapes)

    def _chosen(self) -> _Choice:
        return _Choice(self._dispatcher, self._clock.now())


class _Choice:
    """Which alerts the parameters of the request at hand ask for."""

    def __init__(self, dispatcher: Dispatcher, now: int) -> None:
        self._dispatcher, self._now = dispatcher, now
        self._matchers = _matchers("filter")
        self._active, self._silenced = _flag("active"), _flag("silenced")
        pattern = request.args.get("receiver")
        try:
            self._receivers = None if pattern is None else compile_regex(pattern)
        except ParseError as error:
            raise Refused(400, f"failed to parse receiver param: {error.problem}") from None

    def silenced(self, alert: Alert) -> tuple[str, ...] | None:
        """The silences of a wanted alert; None for one that is not wanted."""
        if alert.resolved(self._now) or not _fit(self._matchers, alert.labels):
            return None
        by = self._dispatcher.muted_by(alert.labels, self._now)
        return by if (self._silenced if by else self._active) else None

    def receiver(self, name: str) -> bool:
        return self._receivers is None or self._receivers.match(name) is not None


def _group_object(group: AlertGroup, chosen: _Choice, told: Mapping[int, list[str]]) -> dict[str, Any]:
    wanted = [(alert, by) for alert in group.alerts if (by := chosen.silenced(alert)) is not None]
    wanted.sort(key=lambda each: tuple(each[0].labels.items()))
    return {
        "alerts": [alert_object(alert, sorted(told[alert.labels.fingerprint]), by) for alert, by in wanted],
        "labels": dict(group.labels),
        "receiver": {"name": group.receiver},
    }


def _fit(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def _matchers(name: str) -> list[Matcher]:
    try:
        return [parse_matcher(text) for text in request.args.getlist(name)]
    except ParseError as error:
        raise Refused(400, error.problem) from None


def _flag(name: str) -> bool:
    """A parameter that is true unless it says otherwise."""
    return request.args.get(name, "true").lower() in _TRUE


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Refused(422, f'silenceID in path must be of type uuid: "{text}"', 601) from None


def _body(what: str) -> Any:
    if request.mimetype != "application/json":
        text = f'unsupported media type "{request.content_type or ""}", only [application/json] are allowed'
        raise Refused(415, text, 415)
    request.max_content_length = MAX_BODY
    raw = request.get_data()
    if not raw:
        raise Refused(422, f"{what} in body is required", 602)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise unreadable(what, str(error)) from None


def _json(value: Any, status: int = 200) -> Response:
    response = Response(orjson.dumps(value) + b"\n", status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _empty(status: int) -> Response:
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response


def _by_method(views: Mapping[str, View]) -> View:
    """One view for a path: the method chooses, and what is refused is worded as Alertmanager words it."""

    def view(rest: str = "", **arguments: str) -> Response:
        chosen = views.get("GET" if request.method == "HEAD" else request.method)
        try:
            if rest:
                raise Refused(404, f"path {request.path} was not found", 404)
            if chosen is None:
                allowed = ",".join(views)
                raise Refused(405, f"method {request.method} is not allowed, but [{allowed}] are", 405)
            return chosen(**arguments)
        except Refused as refused:
            body = {"code": refused.code, "message": str(refused)} if refused.code else str(refused)
            response = _json(body, refused.status)
            if refused.status == 405:
                response.headers["Allow"] = ",".join(views)
            return response

    return view
