"""Prometheus's own PromQL tests: complete where they must be, and everywhere else never less than before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.promqltest import SCRIPTS, ListedStorage, PagedStorage, run_script
from tests.conformance.script import parse_series

pytestmark = pytest.mark.conformance

# Scripts that pass whole. Evals that need native histograms are excepted, and counted.
COMPLETE = {
    "aggregators": 125,
    "at_modifier": 78,
    "collision": 2,
    "extended_vectors": 120,
    "fill-modifier": 46,
    "functions": 323,
    "histograms": 93,
    "limit": 1,
    "literals": 25,
    "name_label_dropping": 30,
    "native_histograms": 3,
    "operators": 142,
    "range_queries": 16,
    "selectors": 31,
    "staleness": 17,
    "subquery": 32,
    "trig_functions": 19,
    "type_and_unit": 58,
}
# Scripts of what is to come, with how many of their evals pass so far; raise these as it comes.
FLOORS = {"duration_expression": 29, "info": 0, "start_timestamps": 2}


@pytest.fixture(scope="module")
def folder(testdata: Path) -> Path:
    """Where Prometheus's scripts are."""
    return testdata / SCRIPTS


@pytest.mark.parametrize("name", COMPLETE)
def test_complete_scripts_stay_complete(folder: Path, name: str) -> None:
    """Every eval of the script that does not need native histograms passes, notes included."""
    tally = run_script((folder / f"{name}.test").read_text(), PagedStorage)
    assert ([], COMPLETE[name]) == ([f"{each.line}: {problem}" for each, problem in tally.failures], tally.passed)


@pytest.mark.parametrize("name", FLOORS)
def test_other_scripts_pass_no_less_than_before(folder: Path, name: str) -> None:
    """As many evals of the script pass as are recorded here; more of them is a reason to record more."""
    assert FLOORS[name] == run_script((folder / f"{name}.test").read_text(), PagedStorage).passed


@pytest.mark.parametrize("name", ["operators", "staleness"])
def test_the_obvious_storage_gives_the_same(folder: Path, name: str) -> None:
    """What passes over the database passes over lists."""
    assert COMPLETE[name] == run_script((folder / f"{name}.test").read_text(), ListedStorage).passed


def test_no_script_is_left_out(folder: Path) -> None:
    """Every script of Prometheus's is either complete or has a floor."""
    assert COMPLETE.keys() | FLOORS.keys() == {path.stem for path in folder.glob("*.test")}


def test_series_lines_expand() -> None:
    """`a+bxn` is n steps up from a, `_xn` n omitted points, `stale` a staleness marker."""
    series = parse_series('x{a="b c"} 1+2x2 _x2 -1 3x1')
    assert ({"__name__": "x", "a": "b c"}, [1.0, 3.0, 5.0, None, None, -1.0, 3.0, 3.0]) == (
        dict(series.labels),
        series.points,
    )
