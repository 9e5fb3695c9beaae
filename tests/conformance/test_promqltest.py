"""Prometheus's own PromQL tests: every eval passes but those that need native histograms, and never fewer than before.

With `-v` every exception is listed under the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.promqltest import SCRIPTS, Tally, report, run_script
from tests.conformance.script import parse_series
from tests.conformance.worlds import ListedStorage, PagedStorage

pytestmark = pytest.mark.conformance

# How many evals of each script pass; all others need native histograms.
REACHED = {
    "aggregators": 125,
    "at_modifier": 78,
    "collision": 2,
    "duration_expression": 59,
    "extended_vectors": 120,
    "fill-modifier": 46,
    "functions": 326,
    "histograms": 93,
    "info": 52,
    "limit": 1,
    "literals": 25,
    "name_label_dropping": 30,
    "native_histograms": 3,
    "operators": 142,
    "range_queries": 17,
    "selectors": 31,
    "staleness": 17,
    "start_timestamps": 16,
    "subquery": 32,
    "trig_functions": 19,
    "type_and_unit": 58,
}


@pytest.fixture(scope="module")
def folder(testdata: Path) -> Path:
    """Where Prometheus's scripts are."""
    return testdata / SCRIPTS


@pytest.fixture(scope="module")
def tallies(request: pytest.FixtureRequest) -> Iterator[dict[str, Tally]]:
    """What has been counted, shown when all scripts have run."""
    counted: dict[str, Tally] = {}
    yield counted
    plugins = request.config.pluginmanager
    terminal, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    assert terminal is not None
    assert capture is not None
    with capture.global_and_fixture_disabled():
        for line in ("", *report(counted, listing=request.config.get_verbosity() > 0)):
            terminal.write_line(line)


@pytest.mark.parametrize("name", REACHED)
def test_all_that_needs_no_native_histograms_passes(folder: Path, name: str, tallies: dict[str, Tally]) -> None:
    """Every eval that neither selects nor expects a native histogram has its values, labels, errors and notes."""
    tally = tallies[name] = run_script((folder / f"{name}.test").read_text(), PagedStorage)
    problems = [f"{each.line}: {problem}" for each, problem in tally.failures]
    assert ([], REACHED[name]) == (problems, tally.passed)


@pytest.mark.parametrize("name", ["operators", "staleness"])
def test_the_obvious_storage_gives_the_same(folder: Path, name: str) -> None:
    """What passes over the database passes over lists."""
    assert REACHED[name] == run_script((folder / f"{name}.test").read_text(), ListedStorage).passed


def test_no_script_is_left_out(folder: Path) -> None:
    """Every script of Prometheus's is run."""
    assert REACHED.keys() == {path.stem for path in folder.glob("*.test")}


def test_series_lines_expand() -> None:
    """`a+bxn` is n steps up from a, `_xn` n omitted points, `stale` a staleness marker."""
    series = parse_series('x{a="b c"} 1+2x2 _x2 -1 3x1')
    assert ({"__name__": "x", "a": "b c"}, [1.0, 3.0, 5.0, None, None, -1.0, 3.0, 3.0]) == (
        dict(series.labels),
        series.points,
    )


def test_native_histograms_are_counted() -> None:
    """Of native histograms only their places are known."""
    series = parse_series("h {{schema:0 buckets:[1 2]}} _x2 {{count:1}}+{{count:2}}x2 {{sum:3}}x1 4")
    assert (True, [0.0, None, None, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0]) == (series.native, series.points)
