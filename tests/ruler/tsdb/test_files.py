"""What is on disk survives: restarts, kills, damage of any file, a disk without room."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from common.errors import StartError
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import BASE, EVERYTHING, Samples, bits, named, read

INTERVAL = 15_000
END = BASE + 10**9
CHILD = Path(__file__).with_name("appending_child.py")


def fill(db: DB, ticks: int, start: int = BASE, series: int = 20) -> Samples:
    """Append two streams' worth of samples; what they are."""
    expected: Samples = {}
    for name in ("a", "b"):
        labels = [named("m", stream=name, n=str(n)) for n in range(series)]
        ids = db.series(labels)
        stream = db.stream(name, INTERVAL)
        for tick in range(ticks):
            time = start + tick * INTERVAL + ord(name)
            values = np.arange(series) * 1000.0 + tick
            stream.append(start + tick * INTERVAL, time, ids, values)
            for each, value in zip(labels, values.tolist(), strict=True):
                expected.setdefault(str(each), []).append((time, bits(value)))
    return expected


def reopened(path: Path) -> tuple[Samples, DB]:
    db = DB.open(path, clock=ManualClock(BASE))
    try:
        return read(db, BASE - 1, END), db
    finally:
        db.close()


def test_second_instance_is_refused(tmp_path: Path) -> None:
    """A second database on one directory does not open and names the process that has it."""
    db = DB.open(tmp_path / "data")
    with pytest.raises(StartError, match=f"in use by another process: pid {os.getpid()}"):
        DB.open(tmp_path / "data")
    db.close()
    DB.open(tmp_path / "data").close()


def test_unwritable_directory_is_one_line(tmp_path: Path) -> None:
    """A directory that cannot be made is a StartError, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="Not a directory"):
        DB.open(tmp_path / "file" / "data")


def test_series_continue_after_restart(tmp_path: Path) -> None:
    """Ids stay, and new streams continue the old ones' series as one column of one block."""
    db = DB.open(tmp_path, clock=ManualClock(BASE))
    labels = [named("m", n=str(n)) for n in range(50)]
    before = db.series(labels)
    db.stream("a", INTERVAL).append(BASE, BASE, before, np.arange(50.0))
    db.close()
    db = DB.open(tmp_path, clock=ManualClock(BASE))
    after = db.series(labels[::-1])[::-1]
    assert after.tolist() == before.tolist()
    db.stream("a", INTERVAL).append(BASE + INTERVAL, BASE + INTERVAL, after, np.arange(50.0))
    (block,) = db.select(EVERYTHING, BASE - 1, BASE + INTERVAL).blocks
    assert block.values.tolist() == [list(range(50))] * 2
    assert block.tick == (BASE, INTERVAL)
    db.close()


def test_kill_loses_nothing(tmp_path: Path) -> None:
    """A process killed at a random moment has lost no append that had returned, and no value has wrong labels."""
    acknowledged: dict[str, int] = {}
    chance = random.Random(1)
    for turn in range(5):
        with subprocess.Popen(
            [sys.executable, CHILD, tmp_path / "data", str(turn)], stdout=subprocess.PIPE, cwd=Path.cwd()
        ) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(1, 400)):
                tick, count = child.stdout.readline().split()
                acknowledged[tick.decode()] = int(count)
            child.kill()
            for line in child.stdout:  # what it had still said
                if line.endswith(b"\n"):
                    tick, count = line.split()
                    acknowledged[tick.decode()] = int(count)
    db = DB.open(tmp_path / "data", clock=ManualClock(BASE))
    assert (db.health.corrupt_files, db.health.damaged_rows, db.health.damaged_columns) == (0, 0, 0)
    selection = db.select(EVERYTHING, BASE - 1, END)
    seen: dict[str, int] = {}
    for block in (block for each in selection.blocks for block in each.blocks()):
        for column, labels in enumerate(selection.table.take(block.rows).all_labels()):
            present = block.values[:, column].view(np.int64) != 0x7FF4746F6373696E
            times = block.times[present, block.stream_of[column]]
            assert (block.values[present, column] == times - BASE + float(labels["n"]) / 1024).all()
            for time in times.tolist():
                seen[str(time)] = seen.get(str(time), 0) + 1
    assert {tick: seen.get(tick, 0) for tick in acknowledged} == acknowledged
    db.close()


def damaged(content: bytes, mode: str, at: int, chance: random.Random) -> bytes:
    if mode == "truncated":
        return content[:at]
    if mode == "zeroed":
        return (content[:at] + bytes(64) + content[at + 64 :])[: len(content)]
    where = min(at + chance.randrange(64), len(content) - 1)
    return content[:where] + bytes([content[where] ^ 1 << chance.randrange(8)]) + content[where + 1 :]


@pytest.mark.parametrize("mode", ["truncated", "zeroed", "flipped"])
def test_damage_is_noticed_and_the_rest_kept(tmp_path: Path, mode: str) -> None:
    """However a file is cut, zeroed or flipped, the database opens, every sample it gives is true, a loss is told."""
    original, copy = tmp_path / "original", tmp_path / "copy"
    db = DB.open(original, retention=Retention(INTERVAL * 16), clock=ManualClock(BASE))
    expected = fill(db, 5)
    db.close()
    total, chance = sum(map(len, expected.values())), random.Random(2)
    kept = opened = 0
    for name in ("00000001.page", "00000001.series"):
        content = (original / name).read_bytes()
        for at in range(0, len(content), 64):
            harmed = damaged(content, mode, at, chance)
            if harmed == content or (mode == "truncated" and not content[at:].strip(b"\0") and at % 4096):
                continue  # nothing was there
            shutil.copytree(original, copy)
            (copy / name).write_bytes(harmed)
            found, db = reopened(copy)
            shutil.rmtree(copy)
            for series, samples in found.items():
                assert set(samples) <= set(expected[series]), (name, at)
            here = sum(map(len, found.values()))
            health = db.health
            lost = health.damaged_rows or health.damaged_columns or health.unfinished_rows
            told = health.corrupt_files or health.damaged_blocks or lost
            assert told or here == total, (name, at)
            kept, opened = kept + here, opened + 1
    if mode == "flipped":
        assert kept > 0.95 * opened * total
