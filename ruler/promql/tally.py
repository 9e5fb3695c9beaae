"""What all queries have cost together, under Prometheus's names. Any thread adds, in about a microsecond."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ruler.model.result import Spent

QUEUE, PREPARE, EVALUATE, ORDER = SLICES = ("queue_time", "prepare_time", "inner_eval", "result_sort")


class Tally(Collector):
    """A Tally adds up the seconds of each slice of every query, and the samples that were looked at."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seconds = dict.fromkeys(SLICES, 0.0)
        self._counts = dict.fromkeys(SLICES, 0)
        self._samples = 0

    def add(self, spent: Spent) -> None:
        with self._lock:
            seconds, counts = self._seconds, self._counts
            seconds[PREPARE] += spent.prepared
            seconds[EVALUATE] += spent.evaluated
            counts[PREPARE] += 1
            counts[EVALUATE] += 1
            if spent.ordered is not None:
                seconds[ORDER] += spent.ordered
                counts[ORDER] += 1
            self._samples += spent.samples

    def waited(self, seconds: float) -> None:
        """Add what a query waited for its turn."""
        with self._lock:
            self._seconds[QUEUE] += seconds
            self._counts[QUEUE] += 1

    def collect(self) -> Iterable[Metric]:
        timings = SummaryMetricFamily("prometheus_engine_query_duration_seconds", "Query timings.", labels=["slice"])
        with self._lock:
            for each in sorted(SLICES):
                timings.add_metric([each], self._counts[each], self._seconds[each])
            samples = float(self._samples)
        yield timings
        text = "Samples that all queries looked at."
        yield CounterMetricFamily("prometheus_engine_query_samples", text, value=samples)
