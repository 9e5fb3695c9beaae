"""The metrics of notify, under Alertmanager's names (its labels with receiver names switched on)."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ruler.notify.receiver import Receiver

_LABELS = ["integration", "receiver_name"]
_BUCKETS = (0.1, 0.5, 1.0, 5.0, 10.0, 15.0, 20.0)


class FailureReason(StrEnum):
    """Why a notification was given up, in Alertmanager's words."""

    CLIENT = "clientError"
    SERVER = "serverError"
    CANCELED = "contextCanceled"
    DEADLINE = "contextDeadlineExceeded"
    OTHER = "other"

    @classmethod
    def of(cls, status: int) -> FailureReason:
        """The reason that an HTTP status (0: none) stands for."""
        return {4: cls.CLIENT, 5: cls.SERVER}.get(status // 100, cls.OTHER)


class NotifyMetrics:
    """NotifyMetrics count what one notifier sends, and how it fares."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: list[str]) -> Counter:
            return Counter(f"alertmanager_{name}", text, labels, registry=registry)

        self.notifications = counter("notifications", "Notifications that were to be sent.", _LABELS)
        self.failed = counter("notifications_failed", "Notifications that were given up.", [*_LABELS, "reason"])
        self.requests = counter("notification_requests", "Attempts to send a notification.", _LABELS)
        self.requests_failed = counter("notification_requests_failed", "Attempts that failed.", _LABELS)
        self.latency = Histogram(
            "alertmanager_notification_latency_seconds",
            "How long an attempt took.",
            _LABELS,
            buckets=_BUCKETS,
            registry=registry,
        )
        self.receivers = Gauge("alertmanager_receivers", "Receivers configured.", registry=registry)
        self.integrations = Gauge("alertmanager_integrations", "Destinations configured.", registry=registry)

    def show(self, receivers: tuple[Receiver, ...]) -> None:
        """Let every metric exist, at zero, from the moment a receiver does: rates need a start."""
        for receiver in receivers:
            for destination in receiver.destinations:
                labels = (destination.transport.integration, receiver.name)
                for metric in (self.notifications, self.requests, self.requests_failed, self.latency):
                    metric.labels(*labels)
                for reason in FailureReason:
                    self.failed.labels(*labels, reason.value)
        self.receivers.set(len(receivers))
        self.integrations.set(sum(len(receiver.destinations) for receiver in receivers))
