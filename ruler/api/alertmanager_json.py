"""The shapes of Alertmanager's API v2 (0.33): our values → plain values for JSON, and posted JSON → our values.

Times are RFC 3339 with milliseconds. Error sentences are Alertmanager's, so that its clients show what they always did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from common.clock import rfc3339
from common.errors import ParseError, TocsinError
from common.labels import Labels
from ruler.dispatch.silences import Silence
from ruler.model.alert import Alert
from ruler.model.matcher import Matcher, MatchOp

_OPERATORS = {
    (True, False): MatchOp.EQUAL,
    (False, False): MatchOp.NOT_EQUAL,
    (True, True): MatchOp.REGEX,
    (False, True): MatchOp.NOT_REGEX,
}
_FLAGS = {operator: flags for flags, operator in _OPERATORS.items()}
_ABSENT, _TOO_FEW = 602, 612  # go-openapi's codes


class Refused(TocsinError):  # noqa: N818  (an answer, not a fault)
    """A request that is answered with `status`: a bare sentence, or with `code` an object as go-openapi has it."""

    def __init__(self, status: int, text: str, code: int = 0) -> None:
        self.status, self.code = status, code
        super().__init__(text)


def alert_object(alert: Alert, receivers: Iterable[str], silenced_by: Sequence[str]) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "annotations": dict(alert.annotations),
        "endsAt": rfc3339(alert.ends_at),
        "fingerprint": f"{alert.labels.fingerprint:016x}",
        "receivers": [{"name": name} for name in receivers],
        "startsAt": rfc3339(alert.starts_at),
        "status": {
            "inhibitedBy": [],
            "mutedBy": [],
            "silencedBy": list(silenced_by),
            "state": "suppressed" if silenced_by else "active",
        },
        "updatedAt": rfc3339(alert.updated_at),
        "labels": dict(alert.labels),
    }
    if alert.generator_url:
        shape["generatorURL"] = alert.generator_url
    return shape


def silence_object(silence: Silence, now: int) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": silence.id,
        "status": {"state": silence.state(now).value},
        "updatedAt": rfc3339(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": rfc3339(silence.ends_at),
        "matchers": [_matcher_object(matcher) for matcher in silence.matchers],
        "startsAt": rfc3339(silence.starts_at),
    }
    if silence.annotations:
        shape["annotations"] = dict(silence.annotations)
    return shape


def _matcher_object(matcher: Matcher) -> dict[str, Any]:
    equal, regex = _FLAGS[matcher.op]
    return {"isEqual": equal, "isRegex": regex, "name": matcher.name, "value": matcher.value}


def posted_silence(body: Any) -> Silence:
    """The silence that a client posted; raises Refused."""
    fields = _object(body, "silence")
    for name in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
        if fields.get(name) is None:
            raise Refused(422, f"{name} in body is required", _ABSENT)
    matchers = _list(fields["matchers"], "silence")
    if not matchers:
        raise Refused(422, "matchers in body should have at least 1 items", _TOO_FEW)
    return Silence(
        matchers=tuple(_posted_matcher(each, index) for index, each in enumerate(matchers)),
        starts_at=_time(fields["startsAt"], "silence"),
        ends_at=_time(fields["endsAt"], "silence"),
        created_by=_text(fields["createdBy"], "silence"),
        comment=_text(fields["comment"], "silence"),
        annotations=_labels(fields.get("annotations"), "silence"),
        id=_text(fields.get("id") or "", "silence"),
    )


def _posted_matcher(body: Any, index: int) -> Matcher:
    fields = _object(body, "silence")
    for name in ("isRegex", "name", "value"):
        if fields.get(name) is None:
            raise Refused(422, f"matchers.{index}.{name} in body is required", _ABSENT)
    equal = True if fields.get("isEqual") is None else fields["isEqual"]
    operator = _OPERATORS[_flag(equal), _flag(fields["isRegex"])]
    name, value = _text(fields["name"], "silence"), _text(fields["value"], "silence")
    try:
        return Matcher(name, operator, value)
    except ParseError as error:
        text = f'invalid label matcher {index} in set 0: invalid regular expression "{value}": {error.problem}'
        raise Refused(400, f"invalid silence: {text}") from None


def posted_alerts(body: Any, now: int) -> tuple[list[Alert], list[str]]:
    """The alerts that a client posted, and what is wrong with those that are left out; raises Refused.

    An alert without an end has `ends_at` 0: the dispatcher gives it one.
    """
    objects = [_object(each, "alerts") for each in _list(body, "alerts")]
    for index, fields in enumerate(objects):
        if fields.get("labels") is None:
            raise Refused(422, f"{index}.labels in body is required", _ABSENT)
    alerts: list[Alert] = []
    problems: list[str] = []
    for fields in objects:
        starts_at = _time(fields.get("startsAt"), "alerts")
        ends_at = _time(fields.get("endsAt"), "alerts")
        alert = Alert(
            labels=_labels(fields["labels"], "alerts"),
            annotations=_labels(fields.get("annotations"), "alerts"),
            starts_at=starts_at or ends_at or now,
            ends_at=ends_at,
            updated_at=now,
            generator_url=_text(fields.get("generatorURL") or "", "alerts"),
        )
        problem = _problem(alert)
        if problem:
            problems.append(problem)
        else:
            alerts.append(alert)
    return alerts, problems


def _problem(alert: Alert) -> str:
    if alert.ends_at and alert.starts_at > alert.ends_at:
        return "start time must be before end time"
    if not alert.labels:
        return "at least one label pair required"
    if "" in alert.labels:
        return 'invalid label set: invalid name ""'
    if "" in alert.annotations:
        return 'invalid annotations: invalid name ""'
    return ""


def _time(value: Any, what: str) -> int:
    """A time in ms; 0 for none, which is how Go writes the year 1."""
    if value is None:
        return 0
    text = _text(value, what)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise unreadable(what, f'parsing time "{text}"') from None
    if moment.year == 1:
        return 0
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _labels(value: Any, what: str) -> Labels:
    pairs: Mapping[Any, Any] = {} if value is None else _object(value, what)
    return Labels({name: _text(text, what) for name, text in pairs.items()})


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise unreadable(what, f"not a string: {value!r:.100}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise unreadable("silence", f"not true or false: {value!r:.100}")
    return value


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise unreadable(what, f"not an object: {value!r:.100}")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise unreadable(what, f"not a list: {value!r:.100}")
    return value


def unreadable(what: str, why: str) -> Refused:
    """The answer to a body that is not what it should be."""
    return Refused(400, f'parsing {what} body from "" failed, because {why}', 400)
