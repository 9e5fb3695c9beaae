"""A disk that fails costs durability, never an answer: samples go on into memory and move in when there is room."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from common.clock import ManualClock
from common.errors import StartError
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from ruler.tsdb.files.disk import Data, Disk
from ruler.tsdb.keep import keeper, mergeable
from tests.ruler.tsdb.reading import BASE, Samples, bits, named, read

INTERVAL = 15_000
END = BASE + 10**9


class FailingDisk(Disk):
    """A disk that can be full, and that can fail at the Nth call: once, or from there on."""

    def __init__(self, fail_at: int = 0, *, for_good: bool = False) -> None:
        self.full = False
        self.fail_at, self._for_good = fail_at, for_good
        self.done: list[str] = []

    @property
    def calls(self) -> int:
        return len(self.done)

    @property
    def failed(self) -> bool:
        return 0 < self.fail_at <= self.calls

    def _step(self, kind: str) -> None:
        self.done.append(kind)
        if self.full or self.calls == self.fail_at or (self._for_good and self.failed):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open(self, path: Path) -> int:
        self._step("open")
        return super().open(path)

    def resize(self, descriptor: int, size: int) -> None:
        self._step("resize")
        super().resize(descriptor, size)

    def write(self, descriptor: int, data: Data, offset: int, size: int) -> None:
        if (self.full and not self._for_good) or self.calls + 1 == self.fail_at:  # half of it gets there
            half = bytes(data)[: size // 2]
            super().write(descriptor, half, offset, len(half))
        self._step("write")
        super().write(descriptor, data, offset, size)

    def sync(self, descriptor: int) -> None:
        self._step("sync")
        super().sync(descriptor)

    def cut(self, descriptor: int, size: int) -> None:
        self._step("cut")
        super().cut(descriptor, size)

    def sync_names(self, directory: Path) -> None:
        self._step("sync_names")
        super().sync_names(directory)

    def rename(self, old: Path, new: Path) -> None:
        self._step("rename")
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._step("remove")
        super().remove(path)

    def free(self, directory: Path) -> int:
        return 0 if self.full else super().free(directory)


class Scraping:
    """Scraping is three streams that append every tick; series come and values follow from labels and time."""

    def __init__(self, db: DB) -> None:
        self.db, self.tick = db, 0
        self.streams = [db.stream(f"s{n}", INTERVAL) for n in range(3)]
        self.expected: Samples = {}

    def scrape(self, ticks: int) -> None:
        for _ in range(ticks):
            for number, stream in enumerate(self.streams):
                labels = [named("m", stream=str(number), n=str(n)) for n in range(10 + self.tick // 4)]
                time = BASE + self.tick * INTERVAL + number
                values = np.arange(float(len(labels))) + self.tick / 1024
                done = stream.append(BASE + self.tick * INTERVAL, time, self.db.series(labels), values)
                assert done.stored == len(labels)
                for each, value in zip(labels, values.tolist(), strict=True):
                    self.expected.setdefault(str(each), []).append((time, bits(value)))
            self.tick += 1


def test_full_disk_costs_no_sample(tmp_path: Path) -> None:
    """While the disk is full every append is stored and answered; when there is room again everything moves in."""
    disk, registry = FailingDisk(), CollectorRegistry()
    db = DB.open(tmp_path, clock=ManualClock(BASE), disk=disk, registry=registry)
    scraping = Scraping(db)
    scraping.scrape(5)
    disk.full = True
    scraping.scrape(9)
    assert read(db, BASE - 1, END) == scraping.expected
    assert registry.get_sample_value("tocsin_tsdb_degraded") == 1
    db.sync()
    scraping.scrape(3)
    assert registry.get_sample_value("tocsin_tsdb_degraded") == 1
    disk.full = False
    db.sync()
    scraping.scrape(1)
    assert registry.get_sample_value("tocsin_tsdb_degraded") == 0
    db.sync()
    scraping.scrape(1)
    assert read(db, BASE - 1, END) == scraping.expected
    db.close()
    again = DB.open(tmp_path, clock=ManualClock(BASE))
    assert (again.health.corrupt_files, again.health.damaged_rows) == (0, 0)
    assert read(again, BASE - 1, END) == scraping.expected
    again.close()


def test_a_process_that_ends_while_the_disk_is_full_keeps_what_fits(tmp_path: Path) -> None:
    """Closing with a full disk raises nothing; what was written before is there afterwards."""
    disk = FailingDisk()
    db = DB.open(tmp_path, clock=ManualClock(BASE), disk=disk)
    scraping = Scraping(db)
    scraping.scrape(5)
    before = {name: list(samples) for name, samples in scraping.expected.items()}
    disk.full = True
    scraping.scrape(5)
    db.close()
    again = DB.open(tmp_path, clock=ManualClock(BASE))
    assert read(again, BASE - 1, END) == before
    again.close()


def test_a_disk_that_stays_full_costs_the_oldest_samples_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages in memory are sealed there, and of the chunks only as many are held as there is room for: the newest."""
    monkeypatch.setattr(keeper, "HOT", 0)
    disk = FailingDisk()
    db = DB.open(tmp_path, clock=ManualClock(BASE), disk=disk, retention=Retention(96 * INTERVAL))
    scraping = Scraping(db)
    disk.full = True
    for _ in range(20):
        scraping.scrape(4)
        db.sync()
        db.maintain(BASE + scraping.tick * INTERVAL)
    assert read(db, BASE - 1, END) == scraping.expected
    assert db.head().chunks > 2
    monkeypatch.setattr(keeper, "MEMORY_HELD", db.head().chunk_bytes - 1)
    db.maintain(BASE + scraping.tick * INTERVAL)
    found = read(db, BASE - 1, END)
    for name, samples in scraping.expected.items():
        assert samples[-16:] == found[name][-16:] == samples[len(samples) - len(found[name]) :][-16:]
    assert sum(map(len, found.values())) < sum(map(len, scraping.expected.values()))
    assert db.health.dropped_bytes > 0
    disk.full = False
    db.sync()
    scraping.scrape(1)
    for _ in range(3):
        db.sync()
        db.maintain(BASE + scraping.tick * INTERVAL)
    held = read(db, BASE - 1, END)
    db.close()
    again = DB.open(tmp_path, clock=ManualClock(BASE), retention=Retention(96 * INTERVAL))
    assert read(again, BASE - 1, END) == held
    again.close()


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages be sealed at once, and chunks be merged and labels be compacted after some dozen ticks."""
    monkeypatch.setattr(keeper, "HOT", 0)
    monkeypatch.setattr(mergeable, "MERGED_ROWS", 20)
    monkeypatch.setattr(keeper, "MAX_RECORDS", 8)


def lived(path: Path, disk: FailingDisk) -> tuple[Samples, Samples]:
    """A life of a database in which everything happens: what was appended, and what of it before the disk failed."""
    db = DB.open(path, clock=ManualClock(BASE), disk=disk, retention=Retention(96 * INTERVAL))
    scraping, before = Scraping(db), Samples()
    for _ in range(11):
        if not disk.failed:
            before = {name: list(samples) for name, samples in scraping.expected.items()}
        scraping.scrape(4)
        db.sync()
        with contextlib.suppress(OSError):
            db.maintain(BASE + scraping.tick * INTERVAL)
    assert read(db, BASE - 1, END) == scraping.expected
    db.close()
    return scraping.expected, before


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("for_good", [False, True])
def test_a_failure_of_any_call_is_survived(tmp_path: Path, for_good: bool) -> None:
    """Whichever call to the disk fails, once or from there on (as if the process were killed), nothing is lost while
    the process lives, and what is on disk is true: all of it after one failure, all that came before otherwise.
    """
    healthy = FailingDisk()
    expected, _ = lived(tmp_path / "healthy", healthy)
    assert {"open", "resize", "write", "cut", "sync", "sync_names", "rename", "remove"} == set(healthy.done)
    writes = [number for number, kind in enumerate(healthy.done, 1) if kind == "write"]
    alike = set(writes[20:]) - set(writes[20::13])  # most writes are appends
    for number in (number for number in range(1, healthy.calls + 1) if number not in alike):
        path, disk = tmp_path / str(number), FailingDisk(number, for_good=for_good)
        try:
            appended, before = lived(path, disk)
        except StartError as error:
            assert "No space left" in str(error)  # noqa: PT017  (the loop goes on)
            continue
        again = DB.open(path, clock=ManualClock(BASE), retention=Retention(96 * INTERVAL))
        found, health = read(again, BASE - 1, END), again.health
        again.close()
        assert health.damaged_blocks + health.damaged_rows + health.damaged_columns <= 1  # half of what was written
        if for_good:
            assert all(samples == appended[name][: len(samples)] for name, samples in found.items()), number
            assert all(len(found.get(name, ())) >= len(samples) for name, samples in before.items()), number
        else:
            assert found == appended == expected, (number, healthy.done[number - 1])


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """For root may write everywhere: be nobody for a while."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


@pytest.mark.usefixtures("ordinary_user")
def test_read_only_directory_is_one_line() -> None:
    """A directory that may not be written is a StartError that says so."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o500)
        with pytest.raises(StartError, match="cannot be written"):
            DB.open(path)
        path.chmod(0o700)
