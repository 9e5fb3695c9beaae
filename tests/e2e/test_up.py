"""`tocsin up` as a newcomer meets it: one command, files that are theirs, one line for what is in the way."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.street import Program
from tests.peers import free_port, program
from tests.waiting import until

pytestmark = pytest.mark.e2e


class Up:
    """An Up is a running `tocsin up` on ports of its own."""

    def __init__(self, directory: Path, exporter: str = "", **environment: str) -> None:
        self.directory = directory
        self.ruler, self.receiver = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.exporter = exporter or f"127.0.0.1:{free_port()}"
        self.program = Program(
            directory,
            "up",
            f"--ruler.listen-address={self.ruler}",
            f"--receiver.listen-address={self.receiver}",
            TOCSIN_EXPORTER_ADDRESS=self.exporter,
            TOCSIN_DATA="mine",
            **environment,
        )

    @property
    def data(self) -> Path:
        return self.directory / "mine"

    def wait(self) -> None:
        until("it says that it is up", lambda: "Ctrl-C stops it" in self.program.log)

    def query(self, text: str) -> list[str]:
        answer = requests.get(f"http://{self.ruler}/api/v1/query", params={"query": text}, timeout=5).json()
        return [series["value"][1] for series in answer["data"]["result"]]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path)
    yield up
    up.program.kill()


def refusal(directory: Path, *arguments: str) -> str:
    """What a `tocsin up` says that cannot start; it ends with 1 and without a traceback."""
    refused = Program(directory, "up", *arguments)
    assert 1 == refused.process.wait(20)
    return refused.log.strip()


def test_a_first_start_makes_everything(up: Up) -> None:
    """Config, targets, rules and a token appear; the token works at once, and only its hash is kept."""
    up.wait()
    files = {path.relative_to(up.data).as_posix() for path in up.data.rglob("*.yml")}
    assert {"prometheus.yml", "tocsin.yml", "targets/node.yml", "rules/node.yml", "rules/laravel.yml"} <= files
    for address in (up.ruler, up.receiver, up.exporter):
        assert f"http://{address}/" in up.program.log
    [token] = re.findall(r"X-API-Token: (\w+)", up.program.log)
    assert token not in (up.data / "api-tokens").read_text(encoding="utf-8")
    pushed = requests.post(
        f"http://{up.receiver}/api/v1/push",
        json={"metrics": {"queue_depth": 12}},
        headers={"X-API-Token": token},
        timeout=5,
    )
    assert 200 == pushed.status_code
    rules = requests.get(f"http://{up.ruler}/api/v1/rules", timeout=5).json()["data"]["groups"]
    assert 15 <= sum(rule["type"] == "alerting" for group in rules for rule in group["rules"]) <= 30


def test_files_are_written_once_and_a_host_is_one_line(up: Up) -> None:
    """What the user changed stays through a restart; a target that is added is scraped without one."""
    up.wait()
    targets = up.data / "targets" / "node.yml"
    targets.write_text(targets.read_text(encoding="utf-8") + "    - 127.0.0.1:1\n", encoding="utf-8")
    until(
        "the new host is a target",
        lambda: "127.0.0.1:1" in requests.get(f"http://{up.ruler}/api/v1/targets", timeout=5).text,
    )
    config = up.data / "prometheus.yml"
    mine = config.read_text(encoding="utf-8") + "# my own line\n"
    config.write_text(mine, encoding="utf-8")
    began = time.monotonic()
    assert 0 == up.program.stop()
    assert time.monotonic() - began < 5
    assert "Traceback" not in up.program.log
    again = Up(up.directory)
    again.wait()
    assert "X-API-Token" not in again.program.log
    assert mine == config.read_text(encoding="utf-8")
    assert f"no file in mine names {again.exporter}" in again.program.log
    assert 0 == again.program.stop()


def test_a_node_exporter_that_is_there_is_scraped(tmp_path: Path, peers: Path) -> None:
    """Where one answers already, ours is not started, and its samples come in."""
    address = f"127.0.0.1:{free_port()}"
    command = [str(peers / "node_exporter"), f"--web.listen-address={address}"]
    with program(command, f"http://{address}/metrics", tmp_path / "node_exporter.log"):
        up = Up(tmp_path, exporter=address)
        try:
            up.wait()
            assert "already running, scraped as it is" in up.program.log
            until("its samples", lambda: up.query("node_exporter_build_info") == ["1"], seconds=30)
        finally:
            up.program.kill()


def test_what_is_in_the_way_is_one_line(up: Up, tmp_path: Path) -> None:
    """A taken port, a directory in use and one that cannot be made: who, what, and what to do."""
    up.wait()
    port = up.ruler.rpartition(":")[2]
    assert (
        f"Error: ruler: cannot listen on {up.ruler}: port {port} is taken by another program "
        "(choose another listen address, or stop that program)"
    ) == refusal(tmp_path, f"--ruler.listen-address={up.ruler}")
    free = [f"--{name}.listen-address=127.0.0.1:{free_port()}" for name in ("ruler", "receiver", "exporter")]
    in_use = refusal(tmp_path, "--data=mine", *free)
    assert (1, True) == (len(in_use.splitlines()), str(up.program.process.pid) in in_use)
    assert "Error: /proc/nope: cannot be made: " in refusal(tmp_path, "--data=/proc/nope", *free)
