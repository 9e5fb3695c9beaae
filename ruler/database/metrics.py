"""The metrics of the database of state."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from ruler.database.rows import tables


class DatabaseMetrics:
    """DatabaseMetrics tell how one database fares."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.corrupt_files = Counter(
            "tocsin_database_corrupt_files", "Files of state set aside as *.corrupt.", registry=registry
        )
        self.damaged_rows = Counter(
            "tocsin_database_damaged_rows", "Rows of state that were lost to damage.", ["table"], registry=registry
        )
        self.write_errors = Counter("tocsin_database_write_errors", "Writes that failed.", registry=registry)
        self.refused_rows = Counter(
            "tocsin_database_refused_rows", "Rows refused because too many were waiting.", registry=registry
        )
        self.degraded = Gauge("tocsin_database_degraded", "Whether new state is in memory alone.", registry=registry)
        self._waiting = Gauge("tocsin_database_waiting_rows", "Rows that wait to be written.", registry=registry)
        for table in tables():  # from the start, so that `increase` sees the first
            self.damaged_rows.labels(table.name)

    def count_waiting(self, counted: Callable[[], int]) -> None:
        """Ask `counted` whenever the metrics are read."""
        self._waiting.set_function(counted)
