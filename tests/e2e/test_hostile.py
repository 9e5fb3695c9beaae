"""One bad target of each kind among 500 good ones: the real ruler, a farm of targets, and a clock on the wall."""

from __future__ import annotations

import json
import time
from pathlib import Path

import requests

from tests.e2e.street import Program
from tests.farm import job, lateness, report, running
from tests.peers import free_port
from tests.waiting import until

GOOD, INTERVAL, WATCHED = 500, 2, 8  # targets, seconds, seconds
SLACK = 0.5  # s that a scrape of a good target may be late

# What each kind of bad target has to say for itself in the end.
BAD = {
    "bomb": "body size limit exceeded",
    "churn": "",
    "many": "sample limit exceeded",
    "drip": "malformed HTTP response",
    "chunks": "context deadline exceeded",
    "hang": "context deadline exceeded",
    "reset": "eof",
    "half": "unexpected EOF",
    "loop": "stopped after 10 redirects",
    "file": "unsupported protocol scheme",
    "gopher": "unsupported protocol scheme",
    "html": "unsupported Content-Type",
    "flap": "",
    "binary": "",  # a NUL byte ends a page, as in Prometheus
    "label": "label_value_length_limit exceeded",
    "labels": "label_limit exceeded",
}


def test_bad_targets_cost_good_ones_nothing(tmp_path: Path) -> None:
    """No scrape of a good target is missed or late while bombs, floods, drips, loops and hangs go on beside them."""
    with running() as port, running() as bad_port:
        limits = {"sample_limit": 50_000, "label_limit": 100, "label_value_length_limit": 10_000}
        every = {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": "1s"}
        jobs = [
            job(port, "good", [f"/{number}" for number in range(GOOD)]),
            job(bad_port, "bad", [f"/bad/{kind}" for kind in BAD], **limits),
        ]
        config = tmp_path / "prometheus.yml"
        config.write_text(json.dumps({"global": every, "scrape_configs": jobs}))
        address = f"127.0.0.1:{free_port()}"
        ruler = Program(tmp_path, "ruler", f"--config.file={config}", f"--web.listen-address={address}")
        try:

            def value(query: str) -> float:
                data = requests.get(f"http://{address}/api/v1/query", {"query": query}, timeout=10).json()["data"]
                return float(data["result"][0]["value"][1]) if data["result"] else 0.0

            until("good targets are up", lambda: value('count(up{job="good"} == 1)') == GOOD)
            start = time.time() + INTERVAL
            time.sleep(WATCHED + 2 * INTERVAL)
            missed, late = lateness(report(port), INTERVAL, start, start + WATCHED)
            told = requests.get(f"http://{address}/api/v1/targets?scrapePool=bad", timeout=10).json()
            said = {each["labels"]["path"][5:]: each["lastError"] for each in told["data"]["activeTargets"]}
            unlike = {kind: error for kind, error in said.items() if kind != "flap" and BAD[kind] not in error}
            assert ({}, BAD.keys()) == (unlike, said.keys())
            p99 = late[int(len(late) * 0.99)]
            print(f"p99 of lateness {p99 * 1000:.0f} ms, most {late[-1] * 1000:.0f} ms")
            assert 0 == missed
            assert p99 < SLACK
            assert GOOD == value('count(up{job="good"} == 1)')
        finally:
            ruler.kill()
