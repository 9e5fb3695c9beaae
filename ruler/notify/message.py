"""Notification → title and text for people. Pure.

A label or annotation comes from outside: control characters are taken out, lengths are bounded, and ten thousand alerts
make a message of the same size as fifty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from common.durations import DAY, HOUR, SECOND, format_duration
from ruler.model.alert import ALERT_NAME, Alert, Notification

MAX_BODY = 8_000
MAX_TITLE = 200
MAX_FIELD = 1_000
DETAILED = 10  # alerts that are told in full; those after them get a line each

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]+")
_WHERE = ("instance", "server", "host", "node", "pod", "container", "job")
_MILD = frozenset(("warning", "warn", "minor", "medium", "low", "info", "information", "notice", "none"))
_TEXTS = ("summary", "description", "message")
_MORE = 40  # characters kept free for the line that says how many are left out


class Tone(StrEnum):
    """How a message is meant; Apprise's notification types. Nothing that fires is only for information.

    (Opsgenie, for one, drops a mere information.)
    """

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class Message:
    """A Message is what a person gets to read."""

    title: str
    body: str
    tone: Tone


def compose(notification: Notification, limit: int = MAX_BODY) -> Message:
    """The message for a notification; its body has at most `limit` characters."""
    now = notification.now
    firing = [alert for alert in notification.alerts if not alert.resolved(now)]
    resolved = [alert for alert in notification.alerts if alert.resolved(now)]
    return Message(_title(firing, resolved), _body([*firing, *resolved], now, limit), _tone(firing))


def one_line(alert: Alert, now: int) -> str:
    """An alert in one line, as in the log: `FIRING DiskFull on web-1: 93 % used (value 93.2, for 5m)`."""
    state = "RESOLVED" if alert.resolved(now) else "FIRING"
    text = next((_plain(alert.annotations[name]) for name in _TEXTS if name in alert.annotations), "")
    facts = [f"value {_number(alert.value)}"] if alert.value is not None else []
    facts.append(f"lasted {_span(alert, now)}" if alert.resolved(now) else f"for {_span(alert, now)}")
    line = f"{state} {_heading(alert)}" + (f": {text}" if text else "") + f" ({', '.join(facts)})"
    return _shortened(" ".join(line.split()), MAX_FIELD)


def _title(firing: Sequence[Alert], resolved: Sequence[Alert]) -> str:
    counts = [("FIRING", len(firing)), ("RESOLVED", len(resolved))]
    alerts = [*firing, *resolved]
    if len(alerts) == 1:
        state, what = next(word for word, count in counts if count), _heading(alerts[0])
    else:
        state = ", ".join(f"{word}:{count}" for word, count in counts if count)
        names = list(dict.fromkeys(alert.name for alert in alerts if alert.name)) or ["alerts"]
        what = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return _shortened(" ".join(f"[{state}] {_plain(what)}".split()), MAX_TITLE)


def _tone(firing: Sequence[Alert]) -> Tone:
    if not firing:
        return Tone.SUCCESS
    mild = all(alert.labels.get("severity", "").lower() in _MILD for alert in firing)
    return Tone.WARNING if mild else Tone.FAILURE


def _body(alerts: Sequence[Alert], now: int, limit: int) -> str:
    parts: list[str] = []
    room = limit - _MORE
    for index, alert in enumerate(alerts):
        text = _block(alert, now, alone=len(alerts) == 1) if index < DETAILED else one_line(alert, now)
        if len(text) + 2 > room and parts:
            return "\n\n".join([*parts, f"… and {len(alerts) - index:,} more"])
        text = _shortened(text, max(room, 1))
        parts.append(text)
        room -= len(text) + 2
    return "\n\n".join(parts)


def _block(alert: Alert, now: int, *, alone: bool) -> str:
    """An alert in full, under a heading of its own unless the title already is one."""
    ended = alert.resolved(now)
    lines = [] if alone else [f"{'RESOLVED' if ended else 'FIRING'} {_heading(alert)}"]
    lines += [_plain(alert.annotations[name]) for name in _TEXTS if name in alert.annotations]
    if alert.value is not None:
        lines.append(f"{'Last value' if ended else 'Value'}: {_number(alert.value)}")
    if ended:
        lines.append(f"Lasted: {_span(alert, now)}, from {_time(alert.starts_at)} to {_time(alert.ends_at)}")
    else:
        lines.append(f"Since: {_time(alert.starts_at)} (for {_span(alert, now)})")
    labels = alert.labels.without([ALERT_NAME])
    if labels:
        lines.append("Labels: " + _plain(", ".join(f"{name}={value}" for name, value in labels.items())))
    others = alert.annotations.without(_TEXTS)
    lines += [f"{name}: {_plain(value)}" for name, value in others.items()]
    if alert.generator_url:
        lines.append(_plain(alert.generator_url))
    return "\n".join(lines)


def _heading(alert: Alert) -> str:
    where = next((alert.labels[name] for name in _WHERE if name in alert.labels), "")
    name = alert.name or "alert"
    return _plain(f"{name} on {where}" if where else name)


def _plain(text: str) -> str:
    return _shortened(_UNPRINTABLE.sub(" ", text).strip(), MAX_FIELD)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _number(value: float) -> str:
    return f"{value:.6g}"


def _time(milliseconds: int) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return f"{milliseconds} ms"


def _span(alert: Alert, now: int) -> str:
    """How long an alert has fired, or fired: `12m30s`, `3h20m`, `2d4h`."""
    length = max(0, min(alert.ends_at, now) - alert.starts_at)
    unit = SECOND if length < HOUR else 60 * SECOND if length < DAY else HOUR
    return format_duration(length // unit * unit)
