"""The receiver's page under the real promtool and a real Prometheus."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.clock import ManualClock, SystemClock
from common.durations import MINUTE
from common.serving import HttpServer, Listener, bind
from tests.peers import prometheus
from tests.receiver.client import DOCUMENT, Client, running
from tests.waiting import until

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


def test_prometheus_scrapes_without_a_failure(peers: Path, address: str, tmp_path: Path, client: Client) -> None:
    """Every scrape is good, pushed labels are kept, and what expires is marked stale at the next scrape."""
    config = {
        "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"},
        "scrape_configs": [{"job_name": "receiver", "honor_labels": True, "static_configs": [{"targets": [address]}]}],
    }
    with prometheus(peers, tmp_path, config) as peer:
        until("eight scrapes", lambda: peer.query('count_over_time(up{job="receiver"}[1m]) >= 8'))
        assert [1.0] == peer.values('min_over_time(up{job="receiver"}[1m])')
        [depth] = peer.query("queue_depth")
        assert {"__name__": "queue_depth", "server": "web-1", **LABELS} == depth["metric"]
        shown = {name: peer.query(name)[0]["value"][1] for name in PUSH["metrics"]}
        assert {"queue_depth": "12", "ratio": "-0.5", "small": "5e-324", "lost": "NaN", "endless": "+Inf"} == shown
        exceptions = 'laravel_telescope_recent_entries_by_type{type="exception",system="laravel_app",server="web-1"}'
        assert [2.0] == peer.values(exceptions)
        client.clock.advance(MINUTE)
        until("the queue's depth expires", lambda: not peer.query("queue_depth"))
        assert 1 == len(peer.query(exceptions))
