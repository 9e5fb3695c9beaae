"""What a query may use: time until its deadline, its client's patience, and cells of memory.

Cells are charged before they are allocated. The clock read here is the machine's own (monotonic), for nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common.errors import QueryCanceled, QueryTimeout, TooManySamples
from ruler.promql.sharing import Share

_PLACE = "expression evaluation"
A_SERIES = 16  # cells that take as long to look at as a series takes beside its own
LARGE = 4_000_000  # cells from which a query that shares the process with others counts as large


class Limits:
    """Limits watch over one query while it runs, and count what it used: cells at once, and samples looked at."""

    __slots__ = ("_cancelled", "_deadline", "_held", "_max_samples", "_most_work", "_share", "peak", "samples")

    def __init__(
        self,
        max_samples: int,
        deadline: float,
        cancelled: Callable[[], bool] | None,
        share: Share | None = None,
        most_work: int | None = None,
    ) -> None:
        self._max_samples, self._most_work = max_samples, most_work
        self._deadline = deadline
        self._cancelled = cancelled
        self._share = share
        self._held = 0
        self.peak = 0
        self.samples = 0

    def check(self) -> None:
        """Raise QueryTimeout or QueryCanceled if the query has to stop; give way to other queries."""
        now = time.monotonic()
        if now > self._deadline or self._cancelled is not None:
            self._check_patience()
        if self._share is not None and now > self._share.until:
            self._share.rest(self._check_patience)

    def _check_patience(self) -> None:
        if self._cancelled is not None and self._cancelled():
            raise QueryCanceled(f"query was canceled in {_PLACE}")
        if time.monotonic() > self._deadline:
            raise QueryTimeout(f"query timed out in {_PLACE}")

    def charge(self, cells: int) -> None:
        """Make room for so many cells beside those that are held, or raise TooManySamples."""
        cells += self._held
        if cells > self._max_samples:
            raise TooManySamples("query processing would load too many samples into memory in query execution")
        self.peak = max(self.peak, cells)
        if self._share is not None and cells >= LARGE:
            self._share.enlarge(self._check_patience)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute within the query's share."""
        if self._share is None:
            yield
            return
        try:
            self._share.open(self._check_patience)
            yield
        finally:
            self._share.close()

    def expect(self, cells: int, series: int) -> None:
        """Raise TooManySamples if so many cells of so many series are more than a small query looks at."""
        if self._most_work is not None and cells + A_SERIES * series > self._most_work:
            raise TooManySamples("query processing would look at more samples than a small query does")

    def hold(self, cells: int) -> None:
        """Charge cells that stay until the query ends: what was selected. Looks at the time, too."""
        self.check()
        self.charge(cells)
        self._held += cells
