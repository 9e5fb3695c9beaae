"""A real ruler whose disk fails under it: it goes on from memory, says so to people, and recovers by itself."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
NAME = "TocsinStorageDegraded"


class Churn:
    """A Churn is a target that has a hundred more series at every scrape, so that each scrape writes labels."""

    def __init__(self) -> None:
        scrapes = itertools.count(1)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = "".join(f'churn{{n="{n}"}} 1\n' for n in range(100 * next(scrapes))).encode()
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
        self.program = self.start(self.port)

    def start(self, port: int) -> Program:
        return Program(
            self.directory,
            "ruler",
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--tocsin.config={self.directory / 'tocsin.yml'}",
            f"--storage.tsdb.path={self.storage}",
            f"--web.listen-address=127.0.0.1:{port}",
        )

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


@contextmanager
def mounted(path: Path, *how: str) -> Iterator[Path]:
    """A file system of the test's own at `path`."""
    path.mkdir()
    result = subprocess.run(["mount", *how, str(path)], capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip(f"no disk of its own can be mounted: {result.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64m", "tmpfs") as path:
        yield path


@pytest.fixture
def old_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB that the kernel makes read-only when it fails."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    with mounted(tmp_path / "disk", "-o", "loop,errors=remount-ro", str(image)) as path:
        yield path


@pytest.fixture
def hook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@contextmanager
def watching(directory: Path, storage: Path, hook: Webhook) -> Iterator[Watched]:
    """A ruler that has scraped."""
    with ExitStack() as started:
        target = Churn()
        started.callback(target.close)
        watched = Watched(directory, storage, target.address, hook)
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


def test_a_full_disk_is_told_and_survived(tmp_path: Path, disk: Path, hook: Webhook) -> None:
    """While the disk is full, scraping, answers and health go on and the alert is delivered; its end follows space,
    and every sample of that time is on the disk.
    """
    with watching(tmp_path, disk / "storage", hook) as watched:
        filler = fill(disk)
        [first] = until("the message", lambda: told(hook))
        assert 0 == os.statvfs(disk).f_bavail
        assert "its disk is full, with 0 of 64 MiB free" in first
        [alert] = watched.alerts()
        instance = alert["labels"].pop("instance")
        assert {"alertname": NAME, "severity": "critical", "site": "attic"} == alert["labels"]
        assert instance.endswith(f":{watched.port}")
        goes_on(watched)
        filler.unlink()
        until("the storage has recovered", lambda: watched.own("tocsin_tsdb_degraded") == 0, seconds=10)
        until("the end is told", lambda: len(told(hook)) == 2)
        assert "resolved" in told(hook)[1].lower()
        assert [] == watched.alerts()
        survives_a_kill(watched)


def test_a_disk_that_becomes_read_only_is_told(tmp_path: Path, old_disk: Path, hook: Webhook) -> None:
    """What the kernel does with a disk that fails stops neither scraping nor answers, and is told as what it is."""
    with watching(tmp_path, old_disk / "storage", hook) as watched:
        subprocess.run(["mount", "-o", "remount,abort", str(old_disk)], check=True)
        [first] = until("the message", lambda: told(hook))
        assert "its file system is read-only" in first
        goes_on(watched)


def test_a_second_ruler_ends_at_once_naming_the_first(tmp_path: Path, hook: Webhook) -> None:
    """On the same directory, and with the same port too: one line, within a second."""
    with watching(tmp_path, tmp_path / "storage", hook) as watched:
        first = watched.program.process.pid
        took = []
        for port in (watched.port, free_port(), free_port()):
            began = time.monotonic()
            second = watched.start(port)
            assert 1 == second.process.wait(10)
            took.append(time.monotonic() - began)
            assert f"Error: {watched.storage}: in use by another process: pid {first}" == second.log.strip()
        assert min(took) <= 1


def test_a_directory_that_cannot_be_used_is_one_line(tmp_path: Path, disk: Path, hook: Webhook) -> None:
    """A file, a place below a file, a read-only disk: what is wrong, without a traceback."""
    file = tmp_path / "file"
    file.touch()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for storage in (file, file / "below", disk, disk / "below"):
        program = Watched(tmp_path, storage, "127.0.0.1:1", hook).program
        assert 1 == program.process.wait(20)
        assert re.fullmatch(
            rf"Error: {storage}: (not a directory|cannot be (used|written): [A-Z][a-z -]+)", program.log.strip()
        )


def told(hook: Webhook) -> list[str]:
    return [text for text in hook.texts() if NAME in text]


def goes_on(watched: Watched) -> None:
    """The ruler is degraded, and scrapes, answers and calls itself healthy all the same."""
    before = watched.scrapes()
    until("scraping goes on", lambda: watched.scrapes() >= before + 3)
    assert [200, 200] == [watched.answer(f"/-/{path}").status_code for path in ("healthy", "ready")]
    assert 1 == watched.own("tocsin_tsdb_degraded")


def survives_a_kill(watched: Watched) -> None:
    """What was scraped until now is there after a kill and a new start."""
    before = watched.scrapes()
    watched.program.kill()
    watched.program = watched.start(watched.port)
    until("the ruler is back", lambda: watched.scrapes() >= before)
