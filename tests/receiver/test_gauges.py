"""The store of pushed gauges: expiry, replacement, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.gauges import Gauge, GaugeStore, Limits, Push
from receiver.refusals import Refusal

NOW = 1_000_000


def gauge(name: str, value: float = 1, life: int = 1000, **labels: str) -> Gauge:
    return Gauge(name, tuple(sorted(labels.items())), value, NOW + life)


def names(store: GaugeStore, now: int = NOW) -> list[str]:
    return [name for name, _ in store.families(now)]


def test_a_gauge_is_gone_at_its_expiry_and_not_before() -> None:
    """The last millisecond of a life still shows the gauge."""
    store = GaugeStore()
    store.apply(Push("web", "", (gauge("short", life=500), gauge("long", life=1000))), NOW)
    assert ["long", "short"] == names(store, NOW + 499)
    assert ["long"] == names(store, NOW + 500)
    assert ([], 0) == (names(store, NOW + 1000), len(store))


def test_a_push_without_a_source_joins_and_overwrites() -> None:
    """Gauges of other pushes stay; the same series has its newest value and life."""
    store = GaugeStore()
    store.apply(Push("web", "", (gauge("a"), gauge("b"))), NOW)
    store.apply(Push("web", "", (gauge("b", 2, life=9000),)), NOW)
    assert [("a", [((), 1)]), ("b", [((), 2)])] == store.families(NOW)
    assert ["b"] == names(store, NOW + 1000)


def test_a_push_with_a_source_replaces_that_source_alone() -> None:
    """What a source no longer reports is gone at once; other sources and servers keep theirs."""
    store = GaugeStore()
    store.apply(Push("web", "x", (gauge("a", of="x"), gauge("b", of="x"))), NOW)
    store.apply(Push("web", "y", (gauge("a", of="y"),)), NOW)
    store.apply(Push("db", "x", (gauge("b", of="db"),)), NOW)
    store.apply(Push("web", "x", (gauge("a", 5, of="x"),)), NOW)
    assert [
        ("a", [((("of", "x"),), 5), ((("of", "y"),), 1)]),
        ("b", [((("of", "db"),), 1)]),
    ] == store.families(NOW)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(per_server=2, total=9), "too many series: one token may hold 2"),
        (Limits(per_server=9, total=3), "too many series: all tokens together may hold 3"),
    ],
)
def test_a_push_beyond_a_limit_changes_nothing(limits: Limits, problem: str) -> None:
    """A push enters whole or not at all, and old series can always be renewed."""
    store = GaugeStore(limits)
    store.apply(Push("db", "", (gauge("other"),)), NOW)
    store.apply(Push("web", "", (gauge("a"), gauge("b"))), NOW)
    with pytest.raises(Refusal) as raised:
        store.apply(Push("web", "", (gauge("a", 7), gauge("c"))), NOW)
    assert (problem, 429) == (str(raised.value), raised.value.status)
    assert [("a", [((), 1)]), ("b", [((), 1)]), ("other", [((), 1)])] == store.families(NOW)
    store.apply(Push("web", "", (gauge("a", 8), gauge("b", 8))), NOW)
    assert 3 == len(store)


def test_what_has_expired_makes_room() -> None:
    """A limit counts the living, even when nobody has read the page since."""
    store = GaugeStore(Limits(per_server=1, total=1))
    store.apply(Push("web", "", (gauge("a", life=10),)), NOW)
    store.apply(Push("web", "", (gauge("b"),)), NOW + 10)
    assert ["b"] == names(store, NOW + 10)


gauges = st.builds(
    gauge,
    st.sampled_from("abc"),
    st.floats(allow_nan=False),
    life=st.integers(1, 50),
    of=st.sampled_from(["1", "2"]),
)


@st.composite
def pushes(draw: st.DrawFn) -> Push:
    """A push as endpoints make them: sources and joiners never share names, nor do servers share series."""
    server, source = draw(st.sampled_from(["web", "db"])), draw(st.sampled_from(["", "x", "y"]))
    drawn = draw(st.lists(gauges, max_size=4, unique_by=lambda each: (each.name, each.labels)))
    own = (("server", server), ("source", source))
    return Push(server, source, tuple(each._replace(labels=(*each.labels, *own)) for each in drawn))


@given(st.lists(st.tuples(pushes(), st.integers(0, 20)), max_size=12))
def test_a_snapshot_makes_an_equal_store(history: list[tuple[Push, int]]) -> None:
    """apply(snapshot) is identity, for what is shown now and for what will be replaced and expire later."""
    store, copy, now = GaugeStore(), GaugeStore(), NOW
    for push, wait in history:
        store.apply(push, now)
        now += wait
    for push in store.snapshot():
        copy.apply(push, now)
    for each in (store, copy):
        each.apply(Push("web", "x", ()), now)
    for later in range(now, now + 60, 10):
        assert {(name, frozenset(rows)) for name, rows in store.families(later)} == {
            (name, frozenset(rows)) for name, rows in copy.families(later)
        }
    assert 0 == len(store) == len(copy)
