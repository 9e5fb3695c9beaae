"""Alert groups: the alerts of a route that share their group labels, and when they are told.

    first alert ── group_wait ──► flush ── group_interval ──► flush ── group_interval ──► …
                   (at once when an alert is older)

A flush whose delivery is still under way puts the next one off. Owned by the dispatcher's thread; no locks.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from common.durations import SECOND
from common.labels import Labels
from ruler.dispatch.route import Route
from ruler.model.alert import Alert, Notification

LEAST_TIMEOUT = 10 * SECOND  # what a delivery gets however short the group_interval (Alertmanager's MinTimeout)


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """An AlertGroup is a group as others see it: whole, at one moment."""

    key: str
    receiver: str
    labels: Labels
    alerts: tuple[Alert, ...]


@dataclass(slots=True)
class Group:
    """A Group collects the alerts of one route and one set of group labels, and says when it is time to tell."""

    route: Route
    labels: Labels
    due: int
    told: bool = False
    alerts: dict[Labels, Alert] = field(default_factory=dict)
    delivery: Future[bool] | None = None
    delivered: tuple[Alert, ...] = ()

    @classmethod
    def opened(cls, route: Route, labels: Labels, now: int) -> Group:
        return cls(route, labels, now + route.timing.group_wait)

    @property
    def key(self) -> str:
        return self.route.group_key(self.labels)

    def insert(self, alert: Alert, now: int) -> None:
        self.alerts[alert.labels] = alert
        if not self.told and alert.starts_at + self.route.timing.group_wait < now:
            self.due = min(self.due, now)

    def settle(self) -> bool:
        """Note the end of a delivery: once told, what had resolved leaves, unless it changed meanwhile.

        Whether anything changed.
        """
        if self.delivery is None or not self.delivery.done():
            return False
        arrived, self.delivery = self.delivery.result(), None
        gone = [alert.labels for alert in self.delivered if arrived and self.alerts.get(alert.labels) is alert]
        for labels in gone:
            del self.alerts[labels]
        self.delivered = ()
        return bool(gone)

    def flush(self, now: int) -> Notification | None:
        """What is to be told now, if it is time and there is anything."""
        timing = self.route.timing
        longest = max(timing.group_wait, timing.group_interval)
        if self.due - now > longest:  # the clock stepped back
            self.due = now + longest
        if self.due > now or self.delivery is not None:
            return None
        self.due, self.told = now + timing.group_interval, True
        if not self.alerts:
            return None
        self.delivered = tuple(alert for alert in self.alerts.values() if alert.resolved(now))
        return Notification(
            receiver=self.route.receiver,
            group_key=self.key,
            group_labels=self.labels,
            alerts=tuple(sorted(self.alerts.values(), key=lambda alert: tuple(alert.labels.items()))),
            now=now,
            repeat_interval=timing.repeat_interval,
            timeout=max(timing.group_interval, LEAST_TIMEOUT),
        )

    def seen(self) -> AlertGroup:
        return AlertGroup(self.key, self.route.receiver, self.labels, tuple(self.alerts.values()))
