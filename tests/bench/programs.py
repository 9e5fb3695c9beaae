"""The ruler, the real Prometheus and VictoriaMetrics as processes that a bench starts, asks, weighs and kills.

The first two have the same config file, flags and API, so a bench says once what it does to either; the third has the
API.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.peers import free_port, programs_folder

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = programs_folder()
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
TOCSIN, PROMETHEUS, VICTORIA = "tocsin", "prometheus", "victoriametrics"
STOPPED_WITHIN = 60  # seconds

# Where pip installs a program it leaves its modules compiled, whatever this says of the working tree.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(slots=True)
class Program:
    """A Program is one of them, started any number of times on the same data and address."""

    name: str
    command: Sequence[str]
    address: str
    data: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0  # time.monotonic()
    problem: str = ""  # why it gave no answer last

    def start(self) -> None:
        with self.log.open("ab") as said:
            self.started = time.monotonic()
            self.process = subprocess.Popen(self.command, cwd=ROOT, env=ENVIRONMENT, stdout=said, stderr=said)

    def kill(self) -> None:
        """End it with SIGKILL, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Let it end in its own way, if it runs."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOPPED_WITHIN)
            self.process = None

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} does not run"
        return self.process.pid

    def get(self, path: str, timeout: float = 60, **values: str) -> bytes | None:
        """The body of its answer; None when it does not answer, or not with 200."""
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            connection.request("GET", f"{path}?{urlencode(values)}" if values else path)
            response = connection.getresponse()
            body = response.read()
            if response.status == http.HTTPStatus.OK:
                return body
            self.problem = f"{response.status} {body[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            self.problem = repr(error)
        finally:
            connection.close()
        return None

    def query(self, text: str, timeout: float = 60, **values: str) -> list[dict[str, Any]] | None:
        """The series of an instant query's answer; None when there is no answer."""
        body = self.get("/api/v1/query", timeout, query=text, **values)
        return None if body is None else list(json.loads(body)["data"]["result"])

    def value(self, text: str, timeout: float = 60) -> float | None:
        """The value of a query that gives one series; None when it gives none, or there is no answer."""
        found = self.query(text, timeout)
        return float(found[0]["value"][1]) if found else None

    def wait(self, what: str, text: str, value: float, seconds: float = 120, pause: float = 0.1) -> None:
        """Wait until a query gives this value."""
        deadline = time.monotonic() + seconds
        while self.value(text) != value:
            if time.monotonic() > deadline or (self.process is not None and self.process.poll() is not None):
                raise RuntimeError(f"{self.name}: not within {seconds} s: {what} (see {self.log})")
            time.sleep(pause)

    def reload(self) -> None:
        """Take up its config file as it is now."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("POST", "/-/reload")
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{self.name} does not reload: {answer.read()!r}")
        connection.close()


@contextmanager
def program(name: str, folder: Path, config: Mapping[str, Any], *flags: str) -> Iterator[Program]:
    """One of the three, not started yet, with its files in `folder`; it is ended at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config)
    address = f"127.0.0.1:{free_port()}"
    command = _victoria(folder, address) if name == VICTORIA else _prometheus(name, folder, address)
    made = Program(name, [*command, *flags], address, folder / "data", folder / "log")
    try:
        yield made
    finally:
        made.kill()


def _prometheus(name: str, folder: Path, address: str) -> list[str]:
    own = [str(PEERS / "prometheus")] if name == PROMETHEUS else [sys.executable, "-m", "tocsin", "ruler"]
    return [
        *own,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    ]


def _victoria(folder: Path, address: str) -> list[str]:
    return [
        str(PEERS / "victoria-metrics"),
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr={address}",
        "-loggerLevel=WARN",
        "-retentionPeriod=100y",
    ]


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Put the config where `program` looks for it."""
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors so far, its own code and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def pss_mib(pid: int) -> float:
    """The process's memory, in which a page that several share counts in parts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def mapped_mib(pid: int, directory: Path) -> float:
    """How much of that is maps of files that are in `directory` now: the page cache holds them once for all."""
    total, inside = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        if "-" in line.split(" ", 1)[0]:
            inside = str(directory) in line and not line.endswith("(deleted)")
        elif inside and line.startswith("Pss:"):
            total += int(line.split()[1])
    return total / 1024


def cached_mib(directory: Path) -> float:
    """How much of the files in `directory` is in the page cache (fincore of util-linux)."""
    files = [str(path) for path in directory.rglob("*") if path.is_file() and path.stat().st_size]
    total = 0
    for at in range(0, len(files), 500):
        command = ["fincore", "--bytes", "--noheadings", "--raw", "--output=RES", *files[at : at + 500]]
        told = subprocess.run(command, capture_output=True, text=True, check=False)  # a file may have gone meanwhile
        total += sum(map(int, told.stdout.split()))
    return total / (1 << 20)


def forget_cache(directory: Path) -> None:
    """Let the page cache go of what it can: what is mapped or being used comes back at once."""
    os.sync()
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def used_bytes(directory: Path, pattern: str = "*") -> int:
    """What files take of the disk, in whole blocks, as `du` counts it."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob(pattern) if path.is_file())


def size_bytes(directory: Path, pattern: str = "*") -> int:
    """The lengths of files, added up."""
    return sum(path.stat().st_size for path in directory.rglob(pattern) if path.is_file())
