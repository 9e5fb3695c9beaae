"""The life of an alert, as pure functions of what was, what is seen now, and the time: inactive → pending → firing.

Nothing here reads a clock, evaluates an expression or remembers anything. Times are ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from common.durations import MINUTE
from common.labels import Labels

RESOLVED_RETENTION = 15 * MINUTE  # a resolved alert is repeated that long, so that nobody misses its end
RESEND_DELAY = MINUTE
LONGEST_GRACE = 2 * MINUTE


class AlertState(StrEnum):
    """Where an alert is in its life; of a rule, where its worst alert is."""

    UNKNOWN = "unknown"  # a rule before its first evaluation
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Policy:
    """A Policy is how long an alerting rule waits: before it fires, and after its condition is gone."""

    hold: int = 0
    keep_firing_for: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """Seen is what one evaluation found for one alert."""

    value: float
    annotations: Labels


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An ActiveAlert is one label set for which a rule's condition holds, or held until a while ago.

    While `state` is INACTIVE, the alert has fired and is over since `resolved_at`. Until `absence_excused_until`, not
    being seen changes nothing: it was restored, and the data that it came from may not have been gathered again yet.
    """

    labels: Labels
    annotations: Labels
    value: float
    state: AlertState
    active_at: int
    fired_at: int | None = None
    resolved_at: int | None = None
    keep_firing_since: int | None = None
    last_sent_at: int | None = None
    absence_excused_until: int = 0


def advance(
    active: Mapping[Labels, ActiveAlert], seen: Mapping[Labels, Seen], ts: int, policy: Policy
) -> dict[Labels, ActiveAlert]:
    """The alerts of a rule after an evaluation at `ts` that found `seen`."""
    after: dict[Labels, ActiveAlert] = {}
    for labels, alert in active.items():
        stepped = step(alert, seen.get(labels), ts, policy)
        if stepped is not None:
            after[labels] = stepped
    for labels, found in seen.items():
        known = active.get(labels)
        if known is None or known.state is AlertState.INACTIVE:
            after[labels] = _begin(labels, found, ts, policy)
    return after


def step(alert: ActiveAlert, seen: Seen | None, ts: int, policy: Policy) -> ActiveAlert | None:
    """`alert` after an evaluation at `ts`, or None when nothing of it is left."""
    if seen is not None and alert.state is not AlertState.INACTIVE:
        present = replace(
            alert,
            value=seen.value,
            annotations=seen.annotations,
            active_at=min(alert.active_at, ts),  # the clock may have been set back
            keep_firing_since=None,
            absence_excused_until=0,
        )
        return _fire_when_held(present, ts, policy)
    if alert.state is AlertState.INACTIVE:
        over_since = ts if alert.resolved_at is None else alert.resolved_at
        return None if ts - over_since > RESOLVED_RETENTION else alert
    if ts < alert.absence_excused_until:
        return alert
    if alert.state is AlertState.PENDING:
        return None
    since = ts if alert.keep_firing_since is None else alert.keep_firing_since
    if policy.keep_firing_for and ts - since < policy.keep_firing_for:
        return replace(alert, keep_firing_since=since)
    return replace(alert, state=AlertState.INACTIVE, resolved_at=ts)


def _begin(labels: Labels, found: Seen, ts: int, policy: Policy) -> ActiveAlert:
    pending = ActiveAlert(labels, found.annotations, found.value, AlertState.PENDING, active_at=ts)
    return _fire_when_held(pending, ts, policy)


def _fire_when_held(alert: ActiveAlert, ts: int, policy: Policy) -> ActiveAlert:
    if alert.state is AlertState.PENDING and ts - alert.active_at >= policy.hold:
        return replace(alert, state=AlertState.FIRING, fired_at=ts)
    return alert


def needs_sending(alert: ActiveAlert, ts: int) -> bool:
    """Whether the sink should hear of this alert now: new, over, or not repeated for the resend delay."""
    if alert.state is AlertState.PENDING:
        return False
    if alert.last_sent_at is None:
        return True
    if alert.resolved_at is not None and alert.resolved_at > alert.last_sent_at:
        return True
    return alert.last_sent_at + RESEND_DELAY < ts


def valid_until(ts: int, interval: int) -> int:
    """When a firing alert sent at `ts` is taken as over if nobody repeats it: two evaluations or sends may fail."""
    return ts + 4 * max(interval, RESEND_DELAY)


def not_counting(alert: ActiveAlert, gap: int) -> ActiveAlert:
    """`alert` after a time without evaluations (the process stood still): that time does not count towards `for`."""
    if gap <= 0 or alert.state is not AlertState.PENDING:
        return alert
    return replace(alert, active_at=alert.active_at + gap)


def resumed(alert: ActiveAlert, evaluated_at: int, ts: int, interval: int) -> ActiveAlert:
    """`alert` as the first evaluation (`ts`) after a restart takes it up; `evaluated_at` was the last one before.

    It is sent again at once, unchanged, because whoever it was sent to may have restarted too. Its absence is excused
    for two evaluations, and for as long as the ruler was down, up to LONGEST_GRACE: only then are the windows of its
    expression filled again.
    """
    down = max(0, ts - evaluated_at)
    grace = max(2 * interval, min(down, LONGEST_GRACE))
    return replace(not_counting(alert, down), last_sent_at=None, absence_excused_until=ts + grace)
