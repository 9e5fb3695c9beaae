"""A real ruler whose disk fails under it: it goes on from memory, says so to people, and recovers by itself."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.street import Program
from tests.peers import free_port
from tests.waiting import until
from tests.webhook import Webhook

pytestmark = pytest.mark.e2e

MIB = 1 << 20


class Churn:
    """A Churn is a target that has one more series at every scrape, so that each scrape writes labels."""

    def __init__(self) -> None:
        scrapes = itertools.count(1)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = "".join(f'churn{{n="{n}"}} 1\n' for n in range(next(scrapes))).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="churn", daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Watched:
    """A Watched is a ruler that scrapes a churning target every second and tells a webhook at once."""

    def __init__(self, directory: Path, storage: Path, target: str, hook: Webhook) -> None:
        self.directory, self.storage, self.port = directory, storage, free_port()
        (directory / "prometheus.yml").write_text(
            f"""
global: {{scrape_interval: 1s, external_labels: {{site: attic}}}}
scrape_configs: [{{job_name: churn, static_configs: [{{targets: ["{target}"]}}]}}]
""",
            encoding="utf-8",
        )
        (directory / "tocsin.yml").write_text(
            f"""
notify:
  route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
  receivers: [{{name: hook, apprise_configs: [{{urls: ["{hook.url()}"]}}]}}]
""",
            encoding="utf-8",
        )
        self.program = self.start()

    def start(self) -> Program:
        self.program = Program(
            self.directory,
            "ruler",
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--tocsin.config={self.directory / 'tocsin.yml'}",
            f"--storage.tsdb.path={self.storage}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        )
        return self.program

    def answer(self, path: str, **values: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", params=values, timeout=5)

    def value(self, query: str) -> float:
        """The one value that `query` gives now, 0 when there is none."""
        result = self.answer("/api/v1/query", query=query).json()["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def own(self, name: str) -> float:
        page = self.answer("/metrics").text
        return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.answer("/api/v2/alerts").json()
        return found

    def scrapes(self) -> float:
        """How many scrapes the last ten minutes have."""
        return self.value("count_over_time(up[10m])")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB of the test's own."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk of its own can be mounted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@pytest.fixture
def watched(tmp_path: Path, disk: Path, hook: Webhook) -> Iterator[Watched]:
    with ExitStack() as started:
        target = Churn()
        started.callback(target.close)
        watched = Watched(tmp_path, disk / "storage", target.address, hook)
        started.callback(lambda: watched.program.kill())
        until("the first scrapes", lambda: watched.scrapes() >= 2)
        yield watched


def fill(disk: Path) -> Path:
    """Fill the disk to its last byte; the file that does."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(descriptor, bytes(MIB)):
            pass
    with suppress(OSError):
        while os.write(descriptor, bytes(1)):
            pass
    os.close(descriptor)
    return filler


def told(hook: Webhook, name: str) -> list[str]:
    return [text for text in hook.texts() if name in text]


def test_a_full_disk_is_told_and_survived(watched: Watched, disk: Path, hook: Webhook) -> None:
    """While the disk is full, scraping, answers and health go on and the alert is delivered; its end follows space."""
    filler = fill(disk)
    full_at = time.monotonic()
    [first] = until("the message", lambda: told(hook, "TocsinStorageDegraded"))
    print(f"told {time.monotonic() - full_at:.1f} s after the disk was full")
    assert 0 == os.statvfs(disk).f_bavail
    assert "its disk is full, with 0 of 64 MiB free" in first
    [alert] = watched.alerts()
    assert {
        "alertname": "TocsinStorageDegraded",
        "severity": "critical",
        "instance": alert["labels"]["instance"],
        "site": "attic",
    } == alert["labels"]
    assert alert["labels"]["instance"].endswith(f":{watched.port}")
    before = watched.scrapes()
    until("scraping goes on", lambda: watched.scrapes() >= before + 3)
    assert [200, 200] == [watched.answer(f"/-/{path}").status_code for path in ("healthy", "ready")]
    assert 1 == watched.own("tocsin_tsdb_degraded")
    filler.unlink()
    freed_at = time.monotonic()
    until("the storage has recovered", lambda: watched.own("tocsin_tsdb_degraded") == 0)
    print(f"recovered {time.monotonic() - freed_at:.1f} s after there was room")
    until("the end is told", lambda: len(told(hook, "TocsinStorageDegraded")) == 2)
    assert "resolved" in told(hook, "TocsinStorageDegraded")[1].lower()
    assert [] == watched.alerts()
