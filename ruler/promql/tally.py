"""What all queries have cost together, under Prometheus's names. Any thread adds, in about a microsecond."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ruler.model.result import Spent


class Tally(Collector):
    """A Tally adds up the seconds of each slice of every query, and the samples that were looked at.

    `at_once` are the queries that waited for nothing; only the thread that answers them counts them.
    """

    def __init__(self) -> None:
        self.at_once = 0
        self._lock = Lock()
        self._asked = self._ranges = self._queued = self._samples = 0
        self._waited = self._prepared = self._evaluated = self._ordered = 0.0

    def add(self, spent: Spent) -> None:
        with self._lock:
            self._asked += 1
            self._prepared += spent.prepared
            self._evaluated += spent.evaluated
            self._samples += spent.samples
            if spent.ordered is not None:
                self._ranges += 1
                self._ordered += spent.ordered

    def waited(self, seconds: float) -> None:
        """Add what a query waited for its turn."""
        with self._lock:
            self._queued += 1
            self._waited += seconds

    def collect(self) -> Iterable[Metric]:
        timings = SummaryMetricFamily("prometheus_engine_query_duration_seconds", "Query timings.", labels=["slice"])
        with self._lock:
            timings.add_metric(["inner_eval"], self._asked, self._evaluated)
            timings.add_metric(["prepare_time"], self._asked, self._prepared)
            timings.add_metric(["queue_time"], self._queued + self.at_once, self._waited)
            timings.add_metric(["result_sort"], self._ranges, self._ordered)
            samples = float(self._samples)
        yield timings
        text = "Samples that all queries looked at."
        yield CounterMetricFamily("prometheus_engine_query_samples", text, value=samples)
