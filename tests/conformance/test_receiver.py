"""The receiver's page under the real promtool and a real Prometheus."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from common.clock import ManualClock, SystemClock
from common.durations import MINUTE
from common.serving import HttpServer, Listener, bind
from tests.receiver.client import DOCUMENT, Client, running

pytestmark = pytest.mark.conformance

LABELS = {"job": "shop", "instance": "a", "text": 'quoted "text"\nin größe'}
PUSH: dict[str, Any] = {
    "labels": LABELS,
    "metrics": {"queue_depth": 12, "ratio": -0.5, "small": 5e-324, "lost": "NaN", "endless": "+Inf"},
    "ttl": "1m",
}


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a receiver that has had a push of each kind, and one that it refused."""
    clock = ManualClock(SystemClock().now())
    with running(clock=clock) as client:
        client.push("/api/monitoring", DOCUMENT)
        client.push("/api/v1/push", PUSH)
        client.push("/api/v1/push", {})
        yield client


@pytest.fixture
def address(client: Client) -> Iterator[str]:
    """Where that receiver is served."""
    listener = Listener("receiver", bind("127.0.0.1:0", "receiver"), client.receiver.app)
    server = HttpServer([listener])
    server.start()
    yield listener.address
    server.stop()


def test_promtool_complains_of_nothing(peers: Path, client: Client) -> None:
    """The page passes Prometheus's own lint without a word."""
    page = client.request("GET", "/metrics").body
    said = subprocess.run([peers / "promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (0, b"", b"") == (said.returncode, said.stdout, said.stderr)


@pytest.fixture
def prometheus(peers: Path, address: str, tmp_path: Path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """The instant queries of a real Prometheus that scrapes the receiver four times a second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"},
        "scrape_configs": [{"job_name": "receiver", "honor_labels": True, "static_configs": [{"targets": [address]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    process = subprocess.Popen(
        [
            peers / "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "GOMAXPROCS": "1"},
    )

    def query(text: str) -> list[dict[str, Any]]:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={quote(text)}", timeout=5) as answer:
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return result
        except OSError:  # not up yet
            return []

    yield query
    process.terminate()
    process.wait(20)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_prometheus_scrapes_without_a_failure(
    prometheus: Callable[[str], list[dict[str, Any]]], client: Client
) -> None:
    """Every scrape is good, pushed labels are kept, and what expires is marked stale at the next scrape."""
    until(lambda: bool(prometheus('count_over_time(up{job="receiver"}[1m]) >= 8')))
    assert ["1"] == [each["value"][1] for each in prometheus('min_over_time(up{job="receiver"}[1m])')]
    [depth] = prometheus("queue_depth")
    assert {"__name__": "queue_depth", "server": "web-1", **LABELS} == depth["metric"]
    shown = {name: prometheus(name)[0]["value"][1] for name in PUSH["metrics"]}
    assert {"queue_depth": "12", "ratio": "-0.5", "small": "5e-324", "lost": "NaN", "endless": "+Inf"} == shown
    exceptions = 'laravel_telescope_recent_entries_by_type{type="exception",system="laravel_app",server="web-1"}'
    assert ["2"] == [each["value"][1] for each in prometheus(exceptions)]
    client.clock.advance(MINUTE)
    until(lambda: not prometheus("queue_depth"))
    assert 1 == len(prometheus(exceptions))
