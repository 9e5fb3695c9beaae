"""The database tells what it did under the peer's names."""

from __future__ import annotations

import numpy as np
from prometheus_client import CollectorRegistry

from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import BASE, named

INTERVAL = 15_000


def test_metrics_follow_what_was_appended() -> None:
    """Samples stored and refused, series held and minted, and the times of what is held are in the registry."""
    registry = CollectorRegistry()
    db = DB.open(None, registry=registry)
    series = db.series([named("m", n=str(n)) for n in range(3)])
    stream = db.stream("a", INTERVAL)
    stream.append(BASE, BASE + 7, series, np.zeros(3))
    stream.append(BASE + INTERVAL, BASE + 7, series, np.zeros(3))
    stream.append(BASE + INTERVAL, BASE + 6, series, np.zeros(3))
    stream.append(BASE + INTERVAL, BASE + INTERVAL, series[:2], np.zeros(2))
    free = db.stream("b", None)
    free.append(BASE, BASE - 7 * 3_600_000, series[2:], np.zeros(1))
    free.append(BASE, BASE + 600_001, series[2:], np.zeros(1))
    db.out_of_order_window = 7_200_000
    free.append(BASE, BASE - 7_200_001, series[2:], np.zeros(1))
    stream.append(BASE, BASE - 3_600_000, series[:2], np.zeros(2))
    expected = {
        ("prometheus_tsdb_head_series", None): 2,
        ("prometheus_tsdb_head_series_created_total", None): 3,
        ("prometheus_tsdb_head_min_time", None): BASE - 3_600_000,
        ("prometheus_tsdb_head_max_time", None): BASE + INTERVAL,
        ("prometheus_tsdb_head_samples_appended_total", "float"): 7,
        ("prometheus_tsdb_out_of_order_samples_total", "float"): 3,
        ("prometheus_tsdb_too_old_samples_total", "float"): 1,
        ("prometheus_tsdb_out_of_bound_samples_total", "float"): 1,
        ("tocsin_tsdb_duplicate_samples_total", None): 3,
        ("tocsin_tsdb_future_samples_total", None): 1,
        ("tocsin_tsdb_clock_steps_back_total", None): 1,
        ("tocsin_tsdb_degraded", None): 0,
    }
    found = {
        (name, kind): registry.get_sample_value(name, {} if kind is None else {"type": kind}) for name, kind in expected
    }
    assert found == expected
