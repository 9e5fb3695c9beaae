"""The metrics of dispatch, under Alertmanager's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge


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
        self._alerts = Gauge("alertmanager_alerts", "Firing alerts, by state.", ["state"], registry=registry)

    def count_alerts(self, counted: Callable[[], tuple[int, int]]) -> None:
        """Ask `counted` for (active, suppressed) whenever the metrics are read."""
        self._alerts.labels("active").set_function(lambda: counted()[0])
        self._alerts.labels("suppressed").set_function(lambda: counted()[1])
        self._alerts.labels("unprocessed").set(0)  # the peer's third state: here every alert has been routed


class SilenceMetrics:
    """SilenceMetrics count the silences of one ruler."""

    def __init__(self, registry: CollectorRegistry, states: Sequence[str]) -> None:
        self._silences = Gauge("alertmanager_silences", "Silences, by state.", ["state"], registry=registry)
        for state in states:
            self._silences.labels(state)

    def count(self, counts: Mapping[str, int]) -> None:
        for state, count in counts.items():
            self._silences.labels(state).set(count)
