"""What a scraped sample costs: CPU of the whole ruler beside a real Prometheus, in one run.

A server of pages whose values move as those of hosts do, and in turn `tocsin ruler` and Prometheus, each scraping all
targets every second. CPU is that of the whole process, sealing included where the run is long enough for it; samples
are those served; a scraper with a target that is not up at the end has no figures.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from tests.bench.load import Load, scrape_config
from tests.bench.programs import PROMETHEUS, TOCSIN, Program, cpu_seconds, program, rss_mib
from tests.peers import free_port

TICK = 1_000
HOSTS, MOMENTS = 10, 60  # pages that are ready: of so many hosts at so many moments
SEALED = "*.chunk"


@dataclass(frozen=True, slots=True)
class Scale:
    """A Scale is what is scraped, for how long it is watched, and how long a scraper may take to settle (seconds).

    One that seals has settled when it has sealed once: from then on sealing goes on all the time.
    """

    seconds: int
    settle: int
    targets: int = 100
    series: int = 1_000


QUICK, FULL = Scale(seconds=15, settle=2), Scale(seconds=300, settle=900)
SMALL_QUICK = Scale(seconds=15, settle=2, targets=1_000, series=20)
SMALL_FULL = Scale(seconds=300, settle=900, targets=1_000, series=20)
STEADY = 150  # seconds after which Prometheus has cut chunks of all series


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures are what one scraper did: its CPU per sample and per scrape, and how much of what was due it scraped."""

    name: str
    gzip: bool
    microseconds_per_sample: float
    microseconds_per_scrape: float
    completeness: float
    rss_mib: float
    sealed: int

    def __str__(self) -> str:
        return (
            f"{self.name:10} gzip {'on ' if self.gzip else 'off'} {self.microseconds_per_sample:6.3f} µs/sample "
            f"{self.microseconds_per_scrape:7.1f} µs/scrape {self.completeness:7.2%} complete {self.rss_mib:6.1f} MiB"
            + (f" {self.sealed} chunks sealed meanwhile" if self.name == TOCSIN else "")
        )


def measure(scale: Scale) -> Iterator[object]:
    """The figures of the ruler and of Prometheus and their ratio, without and with gzip."""
    for compressed in (False, True):
        cost = {}
        for name in (TOCSIN, PROMETHEUS):
            with (
                page_server(scale.series, compressed=compressed) as port,
                tempfile.TemporaryDirectory() as folder,
                program(name, Path(folder), scrape_config(port, scale.targets, TICK)) as server,
            ):
                figures = watched(server, port, scale, compressed=compressed)
            cost[name] = figures.microseconds_per_sample
            yield figures
        yield f"ratio, gzip {'on ' if compressed else 'off'}: {cost[TOCSIN] / cost[PROMETHEUS]:.2f}"


def watched(server: Program, port: int, scale: Scale, *, compressed: bool) -> Figures:
    """Let a scraper settle, then compare what it used with what it fetched."""
    server.start()
    server.wait("every target is up", "count(up == 1)", scale.targets, pause=0.5)
    _settle(server, scale.settle)
    scrapes, used, began, sealed = served(port), cpu_seconds(server.pid), time.monotonic(), _sealed(server)
    time.sleep(scale.seconds)
    scrapes, used, took = served(port) - scrapes, cpu_seconds(server.pid) - used, time.monotonic() - began
    per_scrape = used / scrapes * 1e6
    weight, sealed = rss_mib(server.pid), _sealed(server) - sealed
    server.wait("every target is up still", "count(up == 1)", scale.targets, seconds=5)
    return Figures(
        server.name,
        compressed,
        per_scrape / scale.series,
        per_scrape,
        scrapes / (scale.targets * took),
        weight,
        sealed,
    )


def _settle(server: Program, seconds: int) -> None:
    until = time.monotonic() + (min(seconds, STEADY) if server.name == PROMETHEUS else seconds)
    while time.monotonic() < until and not _sealed(server):
        time.sleep(1)


def _sealed(server: Program) -> int:
    return len(list(server.data.glob(SEALED)))


def served(port: int) -> int:
    with urlopen(f"http://127.0.0.1:{port}/count", timeout=5) as answer:
        return int(answer.read())


@contextmanager
def page_server(series: int, *, compressed: bool) -> Iterator[int]:
    """A process that serves pages, on a port of loopback."""
    port = free_port()
    arguments = [sys.executable, "-m", "tests.bench.ingest", "--serve", str(port), "--series", str(series)]
    process = subprocess.Popen([*arguments, "--gzip"] if compressed else arguments)
    try:
        for _ in range(300):
            try:
                served(port)
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def page(values: list[float]) -> bytes:
    """A page of counters as exporters write them, 20 series a metric."""
    lines = []
    for number, value in enumerate(values):
        metric = f"bench_requests_{number // 20}_total"
        if number % 20 == 0:
            lines += [f"# HELP {metric} Requests that the bench has answered so far.", f"# TYPE {metric} counter"]
        written = int(value) if value.is_integer() else value
        lines.append(f'{metric}{{cpu="{number % 4}",mode="mode-{number % 5}",path="/api/v1/{number % 20}"}} {written}')
    return ("\n".join(lines) + "\n").encode()


def serve(port: int, series: int, *, compressed: bool) -> None:
    """Answer /n with the next page of target n; /count says how many it were.

    Targets of one host are some moments apart, so that no two have the same values in one row.
    """
    load = Load(HOSTS, series)
    moments = [np.array(load.advance()) for _ in range(MOMENTS)]
    pages = [[page(values[host].tolist()) for host in range(HOSTS)] for values in moments]
    encoding = "Content-Encoding: gzip\r\n" if compressed else ""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n{encoding}Content-Length: "
    answers = [
        [
            f"{head}{len(body)}\r\n\r\n".encode() + body
            for body in ([gzip.compress(each, 6) for each in hosts] if compressed else hosts)
        ]
        for hosts in pages
    ]
    asyncio.run(_listen(port, answers))


async def _listen(port: int, answers: list[list[bytes]]) -> None:
    counts: dict[int, int] = {}

    class Pages(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            assert isinstance(self.transport, asyncio.WriteTransport)
            path = data.split(b" ", 2)[1][1:]
            if path == b"count":
                text = str(sum(counts.values())).encode()
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
                return
            target = int(path)
            count = counts[target] = counts.get(target, 0) + 1
            self.transport.write(answers[(count + target // HOSTS * 6) % MOMENTS][target % HOSTS])

    server = await asyncio.get_running_loop().create_server(Pages, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--serve", type=int, required=True)
    arguments.add_argument("--series", type=int, default=1_000)
    arguments.add_argument("--gzip", action="store_true")
    given = arguments.parse_args()
    serve(given.serve, given.series, compressed=given.gzip)


if __name__ == "__main__":
    main()
