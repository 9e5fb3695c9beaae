"""The ring of exemplars keeps the newest, each once, and forgets series with the last of theirs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from common.labels import Labels
from common.textformat import Exemplar
from ruler.scrape.exemplars import ExemplarRing
from ruler.scrape.page.marks import Marked

FOREVER = 1 << 60


def marked(series: str, value: float, time: int | None = None, id_: str = "a") -> Marked:
    return Marked(Labels({"__name__": series}), Exemplar((("id", id_),), value, time))


def values(ring: ExemplarRing) -> list[float]:
    return [kept.exemplar.value for kept in ring.kept(-FOREVER, FOREVER)]


def test_the_same_exemplar_is_kept_once() -> None:
    """What a series had last is no news, though the scrape is another; NaN is the same NaN."""
    ring = ExemplarRing(CollectorRegistry())
    for now in (1, 2, 3):
        ring.add([marked("a", 1), marked("b", float("nan"), 7)], now)
    assert [(1.0, 1), ("nan", 7)] == [
        (kept.exemplar.value if kept.exemplar.value == 1 else "nan", kept.time) for kept in ring.kept(0, 9)
    ]


def test_an_older_one_is_left_out_and_counted() -> None:
    """An exemplar from before the last of its series is out of order, one of another series is not."""
    registry = CollectorRegistry()
    ring = ExemplarRing(registry)
    ring.add([marked("a", 1, 10), marked("a", 2, 9), marked("b", 3, 9), marked("a", 4, 10)], 0)
    assert [1, 3, 4] == values(ring)
    names = ("exemplars_appended_total", "out_of_order_exemplars_total", "series_with_exemplars_in_storage")
    assert [3, 1, 2] == [registry.get_sample_value(f"prometheus_tsdb_exemplar_{name}") for name in names]


@pytest.mark.parametrize(("length", "expected"), [(126, [1]), (127, [])])
def test_an_exemplar_with_long_labels_is_left_out(length: int, expected: list[float]) -> None:
    """Names and values of an exemplar have 128 characters at most, wide ones included."""
    ring = ExemplarRing(CollectorRegistry())
    ring.add([marked("a", 1, id_="☃" * length)], 0)
    assert expected == values(ring)


@given(st.lists(st.sampled_from("abc")), st.integers(0, 4), st.integers(0, 4))
def test_the_ring_is_the_end_of_a_list(adds: list[str], size: int, later: int) -> None:
    """Of what is added the ring has the newest, before and after its size changes, and knows no other series."""
    registry = CollectorRegistry()
    ring = ExemplarRing(registry, size)
    for number, series in enumerate(adds):
        ring.add([marked(series, number)], number)
    newest = list(range(len(adds)))[max(0, len(adds) - size) :]
    assert newest == values(ring)
    ring.resize(later)
    assert newest[max(0, len(newest) - later) :] == values(ring)
    name = "prometheus_tsdb_exemplar_series_with_exemplars_in_storage"
    held = {kept.series for kept in ring.kept(-FOREVER, FOREVER)}
    assert len(held) == registry.get_sample_value(name)
