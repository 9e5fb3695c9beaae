"""The metrics of dispatch, under Alertmanager's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

ALERT_STATES = ("active", "suppressed", "unprocessed")


class DispatchMetrics:
    """DispatchMetrics count the alerts and groups of one dispatcher."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.groups = Gauge("alertmanager_dispatcher_aggregation_groups", "Number of alert groups.", registry=registry)
        self.groups_refused = Counter(
            "alertmanager_dispatcher_aggregation_group_limit_reached",
            "Alerts that found no place because there were too many groups.",
            registry=registry,
        )
        self.dropped = Counter(
            "tocsin_dispatcher_alerts_dropped",
            "Alerts refused because too many different ones were waiting or held.",
            registry=registry,
        )
        self.alerts = Gauge("alertmanager_alerts", "Firing alerts, by state.", ["state"], registry=registry)
        for state in ALERT_STATES:
            self.alerts.labels(state)


class SilenceMetrics:
    """SilenceMetrics count the silences of one ruler."""

    def __init__(self, registry: CollectorRegistry, states: Sequence[str]) -> None:
        self._silences = Gauge("alertmanager_silences", "Silences, by state.", ["state"], registry=registry)
        for state in states:
            self._silences.labels(state)

    def count(self, counts: Mapping[str, int]) -> None:
        for state, count in counts.items():
            self._silences.labels(state).set(count)
