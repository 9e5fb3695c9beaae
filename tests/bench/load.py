"""What the benches of history store: a fleet whose series behave as those of real hosts do.

Of 1,000 series of a target 100 are the counter that is asked for; the rest are constants, slow and fast counters, CPU
seconds with two decimals, sizes in pages of 4 KiB and fractions. From page to page 53 % of the values stay as they are,
fewer than on the page of a real host (71 % after 15 s, 80 % after 1 s). Values follow from the seed and the number of
ticks alone, so that a page server goes on where the history ended.

    python -m tests.bench.load PORT TARGETS PER_TARGET START_MS TICK_MS     serves the pages of the fleet
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import numpy as np
import numpy.typing as npt

from tests.peers import free_port

TICK = 15_000
ASKED = "bench_requests_total"
QUERY = f"sum by (mode) (rate({ASKED}[5m]))"
REPORTED = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
Floats = npt.NDArray[np.float64]

# What ten metrics of ten series each are, again and again.
KINDS = ("constant", "slow", "constant", "bytes", "constant", "fast", "seconds", "constant", "slow", "fraction")


class Load:
    """A Load is the values of a fleet, tick by tick: `values` [targets × series] of the tick `tick`."""

    def __init__(self, targets: int, per_target: int, kinds: Sequence[str] = ()) -> None:
        """`kinds` says how each series of a target behaves, where that is not as `line` names them."""
        self.targets, self.per_target = targets, per_target
        self._random = np.random.default_rng(7)
        self._durations = np.random.default_rng(8)
        behaves = np.array(kinds or [_kind(n, per_target) for n in range(per_target)])
        shape = (targets, per_target)
        self._whole = np.flatnonzero((behaves == "slow") | (behaves == "fast") | (behaves == "asked"))
        scale = {"slow": 0.05, "fast": 400.0, "asked": 20.0}
        self._rates = np.array([scale[kind] for kind in behaves[self._whole]]) * self._random.lognormal(
            size=(targets, len(self._whole))
        )
        self._seconds = np.flatnonzero(behaves == "seconds")
        self._bytes = np.flatnonzero(behaves == "bytes")
        self._fractions = np.flatnonzero(behaves == "fraction")
        self.values: Floats = self._random.integers(1, 1_000_000, shape).astype(np.float64)
        self.values[:, self._bytes] *= 4096
        self.tick = 0

    def advance(self) -> Floats:
        """The values of the next tick."""
        random, values = self._random, self.values
        values[:, self._whole] += random.poisson(self._rates)
        seconds = values[:, self._seconds] + np.round(random.random((self.targets, len(self._seconds))) * 15, 2)
        values[:, self._seconds] = np.round(seconds, 2)
        moved = random.normal(size=(self.targets, len(self._bytes)))
        values[:, self._bytes] = np.abs(values[:, self._bytes] + 4096 * np.round(moved * 50))
        values[:, self._fractions] = np.round(random.random((self.targets, len(self._fractions))), 4)
        self.tick += 1
        return values

    def labels(self, target: int, port: int) -> list[dict[str, str]]:
        """What a scraper calls the series of a target, those that it adds itself at the end."""
        own = {"instance": f"127.0.0.1:{port}", "job": "bench", "target": f"t{target}"}
        named = [{"__name__": name, **labels, **own} for name, labels in map(self.line, range(self.per_target))]
        return named + [{"__name__": name, **own} for name in REPORTED]

    def line(self, n: int) -> tuple[str, dict[str, str]]:
        """The name and the labels that series `n` has on the page of each target."""
        asked = self.per_target // 10
        if n < asked:
            return ASKED, {"mode": f"mode-{n % 8}", "path": f"/api/v1/{n // 8}"}
        return f"bench_{KINDS[n // 10 % 10]}_{n // 10}", {"device": f"dev-{n % 10}"}

    def row(self, target: int) -> Floats:
        """The tick's values of one target, with those that a scraper adds."""
        count = float(self.per_target)
        return np.concatenate((self.values[target], (1.0, self._durations.random() / 100, count, count, 0.0)))


def phase(target: int, tick: int) -> int:
    """When in its interval a target is scraped."""
    return target * 7919 % tick


def scrape_config(port: int, targets: int, tick: int = TICK) -> dict[str, Any]:
    """The config of a scraper of the fleet."""
    groups = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"__metrics_path__": f"/{number}", "target": f"t{number}"}}
        for number in range(targets)
    ]
    every = {"scrape_interval": f"{tick}ms", "scrape_timeout": f"{min(tick, 10_000)}ms"}
    return {"global": every, "scrape_configs": [{"job_name": "bench", "static_configs": groups}]}


def _kind(n: int, per_target: int) -> str:
    return "asked" if n < per_target // 10 else KINDS[n // 10 % 10]


def _written(name: str, labels: dict[str, str]) -> str:
    pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{pairs}}} "


class Pages:
    """Pages are what a fleet serves: the page of the current tick for each target, at its number as the path."""

    def __init__(self, load: Load, start: int, tick: int) -> None:
        self._load, self._start, self._tick = load, start, tick
        self._heads = [_written(*load.line(n)) for n in range(load.per_target)]

    def catch_up(self) -> None:
        due = (time.time_ns() // 1_000_000 - self._start) // self._tick
        while self._load.tick < due:
            self._load.advance()

    def page(self, target: int) -> bytes:
        self.catch_up()
        values = self._load.values[target].tolist()
        return "\n".join([*map("{}{!r}".format, self._heads, values), ""]).encode()


async def _serve(port: int, pages: Pages) -> None:
    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            assert isinstance(self.transport, asyncio.WriteTransport)
            body = pages.page(int(data.split(b" ", 2)[1][1:]))
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n"
            self.transport.write(head % len(body) + body)

    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


@contextmanager
def fleet(targets: int, per_target: int, start: int, tick: int = TICK) -> Iterator[int]:
    """A process that serves the pages of a fleet whose history began at `start` (ms), on a port of loopback."""
    port = free_port()
    numbers = map(str, (port, targets, per_target, start, tick))
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.load", *numbers])
    try:
        for _ in range(600):
            try:
                with urlopen(f"http://127.0.0.1:{port}/0", timeout=60):
                    break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def main() -> None:
    port, targets, per_target, start, tick = map(int, sys.argv[1:])
    pages = Pages(Load(targets, per_target), start, tick)
    pages.catch_up()
    asyncio.run(_serve(port, pages))


if __name__ == "__main__":
    main()
