"""What a scraped sample costs: CPU of the ruler's scrape path beside a real Prometheus, in one run.

    python tests/bench/scrape.py [--targets 100] [--series 1000] [--seconds 15] [--peers DIR]

Three processes: a server of pages whose values change, and in turn the ruler's (scheduler, manager, database on disk)
and Prometheus, each scraping all targets every second. CPU is that of the whole process, samples are those served;
a scraper with a target that is not up at the end has no figures.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = Path(os.environ.get("TOCSIN_PEERS", Path.home() / ".cache/tocsin-peers/usr/bin"))
VARIANTS = 8
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    """Figures are what one scraper did: its CPU per sample and per scrape, and how much of what was due it scraped."""

    name: str
    gzip: bool
    microseconds_per_sample: float
    microseconds_per_scrape: float
    completeness: float
    rss_mib: float

    def __str__(self) -> str:
        return (
            f"{self.name:10} gzip {'on ' if self.gzip else 'off'} {self.microseconds_per_sample:6.3f} µs/sample "
            f"{self.microseconds_per_scrape:7.1f} µs/scrape {self.completeness:7.2%} complete {self.rss_mib:6.1f} MiB"
        )


def measure(peers: Path, *, targets: int = 100, series: int = 1000, seconds: int = 15) -> list[Figures]:
    """The figures of the ruler and of Prometheus, without and with gzip."""
    figures = []
    for compressed in (False, True):
        with page_server(series, compressed=compressed) as port:
            for name, start, up in (("tocsin", start_ruler, ruler_up), ("prometheus", start_prometheus, prometheus_up)):
                with tempfile.TemporaryDirectory() as folder:
                    config = write_config(Path(folder), port, targets)
                    process = start(peers, config)
                    try:
                        figures.append(watch(name, process, port, targets, series, seconds, compressed=compressed))
                        if (found := up(config)) != targets:
                            raise RuntimeError(f"{name}: {found} of {targets} targets are up")
                    finally:
                        process.kill()
                        process.wait()
    return figures


def watch(
    name: str, process: subprocess.Popen[bytes], port: int, targets: int, series: int, seconds: int, *, compressed: bool
) -> Figures:
    """Let a scraper settle, then compare what it used with what it fetched."""
    first = served(port)
    deadline = time.monotonic() + 30
    while served(port) < first + 3 * targets:
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"{name} does not scrape")
        time.sleep(0.5)
    time.sleep(2)
    scrapes, used, began = served(port), cpu_seconds(process.pid), time.monotonic()
    time.sleep(seconds)
    scrapes, used, took = served(port) - scrapes, cpu_seconds(process.pid) - used, time.monotonic() - began
    per_scrape = used / scrapes * 1e6
    return Figures(name, compressed, per_scrape / series, per_scrape, scrapes / (targets * took), rss_mib(process.pid))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def served(port: int) -> int:
    with urlopen(f"http://127.0.0.1:{port}/count", timeout=5) as answer:
        return int(answer.read())


def write_config(folder: Path, port: int, targets: int) -> Path:
    groups = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"__metrics_path__": f"/{number}", "target": f"t{number}"}}
        for number in range(targets)
    ]
    settings = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "bench", "static_configs": groups}],
    }
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(settings))
    path.with_name("address").write_text(f"127.0.0.1:{free_port()}")
    return path


def prometheus_up(config: Path) -> int:
    address = config.with_name("address").read_text()
    with urlopen(f"http://{address}/api/v1/query?query=count(up==1)", timeout=5) as answer:
        return int(json.load(answer)["data"]["result"][0]["value"][1])


def ruler_up(config: Path) -> int:
    return int(config.with_name("up").read_text())


def start_prometheus(peers: Path, config: Path) -> subprocess.Popen[bytes]:
    arguments = [
        str(peers / "prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address={config.with_name('address').read_text()}",
        "--log.level=error",
    ]
    return subprocess.Popen(arguments, stderr=subprocess.DEVNULL)


def start_ruler(_: Path, config: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, __file__, "--ruler", str(config)], env=environment)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_ruler(config: Path) -> None:
    """The scrape path alone: what `tocsin ruler` does between a tick and the disk."""
    from prometheus_client import CollectorRegistry

    from common.clock import SystemClock
    from common.config import parse_yaml
    from ruler.loop import EventLoop
    from ruler.schedule import Scheduler
    from ruler.scrape.config import GlobalSettings, ScrapeSettings, check
    from ruler.scrape.manager import ScrapeManager
    from ruler.scrape.status import Health
    from ruler.tsdb.db import DB

    settings = json.loads(config.read_text())
    jobs = parse_yaml(json.dumps(settings["scrape_configs"]), str(config))
    every = parse_yaml(json.dumps(settings["global"])).decode(GlobalSettings)
    registry = CollectorRegistry()
    scheduler = Scheduler(SystemClock())
    manager = ScrapeManager(DB.open(config.parent / "data", ring=6 * 3_600_000, registry=registry), scheduler, registry)
    loop = EventLoop("scrape")

    def tell(_due: int, _now: int) -> None:
        config.with_name("up").write_text(str(sum(target.health is Health.UP for target in manager.targets())))

    scheduler.every(5_000, 0, tell)
    loop.call(lambda: manager.apply(check(every, jobs.decode(tuple[ScrapeSettings, ...]), jobs)))
    loop.start(scheduler.drive()).result()


@contextmanager
def page_server(series: int, *, compressed: bool) -> Iterator[int]:
    """A process that serves pages, on a port of loopback."""
    port = free_port()
    arguments = [sys.executable, __file__, "--serve", str(port), "--series", str(series)]
    process = subprocess.Popen([*arguments, "--gzip"] if compressed else arguments)
    try:
        for _ in range(100):
            try:
                served(port)
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def page(series: int, chance: random.Random) -> bytes:
    """A page of counters as exporters write them: 20 series a metric, whole numbers and fractions."""
    lines = []
    for number in range(series):
        metric = f"bench_requests_{number // 20}_total"
        if number % 20 == 0:
            lines += [f"# HELP {metric} Requests that the bench has answered so far.", f"# TYPE {metric} counter"]
        value = chance.randrange(10**9) if number % 3 else chance.random() * 10**6
        lines.append(f'{metric}{{cpu="{number % 4}",mode="mode-{number % 5}",path="/api/v1/{number % 20}"}} {value}')
    return ("\n".join(lines) + "\n").encode()


def serve(port: int, series: int, *, compressed: bool) -> None:
    """Answer every path with the next page; /count says how many it were."""
    chance = random.Random(7)
    bodies = [page(series, chance) for _ in range(VARIANTS)]
    encoding = "Content-Encoding: gzip\r\n" if compressed else ""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n{encoding}Content-Length: "
    sent = itertools.cycle(
        f"{head}{len(body)}\r\n\r\n".encode() + body
        for body in [gzip.compress(body, 6) if compressed else body for body in bodies]
    )
    asyncio.run(listen(port, lambda: next(sent)))


async def listen(port: int, next_page: Callable[[], bytes]) -> None:
    count = 0

    class Pages(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            nonlocal count
            assert isinstance(self.transport, asyncio.WriteTransport)
            if data.startswith(b"GET /count "):
                text = str(count).encode()
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
                return
            count += 1
            self.transport.write(next_page())

    server = await asyncio.get_running_loop().create_server(Pages, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--targets", type=int, default=100)
    arguments.add_argument("--series", type=int, default=1000)
    arguments.add_argument("--seconds", type=int, default=15)
    arguments.add_argument("--peers", type=Path, default=PEERS)
    arguments.add_argument("--gzip", action="store_true")
    arguments.add_argument("--serve", type=int)
    arguments.add_argument("--ruler", type=Path)
    given = arguments.parse_args()
    if given.serve:
        serve(given.serve, given.series, compressed=given.gzip)
    elif given.ruler:
        run_ruler(given.ruler)
    else:
        for figures in measure(given.peers, targets=given.targets, series=given.series, seconds=given.seconds):
            print(figures, flush=True)


if __name__ == "__main__":
    main()
