"""The exporter as a process of its own, on a free port."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).parent.parent.parent
RUN = "from exporter.cli import exporter; exporter()"


@dataclass
class Child:
    """A Child is a running exporter: its process and the address that it listens on."""

    process: subprocess.Popen[str]
    address: str

    def get(self, path: str = "/metrics", **headers: str) -> requests.Response:
        return requests.get(f"http://{self.address}{path}", headers=headers, timeout=10)


def start(*flags: str) -> subprocess.Popen[str]:
    """Start an exporter with these flags; its log is on its standard error."""
    command = [sys.executable, "-c", RUN, *flags]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


@contextmanager
def running(*flags: str) -> Iterator[Child]:
    """An exporter that listens, and is stopped at the end."""
    process = start("--web.listen-address=127.0.0.1:0", *flags)
    assert process.stderr is not None
    with process.stderr:
        try:
            line = process.stderr.readline()
            found = re.search(r"msg=listening address=(\S+)", line)
            assert found, line
            yield Child(process, found[1])
        finally:
            process.terminate()
            process.wait(10)
