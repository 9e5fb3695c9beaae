"""Text files count whole or not at all, and a bad one never costs the good ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter.collectors import textfile
from exporter.collectors.textfile import Textfile, TextfileError, parse_textfile
from exporter.settings import ExporterSettings
from tests.exporter.pages import Page, page_of, read

CASES = (
    "client_side_timestamp",
    "different_metric_types",
    "histogram",
    "histogram_extra_dimension",
    "inconsistent_metrics",
    "metrics_merge_different_help",
    "metrics_merge_empty_help",
    "metrics_merge_no_help",
    "metrics_merge_same_help",
    "no_metric_files",
    "nonexistent_path",
    "summary",
    "summary_extra_dimension",
    "two_metric_files",
)


def collected(*directories: str) -> Page:
    """The page that a fresh collector makes of these directories."""
    return page_of(Textfile(ExporterSettings(flags={"textfile.directory": "\n".join(directories)})).collect())


@pytest.mark.parametrize("case", CASES)
def test_as_node_exporter(testdata: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each of the peer's cases the page says what the peer's says: types, help texts and values."""
    monkeypatch.chdir(testdata / "node_exporter/collector")
    expected, ours = read(Path(f"fixtures/textfile/{case}.out").read_bytes()), collected(f"fixtures/textfile/{case}")
    mtimes = "node_textfile_mtime_seconds"
    assert expected.of(mtimes).keys() == ours.of(mtimes).keys()
    assert expected.types == ours.types
    assert [] == [
        (name, text, ours.helps[name])
        for name, text in expected.helps.items()
        if not name.startswith("node_") and text != ours.helps[name]
    ]
    # Go's parser invents a _sum and a _count of 0 for a summary that has none: we pass on what is there.
    invented = {
        labels
        for labels, value in expected.values.items()
        if value == 0 and labels["__name__"].endswith(("_sum", "_count"))
    } - ours.values.keys()
    assert {labels: value for labels, value in expected.values.items() if labels not in invented} == {
        labels: 1.0 if labels["__name__"] == mtimes else value for labels, value in ours.values.items()
    }


def test_a_glob_of_directories(testdata: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory may be a pattern, and every directory that it means is read."""
    monkeypatch.chdir(testdata / "node_exporter/collector")
    expected = read(Path("fixtures/textfile/glob_extra_dimension.out").read_bytes())
    assert expected.types == collected("fixtures/textfile/*_extra_dimension").types


BAD = {
    "half_written": b"# TYPE x gauge\nx 12",
    "bad_value": b"x one\n",
    "bad_name": b"1x 1\n",
    "timestamp": b"x 1 1700000000000\n",
    "twice": b'x{a="1"} 1\nx{a="1",b=""} 2\n',
    "label_twice": b'x{a="1",a="2"} 1\n',
    "late_type": b"x 1\n# TYPE x gauge\n",
    "second_help": b"# HELP x A.\n# HELP x B.\nx 1\n",
    "not_utf8": b'x{a="\xff"} 1\n',
}


@pytest.mark.parametrize("page", BAD.values(), ids=BAD)
def test_bad_pages(page: bytes) -> None:
    """A page that a strict reader cannot take is refused whole."""
    with pytest.raises(TextfileError):
        parse_textfile(page)


@pytest.mark.parametrize("page", BAD.values(), ids=BAD)
def test_a_bad_file_costs_only_itself(page: bytes, tmp_path: Path) -> None:
    """The error flag is up, the good file's metrics are there, the bad one's are not."""
    (tmp_path / "a_bad.prom").write_bytes(page)
    (tmp_path / "b_good.prom").write_text("good 1\n")
    said = collected(str(tmp_path))
    assert 1.0 == said.of("node_textfile_scrape_error")["node_textfile_scrape_error"]
    assert {"good": 1.0} == said.of("good")
    assert [f'node_textfile_mtime_seconds{{file="{tmp_path}/b_good.prom"}}'] == list(said.of("node_textfile_mtime"))
    assert {} == said.of("x")


def test_a_counter_keeps_its_name(tmp_path: Path) -> None:
    """A counter without _total is passed on as it is: dashboards know it by that name."""
    (tmp_path / "a.prom").write_text("# TYPE files counter\nfiles 3\n")
    said = collected(str(tmp_path))
    assert ({"files": 3.0}, "counter") == (said.of("files"), said.types["files"])


def test_files_that_contradict_each_other(tmp_path: Path) -> None:
    """A later file with another type, or with a series of an earlier one, is refused whole."""
    (tmp_path / "a.prom").write_text('# TYPE x gauge\nx{a="1"} 1\n')
    (tmp_path / "b.prom").write_text('# TYPE x counter\nx{a="2"} 2\ny 1\n')
    (tmp_path / "c.prom").write_text('# TYPE x gauge\nx{a="1"} 3\nz 1\n')
    (tmp_path / "d.prom").write_text('# TYPE x gauge\nx{a="4"} 4\n')
    said = collected(str(tmp_path))
    assert {'x{a="1"}': 1.0, 'x{a="4"}': 4.0} == said.of("x")
    assert ({}, {}) == (said.of("y"), said.of("z"))
    assert 1.0 == said.of("node_textfile_scrape_error")["node_textfile_scrape_error"]


def test_only_regular_files_of_a_bearable_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that nobody writes to does not hold the scrape; a huge file is not read; links are followed."""
    monkeypatch.setattr(textfile, "MAX_BYTES", 64)
    os.mkfifo(tmp_path / "pipe.prom")
    (tmp_path / "directory.prom").mkdir()
    (tmp_path / "huge.prom").write_text("huge 1\n" * 10)
    (tmp_path / "target.txt").write_text("linked 1\n")
    (tmp_path / "link.prom").symlink_to(tmp_path / "target.txt")
    said = collected(str(tmp_path))
    assert {"linked": 1.0} == said.of("linked")
    assert {} == said.of("huge")
    assert 1.0 == said.of("node_textfile_scrape_error")["node_textfile_scrape_error"]


def test_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound files are left out, and that is an error."""
    monkeypatch.setattr(textfile, "MAX_FILES", 2)
    for number in range(3):
        (tmp_path / f"{number}.prom").write_text(f"m{number} 1\n")
    said = collected(str(tmp_path))
    assert {"m0": 1.0, "m1": 1.0} == said.of("m")
    assert 1.0 == said.of("node_textfile_scrape_error")["node_textfile_scrape_error"]


def test_a_file_is_parsed_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unchanged file is not read again; a replaced one is, and a removed one is forgotten."""
    parsed: list[bytes] = []
    real = textfile.parse_textfile

    def counted(page: bytes) -> tuple[textfile.Metric, ...]:
        parsed.append(page)
        return real(page)

    monkeypatch.setattr(textfile, "parse_textfile", counted)
    collector = Textfile(ExporterSettings(flags={"textfile.directory": str(tmp_path)}))
    file = tmp_path / "a.prom"
    file.write_text("x 1\n")
    assert {"x": 1.0} == page_of(collector.collect()).of("x")
    assert {"x": 1.0} == page_of(collector.collect()).of("x")
    assert [b"x 1\n"] == parsed
    (tmp_path / "new").write_text("x 2\n")
    (tmp_path / "new").replace(file)
    assert {"x": 2.0} == page_of(collector.collect()).of("x")
    file.unlink()
    assert {"node_textfile_scrape_error": 0.0} == page_of(collector.collect()).of("")


def test_a_missing_directory_is_an_error_once_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The flag says it at every scrape, the log when it begins."""
    collector = Textfile(ExporterSettings(flags={"textfile.directory": str(tmp_path / "none")}))
    for _ in range(3):
        assert {"node_textfile_scrape_error": 1.0} == page_of(collector.collect()).of("")
    assert 1 == len(caplog.records)


def test_without_a_directory_there_is_no_error() -> None:
    """The collector is on by default and idle until it is given a directory."""
    assert {"node_textfile_scrape_error": 0.0} == collected().of("")
