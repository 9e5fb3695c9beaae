"""A query over 10,000 series asked of the real ruler and of a real Prometheus that hold the same hour of samples.

Both are asked over HTTP and both answers are compared, so the figures are for the same work. The ruler reads pages that
the database wrote tick by tick; Prometheus reads blocks that promtool made of the same samples.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests

from tests.bench.database import maintained, opened
from tests.bench.history import NO_TARGETS
from tests.bench.programs import PEERS, PROMETHEUS, TOCSIN, program
from tests.bench.query import PER_TARGET, QUERY, TARGETS, TICK, labels_of

ROWS = 240
RUNS = 15
Samples = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Figures:
    """Figures are the median times (ms) of one query as a client sees them, on the ruler and on Prometheus."""

    what: str
    tocsin: float
    prometheus: float

    def __str__(self) -> str:
        ratio = self.tocsin / self.prometheus
        return (
            f"{self.what:12} tocsin {self.tocsin:7.1f} ms   prometheus {self.prometheus:7.1f} ms   ratio {ratio:5.2f}"
        )


def measure() -> Iterator[object]:
    """The query at one time and over 120 steps."""
    end = int(time.time() * 1000) // TICK * TICK - TICK
    samples = _samples(end)
    with (
        tempfile.TemporaryDirectory() as folder,
        program(TOCSIN, Path(folder) / TOCSIN, NO_TARGETS) as ours,
        program(PROMETHEUS, Path(folder) / PROMETHEUS, NO_TARGETS) as theirs,
    ):
        _write_pages(ours.data, samples, end)
        _write_blocks(theirs.data, samples)
        for server in (ours, theirs):
            server.start()
            server.wait("it answers", "vector(1)", 1)
        addresses = [f"http://{server.address}/api/v1/" for server in (ours, theirs)]
        yield _instant(addresses[0], addresses[1], end)
        yield _range(addresses[0], addresses[1], end)


def _samples(end: int) -> Samples:
    """Times [rows × targets] and values [rows × series] of an hour of counters."""
    random = np.random.default_rng(7)
    phase = random.integers(0, TICK, TARGETS)
    times = end + (np.arange(ROWS) - ROWS)[:, np.newaxis] * TICK + phase
    values = np.round(np.cumsum(random.random((ROWS, TARGETS * PER_TARGET)), axis=0) + 1000, 3)
    return times, values


def _write_pages(directory: Path, samples: Samples, end: int) -> None:
    times, values = samples
    database = opened(directory, end)
    streams = [database.stream(f"target-{target}", TICK) for target in range(TARGETS)]
    series = [database.series([labels_of(target, n) for n in range(PER_TARGET)]) for target in range(TARGETS)]
    for row in range(ROWS):
        for target, stream in enumerate(streams):
            at = int(times[row, target])
            mine = values[row, target * PER_TARGET : (target + 1) * PER_TARGET]
            stream.append(at // TICK * TICK, at, series[target], mine)
        maintained(database, int(times[row].max()))
    for stream in streams:
        stream.close(None)
    database.close()


def _write_blocks(directory: Path, samples: Samples) -> None:
    times, values = samples
    text = directory.with_suffix(".om")
    with text.open("w", encoding="ascii") as file:
        file.write("# TYPE x counter\n")
        for target in range(TARGETS):
            stamps = [f"{at / 1000:.3f}" for at in times[:, target].tolist()]
            for number in range(PER_TARGET):
                labels = ",".join(f'{k}="{v}"' for k, v in labels_of(target, number).items() if k != "__name__")
                column = values[:, target * PER_TARGET + number].tolist()
                file.writelines(f"x_total{{{labels}}} {v!r} {t}\n" for v, t in zip(column, stamps, strict=True))
        file.write("# EOF\n")
    command = [str(PEERS / "promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    subprocess.run([*command, str(text), str(directory)], check=True, capture_output=True)
    text.unlink()


def _instant(tocsin: str, peer: str, end: int) -> Figures:
    return _compared("instant", tocsin, peer, "query", {"query": QUERY, "time": f"{end / 1000:.3f}"})


def _range(tocsin: str, peer: str, end: int) -> Figures:
    start = end - 119 * 28_000
    values = {"query": QUERY, "start": f"{start / 1000:.3f}", "end": f"{end / 1000:.3f}", "step": "28"}
    return _compared("120 steps", tocsin, peer, "query_range", values)


def _compared(what: str, tocsin: str, peer: str, path: str, values: dict[str, str]) -> Figures:
    session = requests.Session()

    def ask(server: str) -> Callable[[], bytes]:
        return lambda: session.get(server + path, params=values, timeout=60).content

    ours, theirs = (_numbers(ask(server)()) for server in (tocsin, peer))
    assert ours.keys() == theirs.keys()
    for mode, numbers in ours.items():
        np.testing.assert_allclose(numbers, theirs[mode], rtol=1e-9)
    return Figures(what, _median(ask(tocsin)), _median(ask(peer)))


def _numbers(body: bytes) -> dict[str, list[float]]:
    found = {}
    for series in json.loads(body)["data"]["result"]:
        points = series.get("values") or [series["value"]]
        found[series["metric"]["mode"]] = [number for at, value in points for number in (at, float(value))]
    return found


def _median(ask: Callable[[], bytes]) -> float:
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
