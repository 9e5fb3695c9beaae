"""`tocsin tsdb dump` and `import`, against a ruler's API that is really served, and against a directory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from a2wsgi import WSGIMiddleware
from click.testing import CliRunner, Result
from flask import Flask

from common.clock import ManualClock
from common.serving import HttpServer, Listener, bind
from ruler.api import query, transfer
from ruler.api.respond import install_error_handlers
from ruler.transfer.formats import Format, Wanted, export
from ruler.transfer.series import Importer
from ruler.tsdb.db import DB
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.transfer.world import ALWAYS, BASE, EVERYTHING, ListImporter, answers, filled, labelled, series
from tocsin.cli import cli


class Searched(MemoryStorage):
    """A storage that knows its label names, as the API asks for them."""

    def label_names(self, matchers: object, start: int, end: int) -> list[str]:
        return sorted({name for labels in self.series for name in labels})

    def label_values(self, name: str, matchers: object, start: int, end: int) -> list[str]:
        return sorted({labels[name] for labels in self.series if name in labels})


@pytest.fixture
def storage() -> Searched:
    return Searched()


@pytest.fixture
def url(storage: Searched) -> Iterator[str]:
    importer: Importer = ListImporter(storage)
    clock = ManualClock(BASE + 3_600_000)
    flask = Flask("ruler")
    install_error_handlers(flask)
    options = transfer.TransferOptions(admin=True)
    flask.register_blueprint(transfer.blueprint(storage, importer, clock, options), url_prefix="/api/v1")
    flask.register_blueprint(query.blueprint(storage), url_prefix="/api/v1")
    middleware = WSGIMiddleware(flask, workers=2)  # type: ignore[arg-type]  # its own words for WSGI's types
    server = HttpServer([Listener("test", bind("127.0.0.1:0", "test"), middleware)])  # type: ignore[arg-type]  # and for ASGI's
    server.start()
    yield f"http://{server.addresses[0]}"
    server.stop()
    middleware.executor.shutdown()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["tsdb", *map(str, arguments)])


def good(*arguments: object) -> str:
    result = run(*arguments)
    assert (0, "") == (result.exit_code, result.stderr if result.exit_code else "")
    return result.stdout


@pytest.mark.parametrize("form", ["json", "openmetrics", "csv"])
def test_a_dump_that_is_imported_answers_queries_the_same(
    storage: Searched, url: str, tmp_path: Path, form: str
) -> None:
    """Out of one ruler and into an empty one: nothing is lost on the way, plain or in gzip."""
    source = filled(hosts=2, ticks=60)
    wanted = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1])
    file = tmp_path / "samples.gz"
    file.write_bytes(gzip.compress(b"".join(export(source, Format(form), wanted))))
    told = good("import", "--url", url, "--format", form, file)
    assert f"{file}: {sum(map(len, storage.series.values()))} samples stored\n" == told
    assert answers(source) == answers(storage)
    out = tmp_path / "again"
    good("dump", "--url", url, "--format", form, "-o", out)
    assert gzip.decompress(file.read_bytes()) == out.read_bytes()


def test_a_directory_is_dumped_without_a_ruler(tmp_path: Path) -> None:
    """What was appended is in the dump of its directory, and the dump changes nothing there."""
    directory = tmp_path / "data"
    db = DB.open(directory)
    ids = db.series([labelled("a", x="y")])
    stream = db.stream("s", 15_000)
    stream.append(BASE, BASE + 7, ids, np.array([1.5]))
    db.close()
    for _ in range(2):
        page = good("dump", "--storage.tsdb.path", directory, "--format", "openmetrics", "--match", "a")
        assert f'a{{x="y"}} 1.5 {BASE // 1000}.007\n# EOF\n' == page


def test_parquet_comes_from_a_running_ruler_day_by_day(storage: Searched, url: str, tmp_path: Path) -> None:
    """The same files as from a storage."""
    dataset = pytest.importorskip("pyarrow.dataset", reason="pyarrow is not installed (`tocsin[parquet]`)")
    ListImporter(storage).put([series(labelled("a", x="y"), [(BASE, 1.0), (BASE + 86_400_000, 2.0)])])
    ends = ("--start", BASE / 1000, "--end", BASE / 1000 + 3 * 86_400)
    good("dump", "--url", url, "--format", "parquet", "-o", tmp_path, *ends)
    found = dataset.dataset(tmp_path, partitioning="hive").to_table()
    assert ([1.0, 2.0], ["y", "y"]) == (found["value"].to_pylist(), found["x"].to_pylist())
    assert 2 == len(list(tmp_path.rglob("part-0.parquet")))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("dump", "--format", "parquet"), "Parquet goes into a directory: give --output"),
        (("dump", "--format", "csv", "--columns", "x"), "format: no column of values: 'x'"),
        (("dump", "--storage.tsdb.path", "/nowhere"), "/nowhere: there is no such directory"),
        (("dump", "--url", "http://127.0.0.1:9"), "http://127.0.0.1:9 does not answer: connection refused"),
        (("import", "/nowhere"), "/nowhere: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: tuple[str, ...], problem: str) -> None:
    """The line says what is wrong, and the exit code that something is."""
    result = run(*arguments)
    assert result.exit_code
    assert problem in result.stderr.splitlines()[-1]


def test_a_bad_line_names_the_file(url: str, tmp_path: Path) -> None:
    """The ruler's own words, after the name of the file."""
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b"{")
    result = run("import", "--url", url, file)
    problem = "line 1: not JSON of an export: input data was truncated (0 samples before that are stored)"
    assert f"Error: {file}: {problem}\n" == result.stderr
