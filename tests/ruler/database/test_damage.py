"""What a start makes of a file of state that is not as it was written."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from common.errors import StartError
from ruler.database import Database
from ruler.database.rows import LEDGER
from tests.bench import flips_state
from tests.ruler.database.state import THINGS, metric, numbers, put, remove, reopened

FLIPS, SIZE = int(os.environ.get("FLIPS", "40")), 60  # the whole measurement is tests/bench/flips_state.py
ROWS = {f"thing {number}": number for number in range(200)}
LONG = "long " * 3000
PAGE = 4096

NO_DAMAGE, DAMAGE = 0, 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with ROWS."""
    path = tmp_path_factory.mktemp("whole") / "state"
    with closing(Database(path)) as database:
        database.write(put(name, number, LONG if number == 7 else "") for name, number in ROWS.items())
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, whole: bytes) -> Path:
    path = tmp_path / "state"
    path.write_bytes(whole)
    return path


def run(path: Path, sql: str) -> None:
    """What somebody does to the file with another program."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


@pytest.mark.parametrize("kind", flips_state.KINDS)
def test_no_flip_changes_anything_in_silence(kind: str) -> None:
    """After any flip of a bit, all is read as it was written or the damage is reported; 99 % is left on average."""
    figure = flips_state.measure(kind, FLIPS, size=SIZE)
    assert (FLIPS, 0) == (figure.flips, figure.silent)
    assert figure.kept >= 0.99


def test_a_whole_file_is_no_damage(path: Path) -> None:
    """What was written is there, and nothing is reported or set aside."""
    assert (ROWS, NO_DAMAGE) == reopened(path)
    assert ["state"] == [each.name for each in path.parent.iterdir()]


@pytest.mark.parametrize("size", [0, 1, 99, 100, PAGE - 1, PAGE, PAGE + 1, 11 * PAGE, 13 * PAGE + 17])
def test_a_truncated_file_gives_what_it_holds(path: Path, whole: bytes, size: int) -> None:
    """A file that was cut keeps the rows before the cut, starts, and says so."""
    os.truncate(path, size)
    found, reports = reopened(path)
    assert (DAMAGE, True) == (reports, found.items() <= ROWS.items())
    assert (size > 10 * PAGE) == bool(found)
    assert whole[:size] == path.with_name("state.corrupt").read_bytes()
    assert (found, NO_DAMAGE) == reopened(path)


@pytest.mark.parametrize(
    "content", [b"rubbish", b"\0" * 5000, random.Random(1).randbytes(20_000), b"SQLite format 3\0"]
)
def test_garbage_is_set_aside(path: Path, content: bytes) -> None:
    """Any bytes at all let the ruler start, with nothing, and are kept."""
    path.write_bytes(content)
    assert ({}, DAMAGE) == reopened(path)
    assert content == path.with_name("state.corrupt").read_bytes()


@pytest.mark.parametrize("page", [0, 1, 2])
def test_without_its_first_pages_a_file_is_read(path: Path, whole: bytes, page: int) -> None:
    """A file whose header and schema, or whose root of a tree, is overwritten has the rows of all other pages."""
    path.write_bytes(whole[: page * PAGE] + b"\xa5" * PAGE + whole[(page + 1) * PAGE :])
    found, reports = reopened(path)
    assert (DAMAGE, True) == (reports, found.items() <= ROWS.items())
    assert len(found) > 0.8 * len(ROWS)


@pytest.mark.parametrize(
    ("sql", "lost"),
    [
        ("DELETE FROM things WHERE number = 9", 1),
        ("UPDATE things SET number = 999 WHERE number = 9", 1),
        ("UPDATE things SET row_id = 1 WHERE number = 9", 0),
        ("UPDATE things SET words = 'no json' WHERE number = 9", 1),
        ("INSERT INTO things SELECT 1, name, number, words, bytes, text, check_sum FROM things WHERE number = 9", 0),
        ("DROP TABLE things", 200),
        ("UPDATE state_ledger SET row_count = 1", 0),
        ("DELETE FROM state_ledger", 0),
        ("DROP TABLE state_ledger", 0),
    ],
)
def test_what_another_program_did_is_noticed(path: Path, sql: str, lost: int) -> None:
    """A row that is gone, changed, moved or doubled is damage, and so is a ledger that is wrong."""
    run(path, "PRAGMA secure_delete=ON")
    run(path, sql)
    registry = CollectorRegistry()
    with closing(Database(path, registry)) as database:
        found = numbers(database)
    assert (DAMAGE, len(ROWS) - lost) == (metric(registry, "corrupt_files_total"), len(found))
    assert found.items() <= ROWS.items()
    if "ledger" not in sql:
        assert lost == metric(registry, "damaged_rows_total", {"table": "things"})


def test_an_older_state_of_a_row_is_noticed(path: Path) -> None:
    """A row that is back as it once was vouches for itself; the ledger does not vouch for it."""
    old = next(value for value in [put("thing 9", 8).row] if value)
    run(path, f"UPDATE things SET number = 8, check_sum = {old['check_sum']} WHERE number = 9")
    assert ({**ROWS, "thing 9": 8}, DAMAGE) == reopened(path)


def killed(path: Path) -> None:
    """Leave the files as a killed process does: 20 rows that are in the log alone."""
    with closing(Database(path)) as database:
        for number in range(20):
            database.write([put(f"late {number}", number)]).result()
        for end in ("", "-wal", "-shm"):
            shutil.copy(f"{path}{end}", f"{path}{end}.copy")
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}.copy").replace(f"{path}{end}")


LATE = {f"late {number}": number for number in range(20)}


def test_a_kill_loses_nothing(path: Path) -> None:
    """What was committed is there after a kill, and is no damage."""
    killed(path)
    assert ({**ROWS, **LATE}, NO_DAMAGE) == reopened(path)


@pytest.mark.parametrize("content", [b"", b"garbage" * 999, b"\0" * 32768, None])
def test_the_index_of_the_log_is_never_trusted(path: Path, content: bytes | None) -> None:
    """A -shm that is damaged or gone changes nothing."""
    killed(path)
    index = path.with_name("state-shm")
    if content is None:
        index.unlink()
    else:
        index.write_bytes(content)
    assert ({**ROWS, **LATE}, NO_DAMAGE) == reopened(path)


def test_a_damaged_log_costs_what_was_hit(path: Path) -> None:
    """A log that is garbage in the middle loses that part, keeps commits after it, and is kept with its file."""
    killed(path)
    log = path.with_name("state-wal")
    content = bytearray(log.read_bytes())
    content[5 * PAGE : 6 * PAGE] = b"\xa5" * PAGE
    log.write_bytes(content)
    found, reports = reopened(path)
    assert (DAMAGE, True) == (reports, found.items() <= {**ROWS, **LATE}.items())
    assert found.items() >= ROWS.items() - {("thing 9", 9)}
    assert found["late 19"] == 19
    assert (bytes(content), False) == (path.with_name("state.corrupt-wal").read_bytes(), log.exists())


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["gone", "empty"])
def test_a_log_without_its_file_is_read(path: Path, lose: Callable[[Path], object]) -> None:
    """The rows of a log are found when the file that it belongs to is gone or empty."""
    killed(path)
    lose(path)
    found, reports = reopened(path)
    assert (DAMAGE, True) == (reports, LATE.items() <= found.items())


def test_the_file_of_the_first_format_is_taken_over(tmp_path: Path) -> None:
    """A file without checksums gives all its rows, once, and is kept."""
    path = tmp_path / "state"
    columns = "name TEXT NOT NULL, number BIGINT, words JSON, bytes BLOB, text TEXT, digest TEXT, PRIMARY KEY (name)"
    run(path, f"CREATE TABLE things ({columns})")
    run(path, """INSERT INTO things VALUES ('a', 1, '["x"]', x'00ff', 'é', 'd'), ('b', NULL, '{}', x'', '', 'd')""")
    expected = [("a", 1, ["x"], b"\0\xff", "é"), ("b", None, {}, b"", "")]
    for _ in range(2):
        registry = CollectorRegistry()
        with closing(Database(path, registry)) as database:
            rows = sorted(tuple(row[name] for name in THINGS.columns) for row in database.rows(THINGS))
        assert (expected, NO_DAMAGE) == (rows, metric(registry, "corrupt_files_total"))
    assert ["state", "state.old"] == sorted(each.name for each in tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["value", "page"])
def test_a_damaged_file_of_the_first_format_gives_what_it_can(tmp_path: Path, damage: str) -> None:
    """Without checksums, what SQLite still reads is taken over, and the damage is reported."""
    path = tmp_path / "state"
    run(path, "CREATE TABLE things (name TEXT NOT NULL, number BIGINT, words JSON, bytes BLOB, text TEXT)")
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = [(f"{number}", number, "[]", b"", "x" * 300) for number in range(100)]
        connection.executemany("INSERT INTO things VALUES (?, ?, ?, ?, ?)", rows)
    if damage == "value":
        run(path, "UPDATE things SET words = '[' WHERE number = 9")
    else:
        content = path.read_bytes()
        path.write_bytes(content[: 8 * PAGE] + b"\xa5" * PAGE + content[9 * PAGE :])
    found, reports = reopened(path)
    assert (DAMAGE, True) == (reports, found.items() <= {f"{number}": number for number in range(100)}.items())
    assert len(found) >= (99 if damage == "value" else 50)


def test_a_newer_format_is_refused(path: Path) -> None:
    """A file of a later version is left alone, and the message says what it is."""
    with closing(Database(path)) as database:
        row = {"name": "things", "version": 3, "row_count": len(ROWS), "total": 0}
        database.write([LEDGER.put(row)]).result()
    run(path, "DELETE FROM state_ledger WHERE name = 'state_ledger'")
    before = path.read_bytes()
    with pytest.raises(StartError) as refused:
        Database(path)
    assert f"{path}: was written by a newer version of Tocsin: format 3, where this one knows 2" == str(refused.value)
    assert before == path.read_bytes()


class Killed(BaseException):
    """The end of the process, at once."""


class Faults:
    """Faults count calls, and raise an error at the Nth."""

    def __init__(self, at: int, error: Callable[[], BaseException], *, lasting: bool = False) -> None:
        self.left, self._error, self._lasting, self.hit = at, error, lasting, False

    def step(self, *_arguments: object) -> None:
        self.left -= 1
        if self.left == 0 or (self._lasting and self.left < 0):
            self.hit = True
            raise self._error()


def guarded(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> None:
    """Let each call that changes the directory, or syncs, be one that may fail."""

    def failing(call: Callable[..., object]) -> Callable[..., object]:
        def guarded_call(*arguments: object, **others: object) -> object:
            faults.step()
            return call(*arguments, **others)

        return guarded_call

    for name in ("replace", "unlink"):
        monkeypatch.setattr(Path, name, failing(getattr(Path, name)))
    monkeypatch.setattr(os, "fsync", failing(os.fsync))


def test_a_kill_while_a_file_is_replaced_loses_nothing(tmp_path: Path, whole: bytes) -> None:
    """At whichever step the process ends, the next start has every row."""
    at, hit = 0, True
    while hit:
        at += 1
        path = tmp_path / str(at) / "state"
        path.parent.mkdir()
        path.write_bytes(b"damaged" + whole[7:])
        faults = Faults(at, Killed)
        with pytest.MonkeyPatch.context() as monkeypatch:
            guarded(monkeypatch, faults)
            with suppress(Killed):
                Database(path).close()
        hit = faults.hit
        assert (at, ROWS) == (at, reopened(path)[0])
        assert (at, {"state", "state.corrupt"}) == (at, {each.name for each in path.parent.iterdir()})
    assert at > 4


def test_an_error_while_a_file_is_replaced_loses_nothing(tmp_path: Path, whole: bytes) -> None:
    """Whichever call fails, the ruler starts with every row, and writes them once the call works again."""
    at, hit = 0, True
    while hit:
        at += 1
        path = tmp_path / str(at) / "state"
        path.parent.mkdir()
        path.write_bytes(b"damaged" + whole[7:])
        faults = Faults(at, lambda: OSError(28, "No space left on device"), lasting=True)
        registry = CollectorRegistry()
        with pytest.MonkeyPatch.context() as monkeypatch:
            guarded(monkeypatch, faults)
            database = Database(path, registry)
            database.write([put("new"), remove("thing 0")])
            assert (at, len(ROWS)) == (at, len(numbers(database)))
            assert (at, float(faults.hit)) == (at, metric(registry, "degraded"))
        database.close()
        hit = faults.hit
        found = reopened(path)
        assert (at, ({**ROWS, "new": 1}.items() - {("thing 0", 0)}, NO_DAMAGE)) == (at, (found[0].items(), found[1]))
    assert at > 4
