"""The engine from outside: what it answers, in which order, with which notes, and what it refuses."""

from __future__ import annotations

import math
import time

import pytest

from common.errors import BadMatching, QueryCanceled, QueryError, QueryTimeout, TooManySamples
from common.labels import Labels
from ruler.model.result import Matrix, Scalar, String, Vector
from ruler.promql.engine import Engine
from ruler.promql.parser import parse
from tests.ruler.promql.memory_storage import MemoryStorage

SECOND = 1_000


@pytest.fixture(scope="module")
def storage() -> MemoryStorage:
    """Three hosts with two counters each, every 10 s for 10 min, and a gauge of another name."""
    storage = MemoryStorage(interval=10 * SECOND)
    for host in "abc":
        for mode in ("idle", "user"):
            labels = Labels({"__name__": "cpu_total", "host": host, "mode": mode})
            rise = "abc".index(host) * 2 + (mode == "user") + 1
            storage.put(labels, [(tick * 10 * SECOND, float(tick * rise)) for tick in range(61)], stream=host)
        name = Labels({"__name__": "limit", "host": host})
        storage.put(name, [(tick * 10 * SECOND, 100.0) for tick in range(61)], stream=host)
    return storage


def vector(storage: MemoryStorage, query: str) -> dict[str, float]:
    """What an instant query gives at the end, by the text of its labels."""
    value = Engine(storage).instant(query, 600 * SECOND).value
    assert isinstance(value, Vector)
    return dict(zip(map(str, value.table.all_labels()), value.values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(cpu_total)", {"{}": 1260.0}),
        ("sum by (mode) (rate(cpu_total[1m]))", {'{mode="idle"}': 0.9, '{mode="user"}': 1.2}),
        ("limit - on (host) cpu_total{mode='idle'}", {'{host="a"}': 40.0, '{host="b"}': -80.0, '{host="c"}': -200.0}),
        ("cpu_total > 250", {'cpu_total{host="c", mode="idle"}': 300.0, 'cpu_total{host="c", mode="user"}': 360.0}),
        ("count(cpu_total) by (host) > bool 1", {f'{{host="{host}"}}': 1.0 for host in "abc"}),
        ("topk(1, cpu_total)", {'cpu_total{host="c", mode="user"}': 360.0}),
        ("absent(nothing{a='1', b=~'2'})", {'{a="1"}': 1.0}),
        ("vector(1) unless vector(2)", {}),
        ("-limit{host='a'}", {'{host="a"}': -100.0}),
    ],
)
def test_queries_give_what_prometheus_gives(storage: MemoryStorage, query: str, expected: dict[str, float]) -> None:
    """A query's vector has these labels and values."""
    assert pytest.approx(expected) == vector(storage, query)


def test_scalars_and_strings_are_themselves(storage: MemoryStorage) -> None:
    """An instant query of a scalar or a string gives it with its time."""
    engine = Engine(storage)
    assert Scalar(7_000, 9.0) == engine.instant("1 + 2 ^ 3", 7_000).value
    assert String(7_000, "text") == engine.instant("'text'", 7_000).value


def test_a_range_selector_gives_its_samples(storage: MemoryStorage) -> None:
    """An instant query of a range vector gives the samples themselves, with their own times, left-open."""
    value = Engine(storage).instant("limit{host='a'}[20s]", 600 * SECOND).value
    assert isinstance(value, Matrix)
    assert ([590 * SECOND, 600 * SECOND], [100.0, 100.0]) == (value.times.tolist(), value.values.tolist())


def test_ranges_are_sorted_by_labels_and_hold_only_what_is_there(storage: MemoryStorage) -> None:
    """A range query's series are in the order of their labels, each with the steps at which it has samples."""
    value = Engine(storage).range("cpu_total > 200", 500 * SECOND, 600 * SECOND, 50 * SECOND).value
    assert isinstance(value, Matrix)
    labels = value.table.all_labels()
    assert sorted(labels) == labels
    assert [0, 2, 5, 8] == value.offsets.tolist()
    assert [220.0, 240.0, 250.0, 275.0, 300.0, 300.0, 330.0, 360.0] == value.values.tolist()


def test_long_chains_do_not_need_the_stack(storage: MemoryStorage) -> None:
    """A chain of thousands of operators is evaluated, to the left and to the right."""
    engine = Engine(storage)
    assert Scalar(0, 4000.0) == engine.instant("+".join(["1"] * 4000), 0).value
    assert Scalar(0, 1.0) == engine.instant("^".join(["1"] * 100), 0).value


def test_an_expression_can_be_asked_for_itself(storage: MemoryStorage) -> None:
    """A parsed expression gives what its text gives."""
    engine = Engine(storage)
    assert engine.instant("1 + 1", 0).value == engine.instant(parse("1 + 1"), 0).value


def test_notes_tell_where_they_belong(storage: MemoryStorage) -> None:
    """Warnings and infos are in Prometheus's words, with line and column."""
    result = Engine(storage).instant("quantile(\n2, rate(limit[1m]))", 600 * SECOND)
    assert ("PromQL warning: quantile value should be between 0 and 1, got 2 (2:1)",) == result.warnings
    assert (
        'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "limit" (2:9)',
    ) == result.infos


MANY_TO_MANY = (
    "found duplicate series for the match group {} on the right hand-side of the operation: "
    '[{__name__="cpu_total", host="a", mode="idle"}, {__name__="cpu_total", host="a", mode="user"}];'
    "many-to-many matching not allowed: matching labels must be unique on one side"
)
MANY_TO_ONE = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
NOT_UNIQUE = "multiple matches for labels: grouping labels must ensure unique matches"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit - on () cpu_total", MANY_TO_MANY),
        ("cpu_total - on (host) limit", MANY_TO_ONE),
        ("cpu_total * on (host) group_left (mode) limit", NOT_UNIQUE),
    ],
)
def test_bad_matching_is_explained(storage: MemoryStorage, query: str, message: str) -> None:
    """Vectors that do not pair are refused in Prometheus's words."""
    with pytest.raises(BadMatching) as refused:
        Engine(storage).instant(query, 600 * SECOND)
    assert message == str(refused.value)


def test_series_that_lose_what_tells_them_apart_are_refused(storage: MemoryStorage) -> None:
    """Two series that end with the same labels at the same step are an error."""
    with pytest.raises(QueryError) as refused:
        Engine(storage).instant("label_replace(cpu_total, 'mode', 'same', '', '')", 600 * SECOND)
    assert "vector cannot contain metrics with the same labelset" == str(refused.value)


@pytest.mark.parametrize(("query", "kind"), [("limit[1m]", "range vector"), ("'text'", "string")])
def test_only_scalars_and_instant_vectors_have_ranges(storage: MemoryStorage, query: str, kind: str) -> None:
    """A range query of something else is refused in Prometheus's words."""
    with pytest.raises(QueryError) as refused:
        Engine(storage).range(query, 0, 60 * SECOND, SECOND)
    assert f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector' == str(refused.value)


def test_a_query_stops_at_its_deadline(storage: MemoryStorage) -> None:
    """A deadline that has passed stops the query, whatever it would take."""
    with pytest.raises(QueryTimeout) as stopped:
        Engine(storage).instant("sum(cpu_total)", 600 * SECOND, deadline=time.monotonic() - 1)
    assert "query timed out in expression evaluation" == str(stopped.value)


def test_a_query_stops_when_its_client_goes(storage: MemoryStorage) -> None:
    """A query is asked again and again whether it is still wanted."""
    asked: list[None] = []

    def gone() -> bool:
        asked.append(None)
        return len(asked) > 3

    with pytest.raises(QueryCanceled):
        Engine(storage).range("sum(rate(cpu_total[5m])) + sum(limit)", 0, 600 * SECOND, SECOND, cancelled=gone)
    assert 4 == len(asked)


@pytest.mark.parametrize("query", ["cpu_total", "cpu_total[5m]", "sum_over_time(vector(1)[600s:1s])"])
def test_a_query_keeps_its_budget(storage: MemoryStorage, query: str) -> None:
    """A query that would load more samples than allowed is refused before it does."""
    engine = Engine(storage, max_samples=100)
    with pytest.raises(TooManySamples) as refused:
        engine.instant(query, 600 * SECOND)
    assert "query processing would load too many samples into memory in query execution" == str(refused.value)


def test_the_lookback_can_be_set_for_a_query(storage: MemoryStorage) -> None:
    """A query's own lookback replaces the engine's."""
    engine, late = Engine(storage), 700 * SECOND
    counts = [
        len(value.table)
        for lookback in (None, 100 * SECOND, 101 * SECOND)
        if isinstance(value := engine.instant("limit", late, lookback=lookback).value, Vector)
    ]
    assert [3, 0, 3] == counts


def test_nan_is_a_value(storage: MemoryStorage) -> None:
    """NaN that an expression makes is present; it is not taken for a missing sample."""
    value = Engine(storage).instant("limit{host='a'} / 0 * 0", 600 * SECOND).value
    assert isinstance(value, Vector)
    assert [True] == [math.isnan(number) for number in value.values.tolist()]
