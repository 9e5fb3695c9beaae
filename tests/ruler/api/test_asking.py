"""Small queries are answered where they arrive; others in threads, in turn, for as long as somebody waits for them."""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson
import pytest
from prometheus_client import CollectorRegistry

from common.clock import ManualClock
from common.labels import Labels
from common.serving import HttpServer, Listener, bind
from ruler.api import asking
from ruler.api.asking import Asking
from ruler.loop import new_event_loop
from ruler.model.matcher import Matcher
from ruler.promql.engine import Engine
from ruler.storage import Look, Selection
from tests.asgi import AsgiClient
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.waiting import until

NOW = 1_700_000_010_000
QUERY, RANGE = "/api/v1/query", "/api/v1/query_range"
TIMED_OUT = {"status": "error", "errorType": "timeout", "error": "query timed out in query queue"}


@dataclass
class Library(MemoryStorage):
    """A Library is a storage that notes who reads what, and lends `slow…` only once it is let go."""

    readers: list[tuple[str, str]] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)

    def select(
        self,
        matchers: Sequence[Matcher],
        start: int,
        end: int,
        look: Look | None = None,
        hold: Callable[[int], None] | None = None,
    ) -> Selection:
        if hold is not None:
            hold(len(super().select(matchers, start, end).table) * 200)
        name = next((each.value for each in matchers if each.name == "__name__"), "")
        self.readers.append((name, threading.current_thread().name.partition("_")[0]))
        if name.startswith("slow"):
            assert self.free.wait(30)
        return super().select(matchers, start, end)

    def read(self, name: str) -> bool:
        return any(read == name for read, _ in self.readers)


@dataclass(frozen=True)
class Desk:
    """A Desk is an Asking over a library, asked over HTTP; one query at a time may run in a thread."""

    library: Library
    asking: Asking
    registry: CollectorRegistry
    address: str
    clients: ThreadPoolExecutor

    def ask(self, query: str, **parameters: str) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", f"{QUERY}?{urlencode({'query': query, **parameters})}")
        response = connection.getresponse()
        status, body = response.status, orjson.loads(response.read())
        connection.close()
        return status, body

    def start(self, query: str) -> http.client.HTTPConnection:
        """Send a query and do not wait for its answer."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", f"{QUERY}?{urlencode({'query': query})}")
        return connection

    def queries(self) -> float | None:
        return self.registry.get_sample_value("prometheus_engine_queries")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(asking, "PATIENCE", 30.0)  # or a machine that is busy with something else decides
    library, registry = Library(), CollectorRegistry()
    for name in ("quick", "slow", "slow_too", "later"):
        library.put(Labels({"__name__": name}), [(NOW - 5000, 1.0)])
    for number in range(600):
        library.put(Labels({"__name__": "many", "n": str(number)}), [(NOW - 5000, 1.0)])
    engine = Engine(library)
    desk = Asking(engine, ManualClock(NOW), timeout=30, concurrency=1)
    registry.register(engine.tally)
    registry.register(desk)
    server = HttpServer([Listener("test", bind("127.0.0.1:0", "test"), desk)], new_loop=new_event_loop)
    server.start()
    with ThreadPoolExecutor(8) as clients:
        yield Desk(library, desk, registry, server.addresses[0], clients)
        library.free.set()
    server.stop()
    desk.close()


WHERE = [
    ("quick", "http"),
    ("sum by (n) (quick) + 1", "http"),
    ('quick{n=~"a.*b"}', "query"),
    ('{n="1"}', "query"),
    ("quick[1m:1s]", "query"),
    ("max_over_time(quick[1m:1s])", "query"),
    ("+".join(["quick"] * 30), "query"),
    (f"quick # {'x' * 5000}", "query"),
]


@pytest.mark.parametrize(("query", "thread"), WHERE)
def test_what_is_known_to_be_small_needs_no_thread(desk: Desk, query: str, thread: str) -> None:
    """Few nodes that name their metrics, and no pattern and no subquery, whose work nobody can tell beforehand."""
    assert 200 == desk.ask(query)[0]
    assert {thread} == {thread for _, thread in desk.library.readers}


def test_what_proves_large_moves_to_a_thread(desk: Desk) -> None:
    """It begins where it arrived, and is begun again when its charges say that it is not small."""
    assert 200 == desk.ask("quick + on () group_left sum(many)")[0]
    assert [("quick", "http"), ("quick", "query"), ("many", "query")] == desk.library.readers


def test_what_takes_long_moves_to_a_thread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few cells may be much work: those who ask meanwhile do not wait for it."""
    monkeypatch.setattr(asking, "PATIENCE", 0)
    assert 200 == desk.ask("quick")[0]
    assert "query" == desk.library.readers[-1][1]
    assert (503, "timeout") == (desk.ask("quick", timeout="0")[0], desk.ask("quick", timeout="0")[1]["errorType"])


def test_small_queries_wait_for_nobody(desk: Desk) -> None:
    """Whatever runs in threads."""
    slow = desk.clients.submit(desk.ask, "slow{n=~'|x.+'}")
    until("it runs", lambda: desk.library.read("slow"))
    assert 200 == desk.ask("quick")[0]
    desk.library.free.set()
    assert 200 == slow.result(30)[0]


def test_waiting_in_line_ends_with_the_timeout(desk: Desk) -> None:
    """With Prometheus's words; both are counted meanwhile."""
    desk.clients.submit(desk.ask, "slow{n=~'|x.+'}")
    until("it runs", lambda: desk.library.read("slow"))
    waiting = desk.clients.submit(desk.ask, "quick[1m:1s]", timeout="0.3")
    until("it waits", lambda: desk.queries() == 2)
    assert (503, TIMED_OUT) == waiting.result(30)
    assert not desk.library.read("quick")
    assert 1 == desk.registry.get_sample_value("prometheus_engine_queries_concurrent_max")


def test_the_line_has_an_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes then is told at once."""
    monkeypatch.setattr(desk.asking.turns, "_most_waiting", 0)
    desk.clients.submit(desk.ask, "slow{n=~'|x.+'}")
    until("it runs", lambda: desk.library.read("slow"))
    status, answer = desk.ask("quick[1m:1s]")
    assert (503, "unavailable", "too many queries are waiting: 0") == (status, answer["errorType"], answer["error"])


def test_nothing_goes_on_for_a_client_that_has_gone(desk: Desk) -> None:
    """What runs stops at its next check; what waits leaves the line."""
    running = desk.start("slow{n=~'|x.+'} + later")
    until("it runs", lambda: desk.library.read("slow"))
    waiting = desk.start("slow_too[1m:1s]")
    until("it waits", lambda: desk.queries() == 2)
    waiting.close()
    until("the line is empty", lambda: desk.queries() == 1)
    running.close()
    until("the loop knows", lambda: leaving(desk))
    desk.library.free.set()
    until("its place is free", lambda: desk.queries() == 0)
    assert not desk.library.read("later")
    assert not desk.library.read("slow_too")


def leaving(desk: Desk) -> bool:
    """Whether the loop has seen clients go: it answers a request that came after."""
    return desk.ask("vector(1)")[0] == 200


def test_closing_stops_what_runs(desk: Desk) -> None:
    """A ruler that stops waits for no query."""
    running = desk.clients.submit(desk.ask, "slow{n=~'|x.+'} + later")
    until("it runs", lambda: desk.library.read("slow"))
    desk.asking.close()
    desk.library.free.set()
    status, answer = running.result(30)
    assert (503, "canceled", False) == (status, answer["errorType"], desk.library.read("later"))


@pytest.fixture
def client(desk: Desk) -> AsgiClient:
    return AsgiClient(desk.asking)


def test_methods(client: AsgiClient) -> None:
    """HEAD is GET without a body, and there is nothing else to do here."""
    whole, head = (client.request(method, QUERY, {"query": "quick"}) for method in ("GET", "HEAD"))
    assert (200, b"", str(len(whole.data))) == (head.status_code, head.data, head.headers["content-length"])
    options, refused = (client.request(method, QUERY) for method in ("OPTIONS", "DELETE"))
    assert [(200, asking.METHODS), (405, asking.METHODS)] == [
        (each.status_code, each.headers["allow"]) for each in (options, refused)
    ]


@pytest.mark.parametrize("size", [10, asking.LARGE_FORM + 10])
def test_forms_are_read_from_bodies(client: AsgiClient, size: int) -> None:
    """A large one in a thread."""
    form = {"query": f"quick #{'x' * size}", "time": NOW / 1000}
    assert 1 == len(client.post(QUERY, form).get_json()["data"]["result"])


def test_stats_are_told_when_they_are_asked_for(client: AsgiClient) -> None:
    """What was looked at, and where the time went, under Prometheus's names."""
    assert "stats" not in client.get(QUERY, {"query": "many"}).get_json()["data"]
    stats = client.get(QUERY, {"query": "sum(many)", "stats": "all"}).get_json()["data"]["stats"]
    assert 600 == stats["samples"]["totalQueryableSamples"]
    assert stats["samples"]["peakSamples"] >= 600
    timings = stats["timings"]
    assert timings["execTotalTime"] == timings["execQueueTime"] + timings["evalTotalTime"]
    assert 0 < timings["innerEvalTime"] < timings["evalTotalTime"]
    ranged = client.get(RANGE, {"query": "quick", "start": NOW / 1000 - 5, "end": NOW / 1000, "step": 1, "stats": "x"})
    assert 6 == ranged.get_json()["data"]["stats"]["samples"]["totalQueryableSamples"]


def test_queries_are_told_in_metrics(desk: Desk, client: AsgiClient) -> None:
    """How many, how long, and how much they looked at."""
    client.get(QUERY, {"query": "many"})
    client.get(RANGE, {"query": "many", "start": NOW / 1000 - 1, "end": NOW / 1000, "step": 1})
    value = desk.registry.get_sample_value
    assert 1800 == value("prometheus_engine_query_samples_total")
    counts = {
        each: value("prometheus_engine_query_duration_seconds_count", {"slice": each})
        for each in ("inner_eval", "prepare_time", "queue_time", "result_sort")
    }
    assert {"inner_eval": 2, "prepare_time": 2, "queue_time": 2, "result_sort": 1} == counts


def test_a_timeout_of_nothing_has_passed(client: AsgiClient) -> None:
    """As in Prometheus: 0 is no way to say that there is no timeout."""
    for timeout in ("0", "-1", "NaN"):
        answer = client.get(QUERY, {"query": "quick", "timeout": timeout})
        assert (503, "timeout") == (answer.status_code, answer.get_json()["errorType"])


def test_a_fault_of_the_program_is_logged_and_not_told(
    desk: Desk, client: AsgiClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The sender learns nothing of our insides."""

    def broken(*_: object, **__: object) -> Callable[[], None]:
        raise KeyError("secret")

    monkeypatch.setattr(desk.library, "select", broken)
    with caplog.at_level(logging.ERROR, "api"):
        answer = client.get(QUERY, {"query": "quick"})
    assert (500, "internal") == (answer.status_code, answer.get_json()["errorType"])
    assert (False, True) == (b"secret" in answer.data, "secret" in caplog.text)
