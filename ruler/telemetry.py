"""The ruler's own metrics: one registry for each ruler, so that two in one process (tests, `tocsin up`) never mix.

Each stage defines its metrics in a class that takes the registry; names are the peer's where a peer has the metric.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)


def new_registry() -> CollectorRegistry:
    """A registry that already has the metrics of the process and of Python."""
    # They would be a second series for every counter, which no peer has.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
