"""Calls that hang cost a thread and their own result, never the others'."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from exporter import crew as crew_module
from exporter.crew import Crew, CrewClosed, Overrun
from tests.waiting import until


class Gate:
    """A Gate is a call that hangs until it is opened."""

    def __init__(self) -> None:
        self.calls = 0
        self._open = threading.Event()

    def __call__(self) -> str:
        self.calls += 1
        self._open.wait(30)
        return "late"

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is open at the end of the test."""
    made = Gate()
    yield made
    made.open()


def test_outcomes_keep_the_order_of_the_calls() -> None:
    """Every call has its outcome, a failing one its error."""
    fault = ValueError("no")

    def fail() -> str:
        raise fault

    outcomes = Crew[str]("test", 5).run({"b": lambda: "B", "x": fail, "a": lambda: "A"})
    assert ["b", "x", "a"] == list(outcomes)
    assert [("B", None), (None, fault), ("A", None)] == [(each.value, each.error) for each in outcomes.values()]


def test_a_hanging_call_is_left_behind(gate: Gate) -> None:
    """The calls after it are made, and it is reported as an overrun."""
    crew = Crew[str]("test", 0.05)
    outcomes = crew.run({"before": lambda: "1", "hangs": gate, "after": lambda: "2"})
    assert ("1", "2") == (outcomes["before"].value, outcomes["after"].value)
    assert isinstance(outcomes["hangs"].error, Overrun)
    assert outcomes["hangs"].seconds >= 0.05
    assert frozenset({"hangs"}) == crew.stuck


def test_a_hanging_call_is_not_started_again(gate: Gate) -> None:
    """While it hangs its key stays busy; once it has come back it is called as before."""
    crew = Crew[str]("test", 0.05)
    crew.run({"hangs": gate})
    again = crew.run({"hangs": gate, "other": lambda: "ok"})
    assert isinstance(again["hangs"].error, Overrun)
    assert ("ok", 1) == (again["other"].value, gate.calls)
    gate.open()
    until("the stuck threads are back", lambda: not crew.stuck)
    assert "late" == crew.run({"hangs": gate})["hangs"].value


def test_a_budget_ends_the_run(gate: Gate) -> None:
    """When the time of the whole run is spent, what is left is not started."""
    crew = Crew[str]("test", 5, budget=0.05)
    outcomes = crew.run({"hangs": gate, "late": lambda: "x"})
    assert [Overrun, Overrun] == [type(each.error) for each in outcomes.values()]


def test_threads_are_bounded(monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    """With as many stuck threads as there may be, nothing is started; when they are back, all is."""
    monkeypatch.setattr(crew_module, "MAX_STUCK", 2)
    crew = Crew[str]("test", 0.02)
    outcomes = crew.run({str(number): gate for number in range(4)})
    assert 2 == gate.calls
    assert [Overrun] * 4 == [type(each.error) for each in outcomes.values()]
    gate.open()
    until("the stuck threads are back", lambda: not crew.stuck)
    assert "x" == crew.run({"fine": lambda: "x"})["fine"].value


def test_close_lets_everybody_go(gate: Gate) -> None:
    """Who waits for a hanging call goes on at once when the crew is closed, and later runs make no call."""
    crew = Crew[str]("test", 30)
    ended: list[type[Exception]] = []

    def run() -> None:
        with pytest.raises(CrewClosed) as caught:
            crew.run({"hangs": gate})
        ended.append(caught.type)

    waiter = threading.Thread(target=run)
    waiter.start()
    until("the call hangs", lambda: gate.calls == 1)
    crew.close()
    waiter.join(5)
    assert [CrewClosed] == ended
    with pytest.raises(CrewClosed):
        crew.run({"fine": lambda: "x"})


def test_runs_wait_for_each_other() -> None:
    """A collector is never asked by two threads at once."""
    crew = Crew[int]("test", 5)
    inside, most = [0], [0]
    lock = threading.Lock()

    def call() -> int:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        threading.Event().wait(0.002)
        with lock:
            inside[0] -= 1
        return 0

    threads = [threading.Thread(target=crew.run, args=({"a": call, "b": call},)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == most[0]
