"""`tocsin tsdb verify`, `analyze` and `import` on a directory that no ruler has open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ruler.transfer.formats import EXPORTS, Format, Wanted, export
from ruler.tsdb.db import DB
from tests.ruler.transfer.world import ALWAYS, EVERYTHING, answers, filled
from tests.ruler.tsdb.test_erase import World
from tocsin.cli import cli


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["tsdb", *map(str, arguments)])


def good(*arguments: object) -> str:
    result = run(*arguments)
    assert 0 == result.exit_code, result.output
    return result.stdout


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Chunks and pages of three series, one of which ended after half of the time."""
    world = World(tmp_path / "data")
    world.scrape(700)
    world.restart()
    world.keep(2)
    world.scrape(30)
    world.db.close()
    return world.path


def test_verify_says_that_nothing_is_wrong(directory: Path) -> None:
    """In a line, with exit 0."""
    assert good("verify", directory).endswith("): nothing is wrong\n")
    assert 0 == json.loads(good("verify", "--format", "json", directory))["damaged"]


def test_verify_says_what_is_wrong_and_exits_1(directory: Path) -> None:
    """A line for each problem of each file, the path first; as JSON the same."""
    [path, *_] = sorted(directory.glob("*.chunk"))
    path.write_bytes(path.read_bytes()[:500])
    result = run("verify", directory)
    assert (1, f"{path}: cannot be read: both headers are damaged") == (result.exit_code, result.stdout.splitlines()[0])
    assert result.stdout.endswith("): something is wrong with 1\n")
    document = json.loads(run("verify", "--format", "json", directory).stdout)
    wrong = [file for file in document["files"] if file["problems"]]
    assert (1, [str(path)], "chunk") == (document["damaged"], [file["path"] for file in wrong], wrong[0]["kind"])


@pytest.mark.parametrize("command", ["verify", "analyze"])
def test_what_is_in_use_or_not_there_is_one_line(directory: Path, command: str) -> None:
    """With the pid of who has it."""
    assert "Error: " in (result := run(command, directory / "nothing")).output
    assert 1 == result.exit_code
    db = DB.open(directory)
    try:
        assert "in use by another process: pid" in run(command, directory).output
    finally:
        db.close()


@pytest.mark.parametrize("command", ["verify", "analyze"])
def test_a_directory_of_something_else_is_no_database(tmp_path: Path, command: str) -> None:
    """A backup that is empty, or of another program, is an error and not in order."""
    (tmp_path / "wal").mkdir()
    result = run(command, tmp_path)
    assert (1, f"Error: {tmp_path}: no database (it has no *.page, *.chunk or *.series)\n") == (
        result.exit_code,
        result.stderr,
    )


def test_analyze_counts_series_labels_and_bytes(directory: Path) -> None:
    """Each series once, whatever it is in; the bytes of metrics are those of the blocks and pages."""
    found = json.loads(good("analyze", "--format", "json", directory))
    assert (3, 4) == (found["series"], found["pairs"])
    assert [["m", 2], ["other", 1]] == found["series_by_metric"]
    assert {"__name__=m": 2, "n=0": 2, "n=1": 1, "__name__=other": 1} == dict(found["series_by_pair"])
    assert {"__name__": 2, "n": 2} == dict(found["values_by_label"])
    assert {"__name__": 6, "n": 2} == dict(found["lengths_by_label"])
    assert {"chunks", "chunks, merged", "pages"} >= {kind["name"] for kind in found["kinds"]}
    size = sum(path.stat().st_size for suffix in (".page", ".chunk") for path in directory.glob(f"*{suffix}"))
    assert size == sum(kind["size"] for kind in found["kinds"])
    assert 0 < sum(amount for _, amount in found["bytes_by_metric"]) < size
    assert "Total series: 3" in good("analyze", directory)


def test_analyze_finds_who_churns(tmp_path: Path) -> None:
    """Series that are there for a part of the time count with the part that they lack, to each of their labels."""
    file = tmp_path / "churn.csv"
    rows = [f"pod,p{pod},1,{1_700_000_000 + pod * 1000 + at}" for pod in range(4) for at in range(0, 1000, 10)]
    rows += [f"steady,s,1,{1_700_000_000 + at}" for at in range(0, 4000, 10)]
    file.write_text("\n".join(["__name__,who,__value__,__timestamp__:unix_s", *rows]))
    good("import", "--format", "csv", "--storage.tsdb.path", tmp_path / "data", file)
    found = json.loads(good("analyze", "--format", "json", tmp_path / "data"))
    churn = dict(found["churn_by_pair"])
    assert pytest.approx(4 * 0.75, abs=0.02) == churn["__name__=pod"]
    assert "__name__=steady" not in churn
    assert pytest.approx(0.75, abs=0.01) == churn["who=p2"]


@pytest.mark.parametrize("form", EXPORTS)
def test_an_import_into_a_directory_answers_as_its_source(tmp_path: Path, form: Format) -> None:
    """Made where there is none; the second time everything is there already."""
    source, file = filled(hosts=2, ticks=60), tmp_path / "samples"
    wanted = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1])
    file.write_bytes(b"".join(export(source, form, wanted)))
    told = good("import", "--format", form, "--storage.tsdb.path", tmp_path / "data", file)
    again = good("import", "--format", form, "--storage.tsdb.path", tmp_path / "data", file)
    count = told.split()[1]
    assert f"{file}: 0 samples stored, refused: duplicate={count}\n" == again
    assert answers(source) == answers(DB.open_to_read(tmp_path / "data"))


def test_an_import_into_a_directory_takes_labels(tmp_path: Path) -> None:
    """As the API does; what is none is refused."""
    file = tmp_path / "samples"
    file.write_text('{"metric":{"__name__":"a"},"values":[1],"timestamps":[1700000000000]}\n')
    good("import", "--storage.tsdb.path", tmp_path / "data", "--extra-label", "site=x", file)
    db = DB.open_to_read(tmp_path / "data")
    assert ['a{site="x"}'] == [str(each) for each in db.tables(EVERYTHING[0], *ALWAYS).all_labels()]
    assert 2 == run("import", "--storage.tsdb.path", tmp_path / "data", "--extra-label", "site", file).exit_code
