"""The database's own metrics, read from its counts when they are scraped: the append path counts in plain ints."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ruler.tsdb.health import Health
from ruler.tsdb.inspect.stats import Head
from ruler.tsdb.write.budget import Budget
from ruler.tsdb.write.stream import Ledger


class Metrics(Collector):
    """Metrics are what a database tells of itself, under the peer's names where the peer has them."""

    def __init__(
        self, head: Callable[[], Head], budget: Budget, health: Health, ledger: Ledger, open_seconds: float
    ) -> None:
        self._head, self._budget, self._health = head, budget, health
        self._ledger, self._open_seconds = ledger, open_seconds

    def collect(self) -> Iterator[Metric]:
        head, ledger, health = self._head(), self._ledger, self._health
        yield _gauge("prometheus_tsdb_head_series", "Series that open streams write.", head.series)
        yield _counter("prometheus_tsdb_head_series_created", "Series minted so far.", head.series_created)
        yield from _of_budget(self._budget, head)
        yield _gauge("prometheus_tsdb_head_min_time", "Time of the oldest sample, in milliseconds.", head.min_time)
        yield _gauge("prometheus_tsdb_head_max_time", "Time of the newest sample, in milliseconds.", head.max_time)
        yield _gauge("tocsin_tsdb_pages", "Pages that are held.", head.pages)
        yield _gauge("tocsin_tsdb_chunks", "Chunks that are held: sealed pages, and merged ones.", head.chunks)
        yield _gauge("prometheus_tsdb_storage_blocks_bytes", "Bytes that chunks take.", head.chunk_bytes)
        yield _gauge("tocsin_tsdb_strings", "Distinct strings of all labels.", head.strings)
        yield _typed("prometheus_tsdb_head_samples_appended", "Samples appended.", ledger.stored)
        yield _typed(
            "prometheus_tsdb_out_of_order_samples",
            "Samples refused because they were older than their stream's last.",
            ledger.out_of_order,
        )
        yield _typed(
            "prometheus_tsdb_too_old_samples", "Samples refused as older than the out-of-order window.", ledger.too_old
        )
        yield _typed(
            "prometheus_tsdb_out_of_bound_samples",
            "Samples refused as too old, without an out-of-order window.",
            ledger.out_of_bounds,
        )
        yield _counter("tocsin_tsdb_future_samples", "Samples refused as ahead of the clock.", ledger.future)
        yield _counter(
            "tocsin_tsdb_duplicate_samples", "Samples refused because their time was taken.", ledger.duplicate
        )
        yield _counter(
            "tocsin_tsdb_clock_steps_back", "Times that the clock was found to have been set back.", ledger.rewinds
        )
        yield _gauge(
            "prometheus_tsdb_data_replay_duration_seconds", "Time it took to open the data.", self._open_seconds
        )
        yield _gauge(
            "tocsin_tsdb_degraded", "1 while the directory takes no data and samples are in memory.", health.degraded
        )
        yield _counter("tocsin_tsdb_write_errors", "Writes that failed.", health.write_errors)
        yield _counter("tocsin_tsdb_sync_errors", "Syncs that failed.", health.sync_errors)
        yield _counter("tocsin_tsdb_corrupt_files", "Files that were set aside as *.corrupt.", health.corrupt_files)
        yield _counter("tocsin_tsdb_damaged_rows", "Rows left out because their check was wrong.", health.damaged_rows)
        yield _counter("tocsin_tsdb_unfinished_rows", "Rows that an end cut short.", health.unfinished_rows)
        yield _counter("tocsin_tsdb_damaged_columns", "Columns left out for lost labels.", health.damaged_columns)
        yield _counter(
            "tocsin_tsdb_dropped_bytes",
            "Bytes of chunks that the disk did not take for so long that they were let go.",
            health.dropped_bytes,
        )
        yield _counter("tocsin_tsdb_damaged_parts", "Parts of files whose check was wrong.", health.damaged_blocks)


def _of_budget(budget: Budget, head: Head) -> Iterator[Metric]:
    yield _gauge("tocsin_tsdb_series_limit", "How many series may be active; 0 is no limit.", budget.limit)
    yield _gauge("tocsin_tsdb_active_series", "Series that count towards the limit.", head.active)
    refused = CounterMetricFamily(
        "tocsin_tsdb_refused_series", "New series that the limit left out.", labels=["scrape_job"]
    )
    refusing = GaugeMetricFamily(
        "tocsin_tsdb_refusing_series",
        "New series left out since the limit was reached, and the label with the most values among them.",
        labels=["scrape_job", "label"],
    )
    for refusal in budget.refusals:
        refused.add_metric([refusal.job], refusal.ever)
        if refusal.series:
            refusing.add_metric([refusal.job, refusal.label], refusal.series)
    yield refused
    yield refusing


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _typed(name: str, text: str, value: float) -> Metric:
    family = CounterMetricFamily(name, text, labels=["type"])
    family.add_metric(["float"], value)
    return family
