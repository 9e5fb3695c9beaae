"""The exporter over HTTP: the page, its limits, and the pages beside it."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.app import Exporter
from exporter.collectors.loadavg import Loadavg
from exporter.settings import ExporterSettings
from tests.exporter.pages import read


@dataclass(frozen=True)
class Answer:
    """An Answer is what a client gets."""

    status: int
    headers: dict[str, str]
    body: bytes


async def ask(exporter: Exporter, path: str, method: str = "GET", **headers: str) -> Answer:
    """Send one request."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    target, _, query = path.partition("?")
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": target, "query_string": query.encode(), "headers": raw}
    await exporter.app(scope, receive, send)
    start, body = sent
    given = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], given, body["body"])


def get(path: str, method: str = "GET", settings: ExporterSettings | None = None, **headers: str) -> Answer:
    """The answer of a fresh exporter to one request."""
    return asyncio.run(ask(Exporter(settings), path, method, **headers))


def test_page() -> None:
    """GET /metrics is text 0.0.4 whatever is accepted, as the peer's is, with the exporter's own metrics in it."""
    answer = get("/metrics", accept="application/openmetrics-text;version=1.0.0")
    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (answer.status, answer.headers["content-type"])
    page = read(answer.body)
    assert {"node_load1", "process_open_fds", "python_info", "promhttp_metric_handler_requests_total"} <= set(
        page.types
    )
    assert 1.0 == page.of("promhttp_metric_handler_requests_in_flight")["promhttp_metric_handler_requests_in_flight"]


def test_page_in_gzip() -> None:
    """Who accepts gzip gets it, and the same page in it."""
    answer = get("/metrics", accept_encoding="gzip")
    assert "gzip" == answer.headers["content-encoding"]
    assert "node_load1" in read(gzip.decompress(answer.body)).types


def test_head_has_no_body() -> None:
    """HEAD says how long the page would be."""
    answer = get("/metrics", "HEAD")
    assert (200, b"") == (answer.status, answer.body)
    assert int(answer.headers["content-length"]) > 1000


def test_own_metrics_can_be_left_out() -> None:
    """With --web.disable-exporter-metrics only the host is on the page."""
    page = read(get("/metrics", settings=ExporterSettings(exporter_metrics=False)).body)
    assert set() == {name for name in page.types if not name.startswith("node_")}


def test_the_path_can_be_another() -> None:
    """--web.telemetry-path moves the page, and the landing page points there."""
    settings = ExporterSettings(telemetry_path="/host")
    assert (200, 404) == (get("/host", settings=settings).status, get("/metrics", settings=settings).status)
    assert b'href="/host"' in get("/", settings=settings).body


def test_query_picks_collectors() -> None:
    """?collect[]= takes some of the collectors, with the exporter's own metrics; a wrong name is a 400."""
    page = read(get("/metrics?collect[]=loadavg&collect%5B%5D=uname").body)
    nodes = {name for name in page.types if name.startswith("node_")}
    assert {
        "node_load1", "node_load5", "node_load15", "node_uname_info", "node_exporter_build_info",
        "node_scrape_collector_success", "node_scrape_collector_duration_seconds",
    } == nodes  # fmt: skip
    assert "node_load1" not in read(get("/metrics?exclude[]=loadavg").body).types
    wrong = get("/metrics?collect[]=nope")
    assert (400, b"missing collector: 'nope'\n") == (wrong.status, wrong.body)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 200),
        ("/-/healthy", "GET", 200),
        ("/-/healthy", "HEAD", 200),
        ("/nothing", "GET", 404),
        ("/metrics", "POST", 405),
    ],
)
def test_pages_beside(path: str, method: str, status: int) -> None:
    """A landing page, a health check, and a plain no to everything else."""
    assert status == get(path, method).status


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """A loadavg collector that says when it is asked, and answers when it may."""
    asked, free = threading.Event(), threading.Event()

    def collect(_self: Loadavg) -> list[Any]:
        asked.set()
        free.wait(30)
        return []

    monkeypatch.setattr(Loadavg, "collect", collect)
    yield asked, free
    free.set()


def test_scrapes_beyond_the_limit_are_turned_away(held: tuple[threading.Event, threading.Event]) -> None:
    """With max_requests under way the next gets a 503 at once; the number of each is on the page."""
    asked, free = held
    exporter = Exporter(ExporterSettings(max_requests=1, collector_seconds=30))

    async def run() -> tuple[Answer, Answer, Answer]:
        first = asyncio.ensure_future(ask(exporter, "/metrics?collect[]=loadavg"))
        await asyncio.to_thread(asked.wait, 10)
        second = await ask(exporter, "/metrics?collect[]=loadavg")
        free.set()
        return await first, second, await ask(exporter, "/metrics?collect[]=loadavg")

    first, second, third = asyncio.run(run())
    assert (200, 503, 200) == (first.status, second.status, third.status)
    assert b"limit of concurrent requests reached (1), try again later\n" == second.body
    counts = read(third.body).of("promhttp_metric_handler_requests_total")
    assert {"200": 1.0, "500": 0.0, "503": 1.0} == {
        code: counts[f'promhttp_metric_handler_requests_total{{code="{code}"}}'] for code in ("200", "500", "503")
    }


def test_close_ends_a_waiting_scrape(held: tuple[threading.Event, threading.Event]) -> None:
    """Who stops the exporter does not wait for a host that hangs, and stores no page that blames its collectors."""
    asked, _ = held
    exporter = Exporter(ExporterSettings(collector_seconds=30))

    async def run() -> Answer:
        first = asyncio.ensure_future(ask(exporter, "/metrics?collect[]=loadavg"))
        await asyncio.to_thread(asked.wait, 10)
        exporter.close()
        return await asyncio.wait_for(first, 10)

    answer = asyncio.run(run())
    assert (503, b"shutting down\n") == (answer.status, answer.body)


def test_a_fault_of_our_own_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no collector's boundary catches is a 500 of the server, and is on the next page."""
    exporter = Exporter()
    monkeypatch.setattr("exporter.app.process_families", lambda: 1 // 0)

    async def run() -> Answer:
        with pytest.raises(ZeroDivisionError):
            await ask(exporter, "/metrics?collect[]=loadavg")
        monkeypatch.undo()
        return await ask(exporter, "/metrics?collect[]=loadavg")

    counts = read(asyncio.run(run()).body).of("promhttp_metric_handler_requests_total")
    assert 1.0 == counts['promhttp_metric_handler_requests_total{code="500"}']
