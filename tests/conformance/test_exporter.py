"""The exporter beside the real node_exporter, under the real promtool and scraped by a real Prometheus."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from exporter.collectors import ALL
from tests.exporter.child import Child, running
from tests.exporter.pages import Page, read
from tests.peers import free_port, program, prometheus
from tests.waiting import until

pytestmark = pytest.mark.conformance

# Of the program itself, not of the host.
OWN_PROCESS = ("go_", "process_", "promhttp_", "python_", "node_exporter_build_info")
OURS_ALONE = {"node_timex_offset_overflow_total"}  # newer than the packaged node_exporter
EXCLUDE = "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run|mnt)($|/)"  # packages change the default


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
def theirs(peers: Path, textfiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real node_exporter with the same collectors: its page's address."""
    address = f"127.0.0.1:{free_port()}"
    page = f"http://{address}/metrics"
    flags = [f"--collector.{collector.name}" for collector in ALL]
    more = (EXCLUDE, f"--collector.textfile.directory={textfiles}", "--collector.stat.softirq",
            "--collector.netdev.device-exclude=")  # fmt: skip
    command = [str(peers / "node_exporter"), f"--web.listen-address={address}", "--collector.disable-defaults"]
    with program([*command, *flags, *more], page, tmp_path_factory.mktemp("node_exporter") / "log"):
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
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [ours.address]}]}],
    }
    with prometheus(peers, tmp_path, config) as peer:
        until("four scrapes", lambda: peer.values("count_over_time(up[1m])") >= [4.0], 30)
        assert [1.0] == peer.values("min_over_time(up[1m])")
        assert peer.values("scrape_samples_scraped") == peer.values("scrape_samples_post_metric_relabeling")
        assert peer.values("scrape_samples_scraped")[0] > 200
        assert 1 == len(peer.values("node_load1"))
        (target,) = peer.ask("targets")["data"]["activeTargets"]
        assert ("up", "") == (target["health"], target["lastError"])
        own = requests.get(f"{peer.url}/metrics", timeout=5).text
        refused = re.findall(r"^prometheus_target_scrapes_(\w+)_total (\S+)$", own, re.MULTILINE)
        assert {} == {
            name: count for name, count in refused if float(count) and name.startswith(("sample", "exceeded"))
        }
