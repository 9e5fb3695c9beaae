"""The laws of reading SQLite's files without SQLite, which is the oracle."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruler.database.pages import PAGE, Image, Log, read_log

FRAME = PAGE + 24
VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([0, 1, -1, 127, 128, 2**15, 2**23, 2**31, 2**47])
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=30)
    | st.binary(max_size=30)
    | st.integers(0, 20_000).map(lambda size: "é" * size)  # on overflow pages
)


def found(image: Image) -> list[tuple[int, list[object]]]:
    return sorted((record.row_id, record.values) for record in image.records())


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.lists(VALUES, min_size=3, max_size=3), max_size=60))
def test_every_row_is_found(tmp_path_factory: pytest.TempPathFactory, rows: dict[int, list[object]]) -> None:
    """What SQLite stored is read back, of every type and length, in whatever part of the tree it is."""
    path = tmp_path_factory.mktemp("pages") / "db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(key, *row) for key, row in rows.items()])
    image = Image(path.read_bytes(), Log({}))
    assert sorted((key, [None, *row]) for key, row in rows.items()) == found(image)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, int]:
    """A file and its log: 20 rows in the file, 20 more in the log, which has frames of an earlier round at its end."""
    folder = tmp_path_factory.mktemp("log")
    with closing(sqlite3.connect(folder / "db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(key, "x" * 900) for key in range(20)])
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(key, "y" * 10) for key in range(20, 40)])
        for name in ("db", "db-wal"):
            shutil.copy(folder / name, folder / f"{name}.copy")
    content, log = (folder / "db.copy").read_bytes(), (folder / "db-wal.copy").read_bytes()
    return content, log, 32 + 20 * FRAME


def ids(content: bytes, log: Log) -> list[int]:
    return [row_id for row_id, _ in found(Image(content, log))]


def test_a_log_belongs_to_its_file(logged: tuple[bytes, bytes, int]) -> None:
    """Rows that are in the log alone are found, and what the log has from before is no problem."""
    content, log, used = logged
    assert len(log) > used
    assert "" == read_log(log).problem
    assert (list(range(20)), list(range(40))) == (ids(content, Log({})), ids(content, read_log(log)))


def test_a_flip_in_a_log_is_seen_and_costs_little(logged: tuple[bytes, bytes, int]) -> None:
    """Each flip in the part of a log that counts is a problem; all commits before it and after it are found."""
    content, log, used = logged
    chance = random.Random(3)
    for place in [*range(32), *range(32, 32 + 24), *(chance.randrange(used) for _ in range(150))]:
        flipped = bytearray(log)
        flipped[place] ^= 1 << chance.randrange(8)
        read = read_log(bytes(flipped))
        assert (place, True) == (place, bool(read.problem))
        assert (place, True) == (place, len(ids(content, read)) >= 39)


def test_a_log_cut_anywhere_has_what_was_committed_before(logged: tuple[bytes, bytes, int]) -> None:
    """A log that ends too early has the commits before its end, as after the end of a process in the midst of one."""
    content, log, used = logged
    for end in (0, 1, 31, 32, 33, 32 + FRAME - 1, 32 + FRAME, 32 + FRAME + 1, used - 1, used - FRAME, used - FRAME + 5):
        read = read_log(log[:end])
        assert (end, "", 20 + max(0, end - 32) // FRAME) == (end, read.problem, len(ids(content, read)))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3 * PAGE), st.integers(0, 2**32))
def test_no_bytes_are_an_error(logged: tuple[bytes, bytes, int], garbage: bytes, at: int, seed: int) -> None:
    """Whatever a file or a log holds, reading it ends, and gives what it gives."""
    content, log, _ = logged
    noise = random.Random(seed).randbytes(4 * PAGE)
    bad = content[:at] + garbage + content[at + len(garbage) :]
    for each in (bad, content[:at], noise, b"\x0d" + noise):
        list(Image(each, read_log(log[:at] + garbage + log[at:])).records())
        read_log(each)
    pages = b"".join(b"\x0d" + noise[place + 1 : place + PAGE] for place in range(0, len(noise), PAGE))
    list(Image(pages, Log({})).records())
