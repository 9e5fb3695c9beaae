"""The exporter beside the real node_exporter, under the real promtool and scraped by a real Prometheus."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from exporter.collectors import ALL
from tests.exporter.child import Child, running
from tests.exporter.pages import Page, read

pytestmark = pytest.mark.conformance

# Of the program itself, not of the host.
OWN_PROCESS = ("go_", "process_", "promhttp_", "python_", "node_exporter_build_info")
OURS_ALONE = {"node_timex_offset_overflow_total"}  # newer than the packaged node_exporter
EXCLUDE = "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run|mnt)($|/)"  # packages change the default


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(said: Callable[[], bool], seconds: float) -> None:
    """Wait for another program, at most so long."""
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end, "the program did not get there in time"
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


@contextmanager
def program(*command: str, ready: str) -> Iterator[None]:
    """A program that has answered at `ready`, stopped at the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(ready), 20)
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def textfiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one good file."""
    directory = tmp_path_factory.mktemp("textfile")
    (directory / "job.prom").write_text("# HELP job_ok Whether the job is well.\n# TYPE job_ok gauge\njob_ok 1\n")
    return directory


@pytest.fixture(scope="module")
def ours(textfiles: Path) -> Iterator[Child]:
    """Our exporter."""
    with running(EXCLUDE, f"--collector.textfile.directory={textfiles}", "--collector.stat.softirq") as child:
        yield child


@pytest.fixture(scope="module")
def theirs(peers: Path, textfiles: Path) -> Iterator[str]:
    """The real node_exporter with the same collectors: its page's address."""
    address = f"127.0.0.1:{free_port()}"
    page = f"http://{address}/metrics"
    flags = [f"--collector.{collector.name}" for collector in ALL]
    more = (EXCLUDE, f"--collector.textfile.directory={textfiles}", "--collector.stat.softirq",
            "--collector.netdev.device-exclude=")  # fmt: skip
    command = [str(peers / "node_exporter"), f"--web.listen-address={address}", "--collector.disable-defaults"]
    with program(*command, *flags, *more, ready=page):
        yield page


def comparable(page: Page) -> tuple[dict[str, str], set[str]]:
    """Types and series of what the two have in common."""
    types = {name: type_ for name, type_ in page.types.items() if not name.startswith(OWN_PROCESS)}
    series = {
        str(labels.without(["rotational"]))  # the packaged node_exporter fails to read it on virtio disks
        for labels in page.values
        if not labels["__name__"].startswith(OWN_PROCESS)
    }
    return types, series


def test_same_families_and_series(ours: Child, theirs: str) -> None:
    """On this host, every family, type, label and label value is node_exporter's."""
    their_types, their_series = comparable(read(requests.get(theirs, timeout=10).content))
    our_types, our_series = comparable(read(ours.get().content))
    extra = OURS_ALONE - their_types.keys()
    assert their_types == {name: type_ for name, type_ in our_types.items() if name not in extra}
    assert their_series == our_series - extra


def complaints(promtool: Path, page: bytes) -> set[str]:
    """What `promtool check metrics` says of a page, line by line."""
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, timeout=30, check=False)
    return set(done.stderr.decode().splitlines()) | set(done.stdout.decode().splitlines())


def test_promtool_has_no_complaint_of_its_own(peers: Path, ours: Child, theirs: str) -> None:
    """What promtool says of our page it says of node_exporter's too."""
    known = complaints(peers / "promtool", requests.get(theirs, timeout=10).content)
    assert set() == complaints(peers / "promtool", ours.get().content) - known


def test_prometheus_scrapes_it(peers: Path, ours: Child, tmp_path: Path) -> None:
    """A real Prometheus that scrapes every second has no failed scrape and no sample that it refuses."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [ours.address]}]}],
    }
    file = tmp_path / "prometheus.yml"
    file.write_text(json.dumps(config))
    base = f"http://127.0.0.1:{port}"
    flags = (f"--config.file={file}", f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}")

    def value(query: str) -> list[float]:
        found = requests.get(f"{base}/api/v1/query", params={"query": query}, timeout=5).json()["data"]["result"]
        return [float(series["value"][1]) for series in found]

    with program(str(peers / "prometheus"), *flags, ready=f"{base}/-/ready"):
        until(lambda: value("count_over_time(up[1m])") >= [4.0], 30)
        assert [1.0] == value("min_over_time(up[1m])")
        assert value("scrape_samples_scraped") == value("scrape_samples_post_metric_relabeling")
        assert value("scrape_samples_scraped")[0] > 200
        assert len(value("node_load1")) == 1
        (target,) = requests.get(f"{base}/api/v1/targets", timeout=5).json()["data"]["activeTargets"]
        assert ("up", "") == (target["health"], target["lastError"])
        own = requests.get(f"{base}/metrics", timeout=5).text
        refused = re.findall(r"^prometheus_target_scrapes_(\w+)_total (\S+)$", own, re.MULTILINE)
        assert {} == {
            name: count for name, count in refused if float(count) and name.startswith(("sample", "exceeded"))
        }
