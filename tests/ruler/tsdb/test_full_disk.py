"""A disk that fails costs durability, never an answer: samples go on into memory and move in when there is room."""

from __future__ import annotations

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
from ruler.tsdb.db import DB
from ruler.tsdb.disk import Data, Disk
from tests.ruler.tsdb.reading import BASE, Samples, bits, named, read

INTERVAL = 15_000
END = BASE + 10**9


class FailingDisk(Disk):
    """A disk that can be full, and that can fail once, at the Nth call."""

    def __init__(self, fail_at: int = 0) -> None:
        self.full = False
        self.calls, self.fail_at = 0, fail_at

    def _step(self) -> None:
        self.calls += 1
        if self.full or self.calls == self.fail_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open(self, path: Path) -> int:
        self._step()
        return super().open(path)

    def resize(self, descriptor: int, size: int) -> None:
        self._step()
        super().resize(descriptor, size)

    def write(self, descriptor: int, data: Data, offset: int, size: int) -> None:
        if self.full or self.calls + 1 == self.fail_at:  # half of it gets there
            half = bytes(data)[: size // 2]
            super().write(descriptor, half, offset, len(half))
        self._step()
        super().write(descriptor, data, offset, size)

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._step()
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
                values = np.arange(len(labels)) + self.tick / 1024
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


def test_any_single_failure_is_survived(tmp_path: Path) -> None:
    """Whichever call to the disk fails, nothing is lost while the process lives, and what is on disk is true."""
    failed = True
    number = 0
    while failed:
        number += 1
        disk = FailingDisk(fail_at=number)
        path = tmp_path / str(number)
        try:
            db = DB.open(path, clock=ManualClock(BASE), disk=disk)
        except StartError as error:
            assert "No space left" in str(error)  # noqa: PT017  (the loop goes on)
            continue
        scraping = Scraping(db)
        for _ in range(4):
            scraping.scrape(3)
            db.sync()
        scraping.scrape(1)
        assert read(db, BASE - 1, END) == scraping.expected
        db.close()
        failed = disk.calls >= number
        again = DB.open(path, clock=ManualClock(BASE))
        found = read(again, BASE - 1, END)
        again.close()
        assert found == scraping.expected, number
    assert number > 50


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
