"""Power loss: what was not synced may be there, in part or not at all, in any order. What was synced is there."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from ruler.tsdb.files.disk import Data, Disk
from ruler.tsdb.keep import keeper, mergeable
from tests.ruler.tsdb.reading import BASE, Samples, bits, named, read

INTERVAL = 15_000
END = BASE + 10**9


class Cache(Disk):
    """A Cache is a disk whose machine can lose power: then it takes back some of what was not synced, at random."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._paths: dict[int, Path] = {}
        self._writes: dict[Path, list[tuple[int, bytes, int]]] = {}  # unsynced: where, what was there, the old size
        self._names: list[Callable[[], None]] = []  # how to take back what happened to names since they were synced
        self.dead = False

    def _alive(self) -> None:
        if self.dead:
            raise OSError(5, "no power")

    def open(self, path: Path) -> int:
        self._alive()
        new = not path.exists()
        descriptor = super().open(path)
        self._paths[descriptor] = path
        if new:
            self._writes.pop(path, None)
            self._names.append(lambda: path.unlink(missing_ok=True))
        return descriptor

    def _note(self, descriptor: int, offset: int, size: int) -> None:
        before = os.pread(descriptor, size, offset)
        entry = (offset, before, os.fstat(descriptor).st_size)
        self._writes.setdefault(self._paths[descriptor], []).append(entry)

    def resize(self, descriptor: int, size: int) -> None:
        self._alive()
        self._note(descriptor, 0, 0)
        super().resize(descriptor, size)

    def cut(self, descriptor: int, size: int) -> None:
        self._alive()
        super().cut(descriptor, size)

    def write(self, descriptor: int, data: Data, offset: int, size: int) -> None:
        self._alive()
        self._note(descriptor, offset, size)
        super().write(descriptor, data, offset, size)

    def sync(self, descriptor: int) -> None:
        self._alive()
        self._writes.pop(self._paths[descriptor], None)

    def sync_names(self, directory: Path) -> None:
        self._alive()
        self._names.clear()

    def rename(self, old: Path, new: Path) -> None:
        self._alive()
        content, before = old.read_bytes(), new.read_bytes() if new.exists() else None
        super().rename(old, new)

        def back() -> None:
            old.write_bytes(content)
            new.unlink(missing_ok=True)
            if before is not None:
                new.write_bytes(before)

        self._names.append(back)

    def remove(self, path: Path) -> None:
        self._alive()
        content = path.read_bytes() if path.exists() else None
        super().remove(path)
        if content is not None:
            self._names.append(lambda: None if path.exists() else _written(path, content))

    def lose_power(self) -> None:
        """Take back some of what was not synced: any of the writes, and names from some moment on."""
        self.dead = True
        for path, writes in self._writes.items():
            if not path.exists():
                continue
            if self._chance.random() < 0.2:  # not even its length got there
                os.truncate(path, writes[0][2])
                continue
            with path.open("r+b") as file:
                for offset, before, _ in reversed(writes):
                    if self._chance.random() < 0.5:
                        torn = self._chance.randrange(len(before) + 1) if self._chance.random() < 0.3 else 0
                        file.seek(offset + torn)
                        file.write(before[torn:])
        for back in reversed(self._names[self._chance.randrange(len(self._names) + 1) :]):
            back()


def _written(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize("seed", range(40))
def test_what_was_synced_survives_power_loss(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever power fails, what was appended before the last sync is there, and nothing is there that was not appended
    or under other labels, through sealing, merging and compaction of labels.
    """
    for module, constant, value in ((keeper, "HOT", 0), (mergeable, "MERGED_ROWS", 24), (keeper, "MAX_RECORDS", 6)):
        monkeypatch.setattr(module, constant, value)
    chance = random.Random(seed)
    disk, retention = Cache(chance), Retention(96 * INTERVAL)
    db = DB.open(tmp_path, clock=ManualClock(BASE), disk=disk, retention=retention)
    appended, synced = Samples(), Samples()
    streams = [db.stream(str(n), INTERVAL) for n in range(2)]
    for tick in range(chance.randrange(3, 60)):
        for number, stream in enumerate(streams):
            labels = [named("m", stream=str(number), n=str(n)) for n in range(5 + tick // 5)]
            time, values = BASE + tick * INTERVAL + number, np.arange(float(len(labels))) * 1_000 + tick
            stream.append(BASE + tick * INTERVAL, time, db.series(labels), values)
            for each, value in zip(labels, values.tolist(), strict=True):
                appended.setdefault(str(each), []).append((time, bits(value)))
        if chance.random() < 0.4:
            db.sync()
            synced = {name: list(samples) for name, samples in appended.items()}
        if chance.random() < 0.3:
            db.maintain(BASE + tick * INTERVAL)
    disk.dead = True
    with contextlib.suppress(OSError):
        db.close()
    disk.lose_power()
    again = DB.open(tmp_path, clock=ManualClock(BASE), retention=retention)
    found = read(again, BASE - 1, END)
    again.close()
    assert all(set(samples) <= set(appended[name]) for name, samples in found.items())
    assert all(set(samples) <= set(found.get(name, ())) for name, samples in synced.items())
