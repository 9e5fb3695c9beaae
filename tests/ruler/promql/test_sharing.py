"""Queries in threads share the processors: few compute at once, a short one overtakes long ones, and few are large."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from common.errors import QueryCanceled, TooManySamples
from ruler.promql import sharing
from ruler.promql.limits import LARGE, Limits
from ruler.promql.sharing import Gate, Share, Sharing
from tests.waiting import until


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def patient() -> None:
    """Whoever waits goes on waiting."""


def waiting(gate: Gate, count: int) -> None:
    until(f"{count} wait", lambda: len(gate._line) == count)


def test_who_has_had_least_comes_next(threads: ThreadPoolExecutor) -> None:
    """And of two that have had the same, the first to come."""
    gate, came = Gate(1), list[str]()
    gate.enter(0, patient)

    def come(name: str, rank: float) -> None:
        gate.enter(rank, patient)
        came.append(name)
        gate.leave()

    futures = list[Future[None]]()
    for count, (name, rank) in enumerate([("long", 5.0), ("short", 0.0), ("shorter", 0.0), ("longer", 9.0)], 1):
        futures.append(threads.submit(come, name, rank))
        waiting(gate, count)
    gate.leave()
    for future in futures:
        future.result(5)
    assert ["short", "shorter", "long", "longer"] == came


def test_who_must_stop_leaves_the_line(threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the place goes to the next all the same."""
    monkeypatch.setattr(sharing, "GLANCE", 0.01)
    gate, gone = Gate(1), threading.Event()

    def impatient() -> None:
        if gone.is_set():
            raise QueryCanceled("gone")

    gate.enter(0, patient)
    leaver = threads.submit(gate.enter, 0, impatient)
    waiting(gate, 1)
    stayer = threads.submit(gate.enter, 1, patient)
    waiting(gate, 2)
    gone.set()
    with pytest.raises(QueryCanceled):
        leaver.result(5)
    assert not stayer.done()
    gate.leave()
    stayer.result(5)
    gate.leave()
    gate.enter(0, patient)  # the place has come back


def test_a_query_gives_way_at_its_checks(threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long query that holds the only place lets another compute, and goes on when that is done."""
    monkeypatch.setattr(sharing, "SLICE", 0.0)
    shared = Sharing(1, 1)
    long = Limits(10, 1e18, None, Share(shared))

    def short() -> str:
        with Limits(10, 1e18, None, Share(shared)).computing():
            return "short"

    with long.computing():
        other = threads.submit(short)
        waiting(shared.computing, 1)
        assert not other.done()
        long.check()
        assert "short" == other.result(5)


def test_helpers_of_a_query_never_wait(threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """They check the limits as their query does, and its place is not theirs to give away."""
    monkeypatch.setattr(sharing, "SLICE", 0.0)
    shared = Sharing(1, 1)
    query = Limits(2 * LARGE, 1e18, None, Share(shared))
    with query.computing():
        other = threads.submit(Share(shared).open, patient)
        waiting(shared.computing, 1)
        threads.submit(query.check).result(5)
        threads.submit(query.charge, LARGE).result(5)
        assert not other.done()
    other.result(5)
    assert (0, 1) == (shared.computing._free, shared.large._free)


def test_few_queries_may_be_large(threads: ThreadPoolExecutor) -> None:
    """The second one waits, and meanwhile keeps nobody from computing."""
    shared = Sharing(2, 1)
    first, second = (Limits(2 * LARGE, 1e18, None, Share(shared)) for _ in range(2))

    def grow() -> None:
        with second.computing():
            second.charge(LARGE)

    with first.computing():
        first.charge(LARGE)
        growing = threads.submit(grow)
        waiting(shared.large, 1)
        with Limits(10, 1e18, None, Share(shared)).computing():
            assert not growing.done()
    growing.result(5)
    assert (2, 1) == (shared.computing._free, shared.large._free)


def test_a_query_that_fails_gives_its_places_back() -> None:
    """Whatever ends it."""
    shared = Sharing(1, 1)
    limits = Limits(2 * LARGE, 1e18, None, Share(shared))

    def fail() -> None:
        limits.charge(LARGE)
        limits.charge(3 * LARGE)

    with pytest.raises(TooManySamples), limits.computing():
        fail()
    assert (1, 1) == (shared.computing._free, shared.large._free)
