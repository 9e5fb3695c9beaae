"""What a sample takes on disk: captured pages of a real node_exporter, stored by the ruler's database and Prometheus.

Pages that were captured every second are stamped 15 s apart, so that an hour and a half is a day; pages that are truly
15 s apart show what that changes. Prometheus's blocks are made by promtool, with the longest spans that Prometheus
compacts to, and again in spans of two hours that a running Prometheus then compacts. Both get the same samples.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.labels import Labels
from ruler.model.arrays import IntArray
from ruler.scrape.config import ScrapeSettings
from ruler.scrape.labelling import SampleLabels
from ruler.scrape.page.parse import PageParser
from ruler.scrape.page.shapes import Shapes
from ruler.tsdb.db import DB
from ruler.tsdb.files.page import Page
from tests.bench.capture import FOLDER, captured
from tests.bench.database import maintained, opened
from tests.bench.history import NO_TARGETS
from tests.bench.load import TICK
from tests.bench.programs import PEERS, PROMETHEUS, program

TARGET = {"instance": "host-0:9100", "job": "node"}
DAY = 5760  # pages
COMPACTED_WITHIN, IDLE_AFTER = 600, 150  # seconds


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures are what a directory takes for how many samples, by kind of file."""

    name: str
    samples: int
    by_kind: dict[str, int]

    @property
    def per_sample(self) -> float:
        return sum(self.by_kind.values()) / self.samples

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {size / self.samples:.3f}" for kind, size in sorted(self.by_kind.items()))
        return f"{self.name:30} {self.per_sample:6.3f} B/sample ({kinds}) of {self.samples:,} samples"


def measure(*, full: bool) -> Iterator[object]:
    """The figures of each capture that there is; without `full`, of its first quarter and without waiting."""
    for path, what in ((FOLDER / "node-1s.pages", "1 s stamped as 15 s"), (FOLDER / "node-15s.pages", "15 s")):
        if not path.exists():
            yield f"{path} is not there: python -m tests.bench.capture --file {path}"
            continue
        pages = [page for _, page in captured(path)][: DAY if full else DAY // 4]
        yield f"{len(pages):,} pages of node_exporter, {what}"
        start = (int(time.time() * 1000) - len(pages) * TICK) // TICK * TICK
        with tempfile.TemporaryDirectory() as folder:
            ours, sealed = stored(Path(folder) / "tocsin", pages, start)
            yield from (ours, sealed)
            theirs = []
            for figures in blocks(Path(folder), pages, start, compacted=full):
                if figures.samples != ours.samples:
                    raise RuntimeError(f"not the same samples: {figures.samples} and {ours.samples}")
                theirs.append(figures.per_sample)
                yield figures
            yield f"ratio to the smallest of these: {ours.per_sample / min(theirs):.2f}"


def stored(directory: Path, pages: list[bytes], start: int) -> tuple[Figures, Figures]:
    """What a directory of ours takes after these pages, 15 s apart, and what the chunks in it do by themselves."""
    db = opened(directory, start)
    nothing: IntArray = np.empty(0, dtype=np.int64)
    join = SampleLabels(Labels(TARGET), ScrapeSettings(job_name="node"))
    parser = PageParser(join, db.series, lambda: db.openings, reserved=nothing, shapes=Shapes())
    stream = db.stream("host-0", TICK)
    samples = 0
    for turn, page in enumerate(pages):
        at = start + turn * TICK
        columns = parser.parse(page)
        samples += stream.append(at, at, columns.series, columns.values).stored
        maintained(db, at)
    in_pages = _in_pages(db)
    db.close()
    kinds = _by_kind(directory)
    chunks = Figures("tocsin, chunks", max(1, samples - in_pages), {"chunk": kinds.get("chunk", 0)})
    return Figures("tocsin, whole directory", samples, kinds), chunks


def _in_pages(db: DB) -> int:
    pages = [leaf for ring in db._rings.values() for leaf in ring.leaves if isinstance(leaf, Page)]
    return sum(int(np.count_nonzero(page.cells)) for page in pages)


def blocks(folder: Path, pages: list[bytes], start: int, *, compacted: bool) -> Iterator[Figures]:
    """Prometheus's blocks of the same samples: made long by promtool, and `compacted` by Prometheus itself."""
    text = folder / "pages.om"
    with text.open("wb") as file:
        for turn, page in enumerate(pages):
            stamp = b" %d\n" % ((start + turn * TICK) // 1000)
            file.writelines(line + stamp for line in page.splitlines() if line and not line.startswith(b"#"))
        file.write(b"# EOF\n")
    long = folder / "long"
    _promtool(text, long, "--max-block-duration=1d")
    yield _of_blocks("prometheus, blocks of 18 h", long)
    if not compacted:
        return
    with program(PROMETHEUS, folder / "prometheus", NO_TARGETS) as server:
        _promtool(text, server.data)
        yield _of_blocks("prometheus, blocks of 2 h", server.data)
        server.start()
        began = changed = time.monotonic()
        count = 0.0
        while time.monotonic() - began < COMPACTED_WITHIN and time.monotonic() - changed < IDLE_AFTER:
            done = _compactions(server.get("/metrics"))
            if done != count:
                count, changed = done, time.monotonic()
            time.sleep(2)
        yield _of_blocks(f"prometheus, {count:.0f} compactions", server.data)


def _promtool(text: Path, into: Path, *flags: str) -> None:
    labels = [f"--label={name}={value}" for name, value in TARGET.items()]
    command = [str(PEERS / "promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet", *labels, *flags]
    subprocess.run([*command, str(text), str(into)], check=True, capture_output=True)


def _compactions(metrics: bytes | None) -> float:
    name = b"prometheus_tsdb_compactions_total "
    return sum(float(line[len(name) :]) for line in (metrics or b"").splitlines() if line.startswith(name))


def _of_blocks(name: str, directory: Path) -> Figures:
    samples, kinds = 0, dict[str, int]()
    for meta in directory.glob("*/meta.json"):
        samples += json.loads(meta.read_bytes())["stats"]["numSamples"]
        for kind, size in _by_kind(meta.parent).items():
            kinds[kind] = kinds.get(kind, 0) + size
    return Figures(f"{name} ({len(list(directory.glob('*/meta.json')))})", samples, kinds)


def _by_kind(directory: Path) -> dict[str, int]:
    """What the files take, by what they are called without their numbers."""
    found: dict[str, int] = {}
    for path in directory.rglob("*"):
        if path.is_file():
            kind = path.suffix.lstrip(".") or path.name.strip("0123456789") or path.parent.name
            found[kind] = found.get(kind, 0) + path.stat().st_blocks * 512
    return found
