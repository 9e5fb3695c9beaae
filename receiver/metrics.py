"""The page of the receiver: the pushed gauges, and the receiver's own metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import metadata

from prometheus_client import CollectorRegistry, Counter, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client import Gauge as OwnGauge
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from common.clock import Clock
from receiver import generic, laravel
from receiver.gauges import GaugeStore
from receiver.refusals import Code


class Endpoint(StrEnum):
    """Where a push came in."""

    MONITORING = "monitoring"
    PUSH = "push"


ACCEPTED = "accepted"
RESULTS = (ACCEPTED, *(code.lower() for code in Code if code != Code.NOT_FOUND))


class PushedGauges(Collector):
    """PushedGauges shows what the store holds now."""

    def __init__(self, store: GaugeStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def collect(self) -> Iterator[Metric]:
        for name, gauges in self._store.families(self._clock.now()):
            family = Metric(name, laravel.HELP.get(name, generic.HELP), "gauge")
            family.samples = [Sample(name, dict(labels), value) for labels, value in gauges]
            yield family


class ReceiverMetrics:
    """ReceiverMetrics are the receiver's own metrics, in a registry that also has the pushed gauges."""

    def __init__(self, store: GaugeStore, clock: Clock, journal_bytes: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(PushedGauges(store, clock))
        self.pushes = Counter(
            "tocsin_receiver_pushes",
            "Pushes by endpoint and result (`accepted`, or the error code in lower case).",
            ("endpoint", "result"),
            registry=self.registry,
        )
        self.save_failures = Counter(
            "tocsin_receiver_save_failures",
            "Pushes that were taken but could not be written to the journal.",
            registry=self.registry,
        )
        self.damaged_lines = Counter(
            "tocsin_receiver_journal_damaged_lines",
            "Lines of the journal that were lost to damage.",
            registry=self.registry,
        )
        series = OwnGauge("tocsin_receiver_series", "Pushed series that are held.", registry=self.registry)
        series.set_function(lambda: len(store))
        size = OwnGauge("tocsin_receiver_journal_bytes", "Size of the journal.", registry=self.registry)
        size.set_function(journal_bytes)
        build = OwnGauge(
            "tocsin_receiver_build_info", "The version that runs; always 1.", ("version",), registry=self.registry
        )
        build.labels(metadata.version("tocsin")).set(1)
        for endpoint in Endpoint:  # from the start, so that `increase` sees the first of each
            for result in RESULTS:
                self.pushes.labels(endpoint, result)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
