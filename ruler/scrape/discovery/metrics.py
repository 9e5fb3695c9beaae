"""The metrics of discovery, under Prometheus's names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

MANAGER = "scrape"  # what Prometheus calls the one that discovers targets; another discovers Alertmanagers


class DiscoveryMetrics:
    """DiscoveryMetrics count what one ruler's discovery does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_: str, *labels: str) -> Counter:
            return Counter(f"prometheus_sd_{name}", help_, labels, registry=registry)

        def gauge(name: str, help_: str, *labels: str) -> Gauge:
            return Gauge(f"prometheus_sd_{name}", help_, labels, registry=registry)

        def summary(name: str, help_: str, *labels: str) -> Summary:
            return Summary(f"prometheus_sd_{name}", help_, labels, registry=registry)

        self._discovered = gauge("discovered_targets", "Targets discovered.", "name", "config")
        failed = gauge("failed_configs", "Sources of targets whose settings cannot be used.", "name")
        failed.labels(MANAGER).set(0)  # always: such settings refuse the whole config
        self.received = counter("received_updates", "Answers of sources.", "name").labels(MANAGER)
        self.updates = counter("updates", "Times that the targets of a job were settled anew.", "name").labels(MANAGER)
        self.delayed = counter(
            "updates_delayed", "Times that targets changed while those of the last change were being settled.", "name"
        ).labels(MANAGER)
        self.refresh_failures = counter(
            "refresh_failures", "Times that a source could not be asked.", "mechanism", "config"
        )
        self.refresh_duration = summary(
            "refresh_duration_seconds", "How long it took to ask a source.", "mechanism", "config"
        )
        self.file_scan = summary("file_scan_duration_seconds", "How long it took to look at discovery files.")
        self.file_errors = counter("file_read_errors", "Discovery files that could not be used.")
        self.file_mtime = gauge("file_mtime_seconds", "When a discovery file was last changed.", "filename")
        self.http_failures = counter("http_failures", "Lists of targets that could not be fetched.")
        self.dns_lookups = counter("dns_lookups", "Names that were looked up.")
        self.dns_failures = counter("dns_lookup_failures", "Names that could not be looked up.")

    def discovered(self, job: str, count: int) -> None:
        """So many targets are known for this job."""
        self._discovered.labels(MANAGER, job).set(count)

    def forget(self, job: str) -> None:
        """Drop the series of a job that is gone."""
        self._discovered.remove_by_labels({"name": MANAGER, "config": job})
        for metric in (self.refresh_failures, self.refresh_duration):
            metric.remove_by_labels({"config": job})
