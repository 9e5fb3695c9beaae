"""What bad targets cost: scrapes of good ones missed or late beside those that hang and refuse, and what a bomb weighs.

When a target is asked is told by the targets, which are in a process of their own.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.programs import TOCSIN, program, rss_mib
from tests.farm import job, lateness, report, running
from tests.peers import free_port

LATE = 0.5  # s
CAP = 64  # MiB that a page may have unpacked, where nothing is said


@dataclass(frozen=True, slots=True)
class Scale:
    """A Scale is how many targets there are, how often they are asked, and for how long (seconds)."""

    good: int
    hanging: int
    refusing: int
    interval: int
    seconds: int


QUICK, FULL = Scale(800, 100, 100, interval=5, seconds=40), Scale(800, 100, 100, interval=15, seconds=600)


def measure(scale: Scale) -> Iterator[object]:
    """The lines of both."""
    yield beside_stuck(scale)
    yield bomb()


def beside_stuck(scale: Scale) -> str:
    """How good targets fare beside those that never answer, or where nobody listens."""
    every = {"scrape_interval": f"{scale.interval}s", "scrape_timeout": f"{min(10, scale.interval)}s"}
    with running() as port, running() as bad, tempfile.TemporaryDirectory() as folder:
        jobs = [
            job(port, "good", [f"/{number}" for number in range(scale.good)]),
            job(bad, "hanging", [f"/bad/hang/{number}" for number in range(scale.hanging)]),
            job(free_port(), "refusing", [f"/{number}" for number in range(scale.refusing)]),
        ]
        with program(TOCSIN, Path(folder), {"global": every, "scrape_configs": jobs}) as ruler:
            ruler.start()
            ruler.wait("good targets are up", 'count(up{job="good"} == 1)', scale.good)
            start = time.time() + scale.interval
            time.sleep(scale.seconds + 2 * scale.interval)
            missed, late = lateness(report(port), scale.interval, start, start + scale.seconds)
            ruler.wait("bad targets are down", "count(up == 0)", scale.hanging + scale.refusing)
    over = sum(each > LATE for each in late)
    return (
        f"{scale.good} good beside {scale.hanging} that hang and {scale.refusing} that refuse, "
        f"every {scale.interval} s for {scale.seconds} s: {missed} missed, {over} late by more than {LATE} s, "
        f"p99 {late[int(len(late) * 0.99)] * 1000:.0f} ms, most {late[-1] * 1000:.0f} ms"
    )


def bomb() -> str:
    """What a page of 200 KB that unfolds to 200 MB adds to the memory."""
    with running() as port, tempfile.TemporaryDirectory() as folder:
        every = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        calm = {"global": every, "scrape_configs": [job(port, "good", ["/0"])]}
        with program(TOCSIN, Path(folder), calm) as ruler:
            ruler.start()
            ruler.wait("the good target is up", "count(up == 1)", 1)
            before = rss_mib(ruler.pid)
            bad = {"global": every, "scrape_configs": [job(port, "good", ["/0"]), job(port, "bad", ["/bad/bomb"])]}
            (Path(folder) / "prometheus.yml").write_text(json.dumps(bad), encoding="utf-8")
            ruler.reload()
            most, until = before, time.monotonic() + 10
            while time.monotonic() < until:
                most = max(most, rss_mib(ruler.pid))
                time.sleep(0.005)
            ruler.wait("the bomb is refused", 'count(up{job="bad"} == 0)', 1)
    return f"a bomb of 200 KB: {most - before:.1f} MiB more at most, {most - before - CAP:.1f} above the cap of {CAP}"
