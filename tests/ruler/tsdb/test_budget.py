"""The limit of active series: known ones go on, new ones are refused by name, and tried again when there is room."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from common.labels import Labels
from ruler.storage import REFUSED, Appended, Claim
from ruler.tsdb.db import DB
from ruler.tsdb.labels.index import Index
from ruler.tsdb.write.budget import MAX_JOBS, MIN_RESERVE, UNBOUNDED, Budget, Refusal
from tests.ruler.tsdb.reading import BASE, bits, named, read

LABELS = st.lists(
    st.dictionaries(st.sampled_from(["__name__", "a", "b"]), st.sampled_from("xyz"), min_size=1).map(Labels), max_size=6
)


@given(st.lists(st.tuples(LABELS, st.integers(0, 8)), max_size=8))
def test_room_bounds_what_is_minted_and_nothing_else(calls: list[tuple[list[Labels], int]]) -> None:
    """With any room, known series keep their ids, the first new ones get theirs, and the rest leave no trace."""
    index, known = Index(), dict[Labels, int]()
    for labels, room in calls:
        taken = {*known, *[each for each in dict.fromkeys(labels) if each not in known][:room]}
        before = len(index.strings)
        ids = dict(zip(labels, index.series(labels, room)[0].tolist(), strict=True))
        assert {each for each in labels if each not in taken} == {each for each in ids if ids[each] == REFUSED}
        assert before == len(index.strings) or taken > known.keys()
        known.update((each, ids[each]) for each in taken - known.keys())
        assert known == {each: ids.get(each, known[each]) for each in known}
        assert (list(range(len(known))), len(known)) == (sorted(known.values()), index.live)


def test_a_full_database_takes_what_it_knows(tmp_path: Path) -> None:
    """At the limit a new series is refused, one that is known is not, and both are so after a restart."""
    for _ in range(2):
        db = DB.open(tmp_path, max_series=3)
        ids = db.series([named("m", n=str(n)) for n in range(5)])
        assert [0, 1, 2, REFUSED, REFUSED] == ids.tolist()
        assert [2, REFUSED, 0] == db.series([named("m", n=n) for n in ("2", "new", "0")]).tolist()
        db.close()
    db = DB.open(tmp_path, max_series=2)
    assert [2, REFUSED] == db.series([named("m", n="2"), named("m", n="3")]).tolist()
    db.close()
    db = DB.open(tmp_path, max_series=0)
    assert [3] == db.series([named("m", n="3")]).tolist()
    db.close()


def test_a_stream_leaves_out_what_was_refused() -> None:
    """Values for refused series are neither stored nor counted, wherever they stand, and disturb no others."""
    db = DB.open(None, max_series=2)
    ids = db.series([named("m", n=n) for n in "abc"])[[2, 0, 2, 1]]
    stream = db.stream("s", 1000)
    for tick in range(2):
        time = BASE + 1000 * tick
        assert Appended(2) == stream.append(time, time, ids, np.arange(4.0))
    assert Appended(0) == stream.append(BASE + 2000, BASE + 2000, ids[:1], np.zeros(1))
    expected = {
        f'm{{n="{n}"}}': [(BASE, bits(value)), (BASE + 1000, bits(value))] for n, value in (("a", 1.0), ("b", 3.0))
    }
    assert expected == read(db, BASE - 1, BASE + 1000)
    stream.close(BASE + 3000)
    assert 0 == db.head().series


def test_the_reserve_is_for_alerts_and_own_series_know_no_limit() -> None:
    """Alerts may go beyond the limit by the reserve, a target's own series by any number."""
    budget = Budget(100)
    assert [0, MIN_RESERVE, UNBOUNDED] == [budget.room(100, claim) for claim in Claim]
    assert [0, 0, UNBOUNDED] == [budget.room(100 + MIN_RESERVE, claim) for claim in Claim]
    assert [UNBOUNDED] * 3 == [Budget(0).room(1 << 40, claim) for claim in Claim]


def test_the_limit_opens_when_a_part_is_free() -> None:
    """After a refusal nothing new is taken until 2 % are free; that is an opening, and who was refused begins anew."""
    budget = Budget(1000)
    budget.refuse([named("m", job="a")])
    for active in (1000, 981):
        assert (0, 0) == (budget.room(active, Claim.ORDINARY), budget.openings(active))
    assert (1, (Refusal("a", "", 0, 1),)) == (budget.openings(980), budget.refusals)
    assert (19, 1) == (budget.room(981, Claim.ORDINARY), budget.openings(1000))
    budget.refuse([named("m", job="a")] * 2)
    assert (1, 2, 3) == (budget.openings(1000), budget.refusals[0].series, budget.refusals[0].ever)


@pytest.mark.parametrize("at_once", [True, False])
def test_the_label_with_the_most_values_is_named(at_once: bool) -> None:
    """Of many labels the one that makes series many is found, and two that do it together do not take turns."""
    budget = Budget(1)
    zones = "z" * 900 + "y" * 100
    series = [
        Labels({"__name__": f"m{n % 7}", "job": "shop", "path": f"/{n % 40}", "user": str(n), "zone": zones[n]})
        for n in range(1000)
    ]
    told = []
    for some in [series] if at_once else [series[at : at + 10] for at in range(0, 1000, 10)]:
        budget.refuse(some)
        told.append(budget.refusals[0].label)
    assert Refusal("shop", "user", 1000, 1000) == budget.refusals[0]
    for n in range(200):
        budget.refuse([named("m", job="shop", user=f"u{n}", trace=f"t{n}")])
        told.append(budget.refusals[0].label)
    changes = sum(one != other for one, other in pairwise(told))
    assert (True, "user") == (changes <= 1, told[-1])


def test_the_account_of_jobs_is_bounded() -> None:
    """Jobs beyond the first fifty are told as one, and no number of labels makes the account grow on."""
    budget = Budget(1)
    budget.refuse([named("m", job=f"j{n}", **{f"l{n}_{i}": "v" for i in range(9)}) for n in range(3 * MAX_JOBS)])
    told = {refusal.job: refusal.series for refusal in budget.refusals}
    assert (MAX_JOBS + 1, 2 * MAX_JOBS, 3 * MAX_JOBS) == (len(told), told["other"], sum(told.values()))
    budget.refuse([named("m", job="j0", **{f"l{i}": "v" for i in range(200)})])
    assert len(budget._offenders["j0"]._values) <= 32


def test_metrics_name_who_was_refused() -> None:
    """The limit, the active series, and by job how many were refused, with the label, are in the registry."""
    registry = CollectorRegistry()
    db = DB.open(None, max_series=2, registry=registry)
    db.series([named("m", job="shop", user=str(n)) for n in range(5)])
    db.series([named("up", job="shop")], Claim.OWN)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"tocsin_tsdb_{name}", labels)

    assert (2, 3) == (value("series_limit"), value("active_series"))
    assert 3 == value("refused_series_total", scrape_job="shop")
    assert 3 == value("refusing_series", scrape_job="shop", label="user")


def test_churn_is_what_was_minted_within_the_hour() -> None:
    """The statistics count the series minted since an hour ago, by metric and by job; a clock set back does no harm."""
    db = DB.open(None, max_series=0)
    minute = 60_000
    for at in range(150):
        db.mark(BASE + at * minute)
        db.series([Labels({"__name__": "new" if at % 3 else "other", "job": f"j{at % 2}", "n": str(at)})])
    stats = db.stats()
    assert (("new", 41), ("other", 20)) == stats.churn_by_name[:2]
    assert (("j1", 31), ("j0", 30)) == stats.churn_by_job
    db.mark(BASE)
    db.series([named("late", job="j1")])
    assert ((("late", 1),), (("j1", 1),)) == (db.stats().churn_by_name, db.stats().churn_by_job)
