"""A real ruler with few files to open, and far more clients than that."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.peers import free_port
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="prlimit and /proc are Linux's")]

FILES, CLIENTS = 64, 200


class Starved:
    """A Starved is a ruler that may open few files and scrapes itself every second."""

    def __init__(self, directory: Path) -> None:
        self.address, self.log = ("127.0.0.1", free_port()), directory / "log"
        config = directory / "prometheus.yml"
        target = f"{{job_name: own, static_configs: [{{targets: ['127.0.0.1:{self.address[1]}']}}]}}"
        config.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs: [{target}]", encoding="utf-8")
        command = [sys.executable, "-m", "tocsin", "ruler", f"--config.file={config}"]
        flags = [f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address=127.0.0.1:{self.address[1]}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(["prlimit", f"--nofile={FILES}", *command, *flags], stderr=log)

    def get(self, path: str, **values: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.address[1]}{path}", params=values, timeout=5)

    def scrapes(self) -> float:
        result = self.get("/api/v1/query", query="count_over_time(up[10m])").json()["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def ruler(tmp_path: Path) -> Iterator[Starved]:
    ruler = Starved(tmp_path)
    yield ruler
    ruler.process.kill()
    ruler.process.wait(10)


def test_more_clients_than_files_are_told_so(ruler: Starved) -> None:
    """Each of them is served or refused in words; the ruler neither spins nor floods its log, and goes on scraping."""
    until("scrapes", lambda: ruler.scrapes() >= 2)
    with ExitStack() as clients:
        answers = []
        for _ in range(CLIENTS):
            client = clients.enter_context(socket.create_connection(ruler.address, timeout=5))
            client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(client)
        firsts = {client.recv(100).partition(b"\r\n")[0] for client in answers}
        assert {b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Service Unavailable"} == firsts
        used, began, before = ruler.cpu(), time.monotonic(), ruler_scrapes(ruler)
        until("scraping goes on", lambda: ruler.scrapes() >= before + 3)
        assert (ruler.cpu() - used) / (time.monotonic() - began) < 0.5
        assert "tocsin_tsdb_degraded 0.0" in ruler.get("/metrics").text
    assert 200 == ruler.get("/-/healthy").status_code
    assert len(ruler.log.read_text(encoding="utf-8").splitlines()) < 10


def ruler_scrapes(ruler: Starved) -> float:
    """The scrapes so far, as soon as a client that has been quiet makes room for the question."""
    return until("an answer", lambda: ruler.get("/-/healthy").ok and ruler.scrapes())
