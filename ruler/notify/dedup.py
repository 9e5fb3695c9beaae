"""What a destination still has to hear: a pure function of what it heard and of what is so now."""

from __future__ import annotations

from dataclasses import replace

from ruler.model.alert import Notification, NotifyReason
from ruler.notify.log import Entry


def news(notification: Notification, last: Entry | None) -> tuple[NotifyReason, Notification]:
    """Why to tell (or not), and the notification less what is none of the destination's business.

    This is Alertmanager's rule (notify.go needsUpdate), stricter in one thing: the end of an alert is told only to who
    heard of its beginning, and once.
    """
    told = last.firing if last else frozenset()
    firing = [alert for alert in notification.alerts if not alert.resolved(notification.now)]
    over = [
        alert for alert in notification.alerts if alert.resolved(notification.now) and alert.labels.fingerprint in told
    ]
    trimmed = replace(notification, alerts=(*firing, *over))
    if not told.issuperset(alert.labels.fingerprint for alert in firing):
        return (NotifyReason.NEW_ALERTS if told else NotifyReason.FIRST), trimmed
    if over:
        return (NotifyReason.NEW_RESOLVED if firing else NotifyReason.ALL_RESOLVED), trimmed
    if firing and last is not None and notification.now - last.told_at >= notification.repeat_interval:
        return NotifyReason.REPEAT, trimmed
    return NotifyReason.NOTHING_NEW, trimmed
