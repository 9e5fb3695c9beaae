"""Capture what a real node_exporter says, to measure on: `python -m tests.bench.capture --every 1 --count 5760`.

A file of pages is records of the time (i64, ms), the size (u32) and the page in gzip. It is kept outside of the
repository, in the folder that TOCSIN_BENCH names (~/.cache/tocsin-bench).
"""

from __future__ import annotations

import argparse
import gzip
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from tests.bench.programs import PEERS
from tests.peers import free_port
from tests.waiting import until

FOLDER = Path(os.environ.get("TOCSIN_BENCH", Path.home() / ".cache/tocsin-bench"))
RECORD = struct.Struct("<qI")


def captured(path: Path) -> Iterator[tuple[int, bytes]]:
    """The times (ms) and pages of a file; one that is still being written ends with its last whole page."""
    with path.open("rb") as file:
        while len(head := file.read(RECORD.size)) == RECORD.size:
            time_ms, size = RECORD.unpack(head)
            page = file.read(size)
            if len(page) < size:
                return
            yield time_ms, gzip.decompress(page)


def capture(path: Path, every: float, count: int) -> None:
    """Ask a node_exporter of our own so many times, so many seconds apart."""
    address = f"127.0.0.1:{free_port()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    exporter = subprocess.Popen([PEERS / "node_exporter", f"--web.listen-address={address}"], stderr=subprocess.DEVNULL)
    try:
        until("an answer of node_exporter", lambda: _page(address))
        began = time.monotonic()
        with path.open("wb") as file:
            for turn in range(count):
                time.sleep(max(0.0, began + turn * every - time.monotonic()))
                packed = gzip.compress(_page(address))
                file.write(RECORD.pack(time.time_ns() // 1_000_000, len(packed)) + packed)
    finally:
        exporter.kill()
        exporter.wait()


def _page(address: str) -> bytes:
    try:
        with urlopen(f"http://{address}/metrics", timeout=10) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--every", type=float, default=1, help="seconds from page to page")
    arguments.add_argument("--count", type=int, default=5760)
    arguments.add_argument("--file", type=Path, default=FOLDER / "node-1s.pages")
    given = arguments.parse_args()
    capture(given.file, given.every, given.count)


if __name__ == "__main__":
    main()
