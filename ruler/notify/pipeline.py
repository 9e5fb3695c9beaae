"""The pipeline: what becomes of one notification at one destination, as a list of stages.

    mute → dedup → intend → tell → record

Each stage takes a Delivery and gives the next one, or None when there is nothing more to do. `tell` raises
DeliveryError; the lane then runs the whole list again later, so a retry tells what is so by then. Knows no threads.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from common.errors import DeliveryError
from ruler.model.alert import Alert, Muter, Notification, NotifyReason
from ruler.notify.dedup import news
from ruler.notify.log import Entry, Key, NotificationLog
from ruler.notify.metrics import NotifyMetrics
from ruler.notify.receiver import Destination


@dataclass(frozen=True, slots=True)
class Delivery:
    """A Delivery is one attempt to tell one destination; `now` (ms) is when, not when its group spoke."""

    notification: Notification
    destination: Destination
    now: int
    attempt: int = 1
    reason: NotifyReason = NotifyReason.NOTHING_NEW
    answer: str = ""

    @property
    def key(self) -> Key:
        return Key(self.notification.receiver, self.destination.id, self.notification.group_key)


class Pipeline:
    """A Pipeline takes deliveries through the stages; safe to use from many threads."""

    def __init__(self, muters: Sequence[Muter], log: NotificationLog, metrics: NotifyMetrics) -> None:
        self._muters, self._log, self._metrics = tuple(muters), log, metrics
        self._stages = (self._mute, self._dedup, self._intend, self._tell, self._record)

    def run(self, delivery: Delivery) -> Delivery | None:
        """The delivery once told, or None when there was nothing to tell. Raises DeliveryError."""
        for stage in self._stages:
            following = stage(delivery)
            if following is None:
                return None
            delivery = following
        return delivery

    def _mute(self, delivery: Delivery) -> Delivery | None:
        notification = delivery.notification
        heard = tuple(
            alert
            for alert in notification.alerts
            if not any(muter.muted_by(alert.labels, delivery.now) for muter in self._muters)
        )
        return replace(delivery, notification=replace(notification, alerts=heard)) if heard else None

    def _dedup(self, delivery: Delivery) -> Delivery | None:
        last = self._log.find(delivery.key)
        reason, notification = news(delivery.notification, last)
        if not reason.sends:
            return None
        if not delivery.destination.send_resolved:
            notification = replace(notification, alerts=_firing(notification))
            if last is not None and reason in (NotifyReason.NEW_RESOLVED, NotifyReason.ALL_RESOLVED):
                # Not told, yet noted: what fires again is news again.
                self._log.record(delivery.key, Entry(_fingerprints(notification), last.told_at))
                return None
        return replace(delivery, notification=notification, reason=reason)

    def _intend(self, delivery: Delivery) -> Delivery:
        self._log.intend(delivery.key, delivery.notification.now)
        return delivery

    def _tell(self, delivery: Delivery) -> Delivery:
        labels = (delivery.destination.transport.integration, delivery.notification.receiver)
        if delivery.attempt == 1:
            self._metrics.notifications.labels(*labels).inc()
        self._metrics.requests.labels(*labels).inc()
        start = time.perf_counter()
        try:
            answer = delivery.destination.transport.send(delivery.notification)
        except DeliveryError:
            self._metrics.requests_failed.labels(*labels).inc()
            self._log.withdraw(delivery.key)
            raise
        finally:
            self._metrics.latency.labels(*labels).observe(time.perf_counter() - start)
        return replace(delivery, answer=answer)

    def _record(self, delivery: Delivery) -> Delivery:
        entry = Entry(_fingerprints(delivery.notification), delivery.notification.now)
        self._log.record(delivery.key, entry)
        return delivery


def _firing(notification: Notification) -> tuple[Alert, ...]:
    return tuple(alert for alert in notification.alerts if not alert.resolved(notification.now))


def _fingerprints(notification: Notification) -> frozenset[int]:
    return frozenset(alert.labels.fingerprint for alert in _firing(notification))
