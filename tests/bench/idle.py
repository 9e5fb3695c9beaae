"""What the idle stack keeps in memory: `tocsin up` beside the four peers that do the same, each with the stock rules.

PSS counts a page that several processes share in parts, so the figures of processes can be added up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.programs import PEERS, ROOT, cpu_seconds, pss_mib
from tests.peers import free_port

QUICK, FULL = 30, 120  # seconds


@dataclass(frozen=True)
class Figures:
    """Figures are the memory (PSS, MiB) of one stack after some time, by process, and its CPU (seconds)."""

    name: str
    mebibytes: dict[str, float]
    cpu_seconds: float
    missing: tuple[str, ...] = ()  # programs that ended early (a packaged Alertmanager wants files in /usr/share)

    @property
    def total(self) -> float:
        return sum(self.mebibytes.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size:.0f}" for name, size in self.mebibytes.items())
        absent = f"; did not run: {', '.join(self.missing)}" if self.missing else ""
        return f"{self.name:7} {self.total:6.1f} MiB ({parts}), {self.cpu_seconds:.1f} s of CPU{absent}"


def measure(seconds: int) -> Iterator[object]:
    """Run both stacks at once for so long, then look."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        stacks = {
            "tocsin": {"tocsin up": running.enter_context(_process(_tocsin(Path(folder) / "tocsin")))},
            "peers": {
                name: running.enter_context(_process(command))
                for name, command in _peers(Path(folder) / "peers").items()
            },
        }
        time.sleep(seconds)
        ours, theirs = (_weighed(name, processes) for name, processes in stacks.items())
    yield from (ours, theirs, f"ratio {ours.total / theirs.total:.2f}")


def _weighed(name: str, processes: dict[str, subprocess.Popen[bytes]]) -> Figures:
    alive = {each: process.pid for each, process in processes.items() if process.poll() is None}
    missing = tuple(processes.keys() - alive.keys())
    return Figures(
        name, {each: pss_mib(pid) for each, pid in alive.items()}, sum(map(cpu_seconds, alive.values())), missing
    )


def _tocsin(folder: Path) -> list[str]:
    addresses = [f"--{name}.listen-address=127.0.0.1:{free_port()}" for name in ("ruler", "receiver", "exporter")]
    return [sys.executable, "-m", "tocsin", "up", f"--data={folder}", *addresses]


def _peers(folder: Path) -> dict[str, list[str]]:
    folder.mkdir()
    at = {name: f"127.0.0.1:{free_port()}" for name in ("prometheus", "alertmanager", "node_exporter", "pushgateway")}
    (folder / "alertmanager.yml").write_text("route: {receiver: x}\nreceivers: [{name: x}]\n", encoding="utf-8")
    jobs = {"node": at["node_exporter"], "receiver": at["pushgateway"], "tocsin": at["prometheus"]}
    config = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [str(ROOT / "rules" / "*.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [at["alertmanager"]]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in jobs.items()
        ],
    }
    (folder / "prometheus.json").write_text(json.dumps(config), encoding="utf-8")
    flags = {
        "prometheus": [f"--config.file={folder / 'prometheus.json'}", f"--storage.tsdb.path={folder / 'data'}"],
        "alertmanager": [
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alerts'}",
            "--cluster.listen-address=",
        ],
        "node_exporter": [],
        "pushgateway": [],
    }
    return {
        name: [str(PEERS / name), f"--web.listen-address={at[name]}", *arguments] for name, arguments in flags.items()
    }


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
