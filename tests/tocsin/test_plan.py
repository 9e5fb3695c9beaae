"""`tocsin tsdb plan` adds up, says what does not fit, and tells its exit status so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tocsin.cli import cli

ARCHIVES = "archives: [{match: ['{job=\"node\"}', up], raw: 15d, 5m: 90d, 1h: 2y}]"
NAMES = ("unmerged", "pages", "labels", "merging")


class Files:
    """The files of an operator, and the command on them."""

    def __init__(self, directory: Path) -> None:
        self._prometheus, self._tocsin = directory / "prometheus.yml", directory / "tocsin.yml"
        self.write()

    def write(self, storage: str = "{}", ours: str = "{}") -> None:
        self._prometheus.write_text(f"storage: {storage}", encoding="utf-8")
        self._tocsin.write_text(ours, encoding="utf-8")

    def plan(self, *arguments: str) -> Result:
        files = (f"--config.file={self._prometheus}", f"--tocsin.config={self._tocsin}")
        return CliRunner().invoke(cli, ["tsdb", "plan", *files, *arguments])

    def document(self, *arguments: str) -> Any:
        return json.loads(self.plan("--format=json", *arguments).stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_parts_add_up(files: Files) -> None:
    """Sizes in bytes are whole numbers whose sum is the total; samples are per series."""
    files.write(ours=ARCHIVES)
    found = files.document("--series=80000", "--series=20000")
    shares = [share for each in found["classes"] for share in each["resolutions"]]
    assert found["total"] == sum(share["bytes"] for share in shares) + sum(found[name] for name in NAMES)
    assert [['{job="node"}', '{__name__="up"}'], None] == [each["match"] for each in found["classes"]]
    assert [(0, 80000), (300, 80000), (3600, 80000), (0, 20000)] == [
        (share["resolution"], share["series"]) for share in shares
    ]
    assert all(
        share["bytes"] == round(share["series"] * share["samples"] * share["bytesPerSample"]) for share in shares
    )
    assert (1_296_000, None, True) == (*(found["retention"][key] for key in ("time", "size")), found["fits"])


def test_one_number_counts_where_it_costs_most(files: Files) -> None:
    """As if every series were in the costliest class: an upper bound."""
    files.write(ours=ARCHIVES)
    once = files.document("--series=1000")["total"]
    assert files.document("--series=1000", "--series=0")["total"] == once
    assert files.document("--series=500", "--series=500")["total"] < once


def test_what_does_not_fit_says_what_goes(files: Files) -> None:
    """The exit status is 1, and the text names the age that the size reaches."""
    files.write("{tsdb: {retention: {time: 90d, size: 1GB}}}")
    result = files.plan("--series=100000")
    assert 1 == result.exit_code
    assert "storage.tsdb.retention.size is 1GiB: it does not fit: what is older than 1d" in result.stdout
    files.write("{tsdb: {retention: {time: 90d, size: 100GB}}}")
    result = files.plan("--series=100000")
    assert (0, True) == (result.exit_code, "storage.tsdb.retention.size is 100GiB: it fits, with " in result.stdout)
    files.write("{tsdb: {retention: {size: 1MB}}}")
    result = files.plan("--series=100000")
    assert (1, True) == (result.exit_code, "it does not fit: 4" in result.stdout)


def test_the_flags_of_the_ruler_count(files: Files) -> None:
    """They are below the keys, as there."""
    short = files.document("--series=1000", "--storage.tsdb.retention.time=1d")
    assert 86400 == short["retention"]["time"]
    files.write("{tsdb: {retention: {time: 2d}}}")
    assert 172800 == files.document("--series=1000", "--storage.tsdb.retention.time=1d")["retention"]["time"]


def test_the_room_on_the_disk_is_told(files: Files, tmp_path: Path) -> None:
    """For a directory that is there, and for one that is not yet."""
    result = files.plan("--series=1", f"--storage.tsdb.path={tmp_path / 'none' / 'yet'}")
    assert (0, True) == (result.exit_code, f"room at {tmp_path}/none/yet, with what is there" in result.stdout)
    huge = files.plan("--series=1000000000000", f"--storage.tsdb.path={tmp_path}")
    assert (1, True) == (huge.exit_code, huge.stdout.rstrip().endswith("it does not fit"))


def test_the_table_is_aligned(files: Files) -> None:
    """Every row ends its column of bytes at the same place, and carries the exact number."""
    files.write(ours=ARCHIVES)
    lines = files.plan("--series=80000", "--series=20000").stdout.split("\n\n")[0].splitlines()
    ends = {line.index(line.split()[-3]) + len(line.split()[-3]) for line in lines[1:]}
    assert 1 == len(ends)
    assert ['{job="node"}', "5m", "1h", "the", "chunks", "pages", "labels", "room", "total"] == [
        line.split()[0] for line in lines[1:]
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --series, or --storage.tsdb.path to measure"),
        (("--series=1", "--series=2", "--series=3"), "given 3 times: there are 1 archives and the rest"),
        (("--series=1", "--interval=0"), "must be longer than 0s"),
        (("--series=1", "--interval=15"), "not a valid duration string: '15'"),
        (("--series=1", "--storage.tsdb.retention.size=5"), "not a size: '5' (write it like 10MB)"),
        (("--storage.tsdb.path=/proc/self/fdinfo",), "no chunk to measure yet"),
        (("--config.file=/none.yml", "--series=1"), "/none.yml: cannot be read: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said(files: Files, arguments: tuple[str, ...], message: str) -> None:
    """In words, without a traceback."""
    files.write(ours=ARCHIVES)
    result = files.plan(*arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output.replace("\n", " ")


def test_checking_rules_does_not_wait_for_the_storage() -> None:
    """The groups of commands are lazy: naming one imports no other."""
    code = "import sys, tocsin.cli, tocsin.tsdb; print('numpy' in sys.modules, 'yaml' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False False" == said.stdout.strip()
