"""Alerts and notifications: what travels from rule to dispatch to notify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from common.labels import Labels

ALERT_NAME = "alertname"


@dataclass(frozen=True, slots=True)
class Alert:
    """An Alert is a problem with an identity (its labels) and a span of time; times are ms.

    While it fires, `ends_at` is when it will be taken as resolved if nobody repeats it; once resolved, when it ended.
    `value` is that of the rule's expression, None for an alert that came without one.
    """

    labels: Labels
    annotations: Labels
    starts_at: int
    ends_at: int
    updated_at: int
    generator_url: str = ""
    value: float | None = None

    @property
    def name(self) -> str:
        return self.labels.get(ALERT_NAME, "")

    def resolved(self, now: int) -> bool:
        return self.ends_at <= now


class NotifyReason(StrEnum):
    """Why a notification goes out (Alertmanager's notification_reason), or why it does not."""

    FIRST = "first notification"
    NEW_ALERTS = "new alerts in group"
    NEW_RESOLVED = "new resolved alerts"
    ALL_RESOLVED = "all alerts resolved"
    REPEAT = "repeat interval elapsed"
    NOTHING_NEW = "nothing new"

    @property
    def sends(self) -> bool:
        return self is not NotifyReason.NOTHING_NEW


@dataclass(frozen=True, slots=True)
class Notification:
    """A Notification is what one receiver is told of one alert group at one moment (`now`, ms).

    `timeout` is how long (ms) there is to deliver it: until the group speaks again.
    """

    receiver: str
    group_key: str
    group_labels: Labels
    alerts: tuple[Alert, ...]
    now: int
    repeat_interval: int
    timeout: int


class Muter(Protocol):
    """A Muter says which alerts must not be notified now."""

    def muted_by(self, labels: Labels, now: int) -> tuple[str, ...]:
        """The ids of what mutes an alert with these labels; empty when nothing does."""


class AlertSink(Protocol):
    """Where a rule group sends its alerts: the dispatcher."""

    def send(self, alerts: Sequence[Alert]) -> None:
        """Take these alerts; returns at once, from any thread."""
