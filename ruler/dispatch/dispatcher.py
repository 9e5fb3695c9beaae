"""The dispatcher: takes alerts from any thread, groups them in its own, and hands out what is to be told.

Alerts enter by a queue that keeps only the newest of each, so a sender never waits. Everything else belongs to the
thread that calls `tick`; others see frozen snapshots. Delivery happens elsewhere: `tick` never waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from common.durations import MINUTE, SECOND
from common.labels import Labels
from ruler.dispatch.group import AlertGroup, Group
from ruler.dispatch.metrics import DispatchMetrics
from ruler.dispatch.route import Route
from ruler.model.alert import Alert, Muter, Notification

RESOLVE_TIMEOUT = 5 * MINUTE
MAINTENANCE = 30 * SECOND
MAX_ALERTS = 100_000
MAX_GROUPS = 50_000

Notify = Callable[[Notification], Future[bool]]


@dataclass(slots=True)
class _Held:
    """An alert that is known, and where it belongs: (route, group labels). `assumed`: its end is only our guess."""

    alert: Alert
    assumed: bool
    places: tuple[tuple[Route, Labels], ...]


class Dispatcher:
    """A Dispatcher sorts alerts into groups and hands each group over when it is time to tell of it.

    An alert sent with `ends_at` 0 fires until `resolve_timeout` after it was last sent. `notify` must return at once;
    its future says whether everybody was told, and so whether resolved alerts can be forgotten.
    """

    def __init__(
        self,
        routes: Route,
        notify: Notify,
        registry: CollectorRegistry,
        *,
        muters: Sequence[Muter] = (),
        resolve_timeout: int = RESOLVE_TIMEOUT,
        max_alerts: int = MAX_ALERTS,
        max_groups: int = MAX_GROUPS,
    ) -> None:
        self._notify, self._muters = notify, tuple(muters)
        self._max_alerts, self._max_groups = max_alerts, max_groups
        self._metrics = DispatchMetrics(registry)
        self._lock = threading.Lock()  # for the queue and what is to be applied, nothing else
        self._inbox: dict[Labels, Alert] = {}
        self._wanted = (routes, resolve_timeout)
        self._routes, self._resolve_timeout = routes, resolve_timeout
        self._held: dict[Labels, _Held] = {}
        self._groups: dict[tuple[str, Labels], Group] = {}
        self._seen: tuple[AlertGroup, ...] = ()
        self._changed = False
        self._maintained = self._now = 0
        self._metrics.count_alerts(self._counted)

    def send(self, alerts: Sequence[Alert]) -> None:
        """Take these alerts; returns at once, from any thread. The newest of each counts."""
        dropped = 0
        with self._lock:
            for alert in alerts:
                waiting = self._inbox.get(alert.labels)
                if waiting is None and len(self._inbox) >= self._max_alerts:
                    dropped += 1
                elif waiting is None or waiting.updated_at <= alert.updated_at:
                    self._inbox[alert.labels] = alert
        if dropped:
            self._metrics.dropped.inc(dropped)

    def apply(self, routes: Route, resolve_timeout: int = RESOLVE_TIMEOUT) -> None:
        """Use this tree from the next tick on; groups whose route treats them as before keep their clocks."""
        with self._lock:
            self._wanted = (routes, resolve_timeout)

    @property
    def routes(self) -> Route:
        with self._lock:
            return self._wanted[0]

    @property
    def resolve_timeout(self) -> int:
        with self._lock:
            return self._wanted[1]

    def groups(self) -> tuple[AlertGroup, ...]:
        """All groups as they were after the last tick."""
        return self._seen

    def muted_by(self, labels: Labels, now: int) -> tuple[str, ...]:
        """The ids of what mutes an alert with these labels now."""
        return tuple(each for muter in self._muters for each in muter.muted_by(labels, now))

    def tick(self, now: int) -> None:
        """Take what was sent, note what was delivered, hand out what is due. Always called from the same thread."""
        with self._lock:
            sent, self._inbox = self._inbox, {}
            (routes, self._resolve_timeout) = self._wanted
        self._now = now
        if routes != self._routes:
            self._regroup(routes, now)
        for alert in sent.values():
            self._take(alert, now)
        for group in self._groups.values():
            if group.settle():
                self._changed = True
        for group in self._groups.values():
            notification = group.flush(now)
            if notification is not None:
                group.delivery = self._notify(notification)
        if not 0 <= now - self._maintained < MAINTENANCE:
            self._maintain(now)
        if self._changed:
            self._changed = False
            self._seen = tuple(group.seen() for group in self._groups.values() if group.alerts)
            self._metrics.groups.set(len(self._groups))

    def _counted(self) -> tuple[int, int]:
        """How many alerts fire and are told, and how many are muted. For whoever reads the metrics, in their thread."""
        now = self._now
        firing = {alert.labels for group in self._seen for alert in group.alerts if not alert.resolved(now)}
        suppressed = sum(1 for labels in firing if self.muted_by(labels, now))
        return len(firing) - suppressed, suppressed

    def _take(self, alert: Alert, now: int) -> None:
        assumed = alert.ends_at == 0
        if assumed:
            alert = replace(alert, ends_at=alert.updated_at + self._resolve_timeout)
        held = self._held.get(alert.labels)
        if held is not None:
            held.alert = _merged(held, alert)
            held.assumed = assumed and held.alert.ends_at == alert.ends_at
        elif len(self._held) >= self._max_alerts:
            self._metrics.dropped.inc()
            return
        else:
            held = self._held[alert.labels] = _Held(alert, assumed, self._places(alert.labels))
        self._changed = True
        for route, labels in held.places:
            self._insert(held.alert, route, labels, now)

    def _places(self, labels: Labels) -> tuple[tuple[Route, Labels], ...]:
        return tuple((route, route.group_labels(labels)) for route in self._routes.match(labels))

    def _insert(self, alert: Alert, route: Route, labels: Labels, now: int) -> None:
        group = self._groups.get((route.id, labels))
        if group is None:
            if len(self._groups) >= self._max_groups:
                self._metrics.groups_refused.inc()
                return
            group = self._groups[route.id, labels] = Group.opened(route, labels, now)
        group.insert(alert, now)

    def _regroup(self, routes: Route, now: int) -> None:
        """Put every alert where the new tree wants it, in its old group wherever that goes on as before."""
        before, self._groups, self._routes = self._groups, {}, routes
        for held in self._held.values():
            alert = held.alert
            held.places = self._places(alert.labels)
            for route, labels in held.places:
                old = before.get((route.id, labels))
                if old is not None and old.route.treats_alike(route):
                    group = self._groups.setdefault((route.id, labels), replace(old, route=route, alerts={}))
                    if alert.labels in old.alerts:
                        group.alerts[alert.labels] = old.alerts[alert.labels]
                        continue
                    if alert.resolved(now):  # told and left
                        continue
                self._insert(alert, route, labels, now)
        self._changed = True

    def _maintain(self, now: int) -> None:
        """Close empty groups, and forget alerts that are over and told."""
        self._maintained = now
        for place in [place for place, group in self._groups.items() if not group.alerts and group.delivery is None]:
            del self._groups[place]
        grouped = {labels for group in self._groups.values() for labels in group.alerts}
        over = [labels for labels, held in self._held.items() if held.alert.resolved(now) and labels not in grouped]
        for labels in over:
            del self._held[labels]
        self._changed = True


def _merged(held: _Held, new: Alert) -> Alert:
    """`new` over what was held, as one alert where their spans overlap: the earliest start and the surest end."""
    old = held.alert
    if new.updated_at < old.updated_at:
        return old
    if not (old.starts_at < new.ends_at < old.ends_at or old.starts_at < new.starts_at < old.ends_at):
        return new
    outlasts = not held.assumed and old.ends_at > new.ends_at and not new.resolved(new.updated_at)
    starts_at = min(old.starts_at, new.starts_at)
    return replace(new, starts_at=starts_at, ends_at=old.ends_at if outlasts else new.ends_at)
