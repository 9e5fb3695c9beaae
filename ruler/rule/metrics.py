"""The metrics of rule evaluation, under Prometheus's names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

_GROUP = ("rule_group",)


class RuleMetrics:
    """RuleMetrics count what the groups of one ruler do; `rule_group` is `file;name`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"prometheus_rule_{name}", text, _GROUP, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"prometheus_rule_{name}", text, _GROUP, registry=registry)

        self.evaluations = counter("evaluations", "Rule evaluations.")
        self.failures = counter("evaluation_failures", "Rule evaluations that failed.")
        self.iterations = counter("group_iterations", "Scheduled evaluations of a group, executed or missed.")
        self.missed = counter("group_iterations_missed", "Evaluations of a group left out: the last one still ran.")
        self.interval = gauge("group_interval_seconds", "Time between two evaluations of a group.")
        self.last_evaluation = gauge("group_last_evaluation_timestamp_seconds", "When a group was last evaluated.")
        self.last_duration = gauge("group_last_duration_seconds", "How long a group's last evaluation took.")
        self.rules = gauge("group_rules", "Rules in a group.")
        self.samples = gauge("group_last_evaluation_samples", "Samples from a group's last evaluation.")
        self.evaluation_duration = Summary(
            "prometheus_rule_evaluation_duration_seconds", "How long rules take to evaluate.", registry=registry
        )
        self.group_duration = Summary(
            "prometheus_rule_group_duration_seconds", "How long groups take to evaluate.", registry=registry
        )
        self._by_group = (
            self.evaluations, self.failures, self.iterations, self.missed, self.interval,
            self.last_evaluation, self.last_duration, self.rules, self.samples,
        )  # fmt: skip

    def show(self, group: str, interval: int, rules: int) -> None:
        """Let every metric of a group exist from its start."""
        for metric in self._by_group:
            metric.labels(group)
        self.interval.labels(group).set(interval / 1000)
        self.rules.labels(group).set(rules)

    def forget(self, group: str) -> None:
        """Drop the metrics of a group that is gone."""
        for metric in self._by_group:
            metric.remove(group)
