"""What a database does while it runs: it never makes anybody wait for a disk, and loses nothing that it can keep."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from common.errors import StartError
from ruler.database import Database, Overfull, Postponed, database, file
from ruler.database.rows import Change
from tests.bench.flips_state import MEMORY
from tests.ruler.database.state import THINGS, metric, numbers, put, remove, reopened
from tests.waiting import until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that suit tests."""
    monkeypatch.setattr(file, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr(database, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(database, "LONGEST_PAUSE", 0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory, where there is one, for what syncs often."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def opened(path: Path, registry: CollectorRegistry) -> Iterator[Database]:
    with closing(Database(path, registry)) as opened:
        opened.write([put("old", 1), put("gone", 1)]).result()
        yield opened


def error(name: str, kind: type[sa.exc.DBAPIError] = sa.exc.OperationalError) -> sa.exc.DBAPIError:
    """An error as SQLite gives it."""
    cause = sqlite3.OperationalError(name)
    cause.sqlite_errorname = name
    return kind(None, None, cause)


@contextmanager
def failing(statement: Callable[[str], BaseException | None]) -> Iterator[None]:
    """Let SQL statements fail with what `statement` gives for them."""

    def execute(_connection: object, _cursor: object, text: str, *_others: object) -> None:
        problem = statement(text)
        if problem is not None:
            raise problem

    sa.event.listen(sa.Engine, "before_cursor_execute", execute)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", execute)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another program hold the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def full(opened: Database) -> Callable[[], None]:
    """Let the disk be full, as SQLite sees it; what makes room again."""
    engine = opened._file._engine
    assert engine is not None

    def limit(pages: int) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    limit(1)  # which means: not one page more than there are
    return lambda: limit(1 << 30)


def test_what_is_written_is_read(opened: Database, path: Path) -> None:
    """Rows are there at once and after a restart; the newest state of each counts."""
    opened.write([put("old", 2), put("new", 3), remove("gone"), remove("never there")])
    assert {"old": 2, "new": 3} == numbers(opened)
    opened.close()
    assert ({"old": 2, "new": 3}, 0) == reopened(path)


def test_the_newest_state_of_a_row_is_written_alone(opened: Database, path: Path, registry: CollectorRegistry) -> None:
    """However often a row changes while nothing can be written, it waits once."""
    with locked(path):
        until("the lock is met", lambda: isinstance(opened.write([put("old", 0)]).exception(), Postponed))
        for number in range(1, 500):
            opened.write([put("old", number)])
        until("one row waits", lambda: metric(registry, "waiting_rows") == 1)  # two while an attempt is under way
    until("it is written", lambda: reopened(path)[0].get("old") == 499)


def test_a_lock_delays_nobody_and_loses_nothing(
    opened: Database, path: Path, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """While another program holds the file, writes come back at once; two lines and a gauge tell of it."""
    with locked(path):
        assert isinstance(opened.write([put("old", 2)]).exception(5), Postponed)
        for number in range(20):
            assert isinstance(opened.write([put(f"new {number}", 3)]).exception(0), Postponed)
        opened.write([remove("gone")])
        assert (1, 22) == (metric(registry, "degraded"), metric(registry, "waiting_rows"))
    until("it is written", lambda: metric(registry, "degraded") == 0)
    expected = {"old": 2} | {f"new {number}": 3 for number in range(20)}
    assert expected == numbers(opened)
    assert metric(registry, "write_errors_total") >= 1
    assert ["the database takes no writes: state is in memory alone", "the database takes writes again"] == [
        record.getMessage() for record in caplog.records
    ]
    assert all(record.exc_info is None for record in caplog.records)


def test_a_full_disk_delays_nobody_and_loses_nothing(
    opened: Database, path: Path, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """While there is no room, rows wait in memory; they are on the disk once there is."""
    make_room = full(opened)
    assert isinstance(opened.write([put("big", 1, "x" * 100_000)]).exception(5), Postponed)
    opened.write([put("old", 2), remove("gone")])
    assert (1, {"big": 1, "old": 2}) == (metric(registry, "degraded"), numbers(opened))
    make_room()
    until("it is written", lambda: metric(registry, "degraded") == 0)
    assert 2 == len(caplog.records)
    opened.close()
    assert ({"big": 1, "old": 2}, 0) == reopened(path)


def test_a_full_disk_is_not_asked_all_the_time(
    opened: Database, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts come at growing pauses, however much comes to be written and whatever else is due."""
    monkeypatch.setattr(database, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(database, "FIRST_PAUSE", 1000.0)
    opened._pause = database.FIRST_PAUSE
    make_room = full(opened)
    for number in range(200):
        opened.write([put(f"big {number}", 1, "x" * 100_000)])
    until("an attempt has failed", lambda: metric(registry, "degraded"))
    threading.Event().wait(0.2)
    assert 1 == metric(registry, "write_errors_total")
    make_room()


def test_after_the_end_nothing_hangs(opened: Database) -> None:
    """Whoever comes late is told at once."""
    opened.close()
    assert isinstance(opened.write([put("late")]).exception(0), Postponed)
    with pytest.raises(Postponed):
        opened.rows(THINGS)


def test_what_never_finds_room_is_said_to_be_lost(
    opened: Database, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A ruler that ends while nothing can be written says how many rows that costs; the file is as it was."""
    with locked(path):
        opened.write([put("old", 2), put("new")])
        opened.close()
    assert [2] == [record.facts["rows"] for record in caplog.records if "lost" in record.getMessage()]
    assert ({"old": 1, "gone": 1}, 0) == reopened(path)


@pytest.mark.parametrize("ends", [("",), ("", "-wal", "-shm")], ids=["alone", "with its log"])
def test_a_deleted_file_is_written_anew(
    opened: Database, path: Path, ends: tuple[str, ...], registry: CollectorRegistry
) -> None:
    """A file that somebody deletes comes back whole with the next write."""
    for end in ends:
        Path(f"{path}{end}").unlink()
    opened.write([put("new", 2), remove("gone")]).result(5)
    assert ({"old": 1, "new": 2}, 0) == reopened(path)
    assert (0, ["state"]) == (
        metric(registry, "write_errors_total"),
        [each.name for each in path.parent.iterdir() if each.suffix == "" and "-" not in each.name],
    )


def test_a_deleted_file_comes_back_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No write is needed for it, only time."""
    monkeypatch.setattr(database, "SYNC_SECONDS", 0.05)
    with closing(Database(path)) as opened:
        opened.write([put("old")]).result()
        path.unlink()
        until("the file is back", path.exists)
        assert ({"old": 1}, 0) == reopened(path)


def test_a_replaced_file_is_set_aside(opened: Database, path: Path) -> None:
    """A file that is put in the place of ours is kept beside it."""
    path.with_name("other").write_bytes(b"other")
    path.with_name("other").replace(path)
    opened.write([put("new", 2)]).result(5)
    assert ({"old": 1, "gone": 1, "new": 2}, 0) == reopened(path)
    assert b"other" == path.with_name("state.corrupt").read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "table dropped"])
def test_damage_at_run_time_is_reported_once(path: Path, registry: CollectorRegistry, damage: str) -> None:
    """A file that is damaged under the ruler costs what cannot be read; that is said then or at the next start."""
    with closing(Database(path, registry)) as opened:
        opened.write(put(f"{number}", number, "x" * 500) for number in range(100)).result()
        opened._file.sync()
        if damage == "table dropped":
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("DROP TABLE things")
        else:
            content = bytearray(path.read_bytes())
            content[: 4096 * 3] = b"\xa5" * 4096 * 3
            path.write_bytes(content if damage == "overwritten" else content[:4096])
        opened.write([put("new", 2)]).result(5)
        assert 2 == numbers(opened)["new"]
    found, reports = reopened(path)
    assert (1, 2) == (reports + metric(registry, "corrupt_files_total"), found["new"])
    assert (damage == "overwritten") == (len(found) > 50)
    assert (found, 0) == reopened(path)


def test_a_failed_sync_is_not_tried_again(opened: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a sync that failed everything is written to another file: the disk may have dropped what it had."""
    before = path.stat().st_ino
    failures = iter([error("SQLITE_IOERR_FSYNC")])
    monkeypatch.setattr(database, "SYNC_SECONDS", 0.05)
    with failing(lambda text: next(failures, None) if "checkpoint" in text else None):
        opened.write([put("new", 2)]).result(5)
        until("there is another file", lambda: path.exists() and path.stat().st_ino != before)
    assert {"old": 1, "gone": 1, "new": 2} == numbers(opened)
    assert ({"old": 1, "gone": 1, "new": 2}, 0) == reopened(path)


def test_commits_reach_the_disk_within_seconds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A while after a write the file alone has it, and the log is empty; without writes nothing is synced."""
    monkeypatch.setattr(database, "SYNC_SECONDS", 0.1)
    syncs = 0

    def count(text: str) -> None:
        nonlocal syncs
        syncs += "checkpoint" in text

    with closing(Database(path)) as opened, failing(count):
        opened.write([put("new", 2)]).result()
        log = path.with_name("state-wal")
        assert log.stat().st_size > 0
        until("the log is empty", lambda: log.stat().st_size == 0)
        after = syncs
        threading.Event().wait(0.3)
        assert (1, 1) == (after, syncs)
        path.with_name("copy").write_bytes(path.read_bytes())
        assert ({"new": 2}, 0) == reopened(path.with_name("copy"))


def test_what_waits_is_bounded(opened: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound new rows are refused and counted; rows that wait already may still change."""
    monkeypatch.setattr(database, "MAX_WAITING", 3)
    with locked(path):
        opened.write([put("old", 2), put("a"), put("b")])
        with pytest.raises(Overfull, match="database: 3 rows are waiting, 1 more are refused"):
            opened.write([put("a", 2), put("c")])
        opened.write([put("a", 3)])
    until("it is written", lambda: reopened(path)[0] == {"old": 2, "gone": 1, "a": 3, "b": 1})


def test_a_row_that_cannot_be_written_takes_no_other_with_it(
    opened: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the program costs its own row."""
    table, row_id, row = put("bad")
    assert row is not None
    bad = Change(table, row_id, {**row, "text": None})
    opened.write([put("first", 2), bad, put("last", 3)]).result(5)
    assert {"old": 1, "gone": 1, "first": 2, "last": 3} == numbers(opened)
    assert ["a row of state cannot be written"] == [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_BUSY", "SQLITE_CORRUPT"])
def test_whichever_statement_fails_nothing_is_lost(quick: Path, name: str) -> None:
    """With the Nth statement failing once, for each N until none is left, a restart finds all that was written."""
    at, hit = 0, True
    while hit:
        at += 1
        path = quick / str(at)
        with closing(Database(path)) as first:
            first.write(put(f"{number}", number) for number in range(5))
        left, hit = at, False

        def nth(_text: str) -> BaseException | None:
            nonlocal left, hit
            left -= 1
            hit = hit or left == 0
            return error(name) if left == 0 else None

        with failing(nth):
            try:
                with closing(Database(path)) as second:
                    second.write([put("0", 10), remove("1")])
                    assert 4 == len(second.rows(THINGS))
                    second.write([put("5", 5)])
            except StartError:
                assert name == "SQLITE_BUSY"  # another program has it: to be said, not to be worked around
                continue
        assert (at, {"0": 10, "2": 2, "3": 3, "4": 4, "5": 5}) == (at, reopened(path)[0])
    assert at > 15


def test_a_place_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    """A file that is a directory, or has none, is named."""
    for path, problem in (
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "no" / "state", "cannot be used as a database: no file can be written there"),
    ):
        with pytest.raises(StartError) as refused:
            Database(path)
        assert f"{path}: {problem}" == str(refused.value)


def test_a_database_in_memory_forgets(registry: CollectorRegistry) -> None:
    """Without a path everything works, and nothing is kept."""
    for _ in range(2):
        with closing(Database(None)) as opened:
            assert {} == numbers(opened)
            opened.write([put("new")]).result()
            assert {"new": 1} == numbers(opened)
