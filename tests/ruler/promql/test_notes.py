"""Notes have Prometheus's words, once a text, with the place of the last; repairs of buckets add up."""

from __future__ import annotations

import pytest

from common.labels import Labels
from ruler.model.result import Result
from ruler.promql.engine import Engine
from tests.ruler.promql.memory_storage import MemoryStorage

MINUTE = 60_000
NOT_A_COUNTER = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
QUANTILE = "PromQL warning: quantile value should be between 0 and 1, got"
RATIO = "PromQL warning: ratio value should be between -1 and 1, got"
BUCKET = 'PromQL warning: bucket label "le" is missing or has a malformed value of'
REPAIRED = (
    "PromQL info: input to histogram_quantile needed to be fixed for monotonicity "
    "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
)


def storage() -> MemoryStorage:
    found = MemoryStorage()
    for name in ("temp", "öl", "up_total", *(f"g{number}" for number in range(12))):
        found.put(Labels({"__name__": name}), [(minute * MINUTE, float(minute)) for minute in range(11)])
    for bound, count in (("0.1", 5.0), ("0.5", 3.0), ("1", 9.0), ("+Inf", 8.0)):
        samples = [(minute * MINUTE, count * minute) for minute in range(11)]
        found.put(Labels({"__name__": "lat_bucket", "le": bound}), samples)
        found.put(Labels({"__name__": "bad_bucket", "le": bound}), samples)
    for bound in ("abc", "", "1e999", " 1", "١"):
        found.put(Labels({"__name__": "bad_bucket", "le": bound, "x": "y"}), [(10 * MINUTE, 1.0)])
    for bound in ("1_0", "0x1p-2", "infinity", "NaN"):
        found.put(Labels({"__name__": "odd_bucket", "le": bound}), [(10 * MINUTE, 1.0)])
    return found


def at_once(query: str) -> Result:
    return Engine(storage()).instant(query, 10 * MINUTE)


def over_steps(query: str) -> Result:
    return Engine(storage()).range(query, 5 * MINUTE, 10 * MINUTE, MINUTE)


@pytest.mark.parametrize(
    ("query", "expected"),
    {
        "rate(temp[3m])": f'{NOT_A_COUNTER} "temp" (1:6)',
        "increase(temp[3m])": f'{NOT_A_COUNTER} "temp" (1:10)',
        "rate(temp[3m]) + increase(temp[2m])": f'{NOT_A_COUNTER} "temp" (1:27)',
        'sum by ("é") (rate(temp[3m]))': f'{NOT_A_COUNTER} "temp" (1:21)',
        'rate({"öl"}[3m])': f'{NOT_A_COUNTER} "öl" (1:6)',
        "sum(\n  rate(temp[3m])\n)": f'{NOT_A_COUNTER} "temp" (2:8)',
    }.items(),
)
def test_what_may_be_no_counter_is_told_once(query: str, expected: str) -> None:
    """The same text is told of the last place; columns count bytes."""
    assert ((), (expected,)) == (at_once(query).warnings, at_once(query).infos)


@pytest.mark.parametrize("query", ["rate(up_total[3m])", "irate(temp[3m])", "resets(temp[3m])", "rate(nothing[3m])"])
def test_nothing_is_told_without_need(query: str) -> None:
    """Counters, other functions and nothing at all are no reason for a note."""
    assert ((), ()) == (at_once(query).warnings, at_once(query).infos)


@pytest.mark.parametrize(
    ("query", "expected"),
    {
        "quantile(2, temp)": [f"{QUANTILE} 2 (1:10)"],
        "quantile(-1, temp) + quantile(2, temp)": [f"{QUANTILE} -1 (1:10)", f"{QUANTILE} 2 (1:31)"],
        "quantile(2, quantile(2, temp))": [f"{QUANTILE} 2 (1:10)"],
        "quantile(NaN, nothing)": [f"{QUANTILE} NaN (1:10)"],
        "quantile(scalar(temp), temp)": [f"{QUANTILE} 10 (1:10)"],
        "quantile_over_time(1e6, temp[3m])": [f"{QUANTILE} 1e+06 (1:20)"],
        "quantile_over_time(2, nothing[3m])": [],
        "histogram_quantile(2, nothing)": [f"{QUANTILE} 2 (1:20)"],
        "limit_ratio(1.5, temp)": [f"{RATIO} 1.5, capping to 1 (1:13)"],
        "limit_ratio(-1.5, temp)": [f"{RATIO} -1.5, capping to -1 (1:13)"],
        "limit_ratio(-0.5, temp)": [],
    }.items(),
)
def test_parameters_out_of_bounds_are_told(query: str, expected: list[str]) -> None:
    """Of a parameter that varies over the steps the worst on each side."""
    assert expected == list(over_steps(query).warnings)


def test_bounds_that_are_no_numbers_are_told() -> None:
    """As Go reads numbers: not spaced, not empty, no other digits, none that overflows."""
    bad = ("", " 1", "1e999", "abc", "١")
    expected = [f'{BUCKET} "{bound}" for metric name "bad_bucket" (1:25)' for bound in bad]
    assert sorted(expected) == sorted(at_once("histogram_quantile(0.5, bad_bucket)").warnings)
    assert () == at_once("histogram_quantile(0.5, odd_bucket)").warnings


def test_repairs_add_up() -> None:
    """Of all steps and calls that have the same metric one note tells the extremes; it keeps the first place."""
    one = f'{REPAIRED} for metric name "lat_bucket", from buckets 0.5 to +Inf, with a max diff of 20, over 1 samples '
    assert (f"{one}from 1970-01-01T00:10:00Z to 1970-01-01T00:10:00Z (1:25)",) == (
        at_once("histogram_quantile(0.5, lat_bucket)").infos
    )
    many = f'{REPAIRED} for metric name "lat_bucket", from buckets 0.5 to +Inf, with a max diff of 20, over 12 samples '
    assert (f"{many}from 1970-01-01T00:05:00Z to 1970-01-01T00:10:00Z (1:25)",) == (
        over_steps("histogram_quantile(0.5, lat_bucket) + histogram_quantile(0.9, lat_bucket)").infos
    )


def test_ten_of_a_kind_are_told() -> None:
    """More than that are counted."""
    found = at_once('sum(rate({__name__=~"g.*"}[3m]))').infos
    assert (11, "2 more info annotations omitted") == (len(found), found[-1])
