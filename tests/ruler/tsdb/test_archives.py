"""Archives: what is asked of samples that are gone is answered from their buckets, as exactly as the docs say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ruler.model.matcher import Matcher, MatchOp
from ruler.model.result import Vector
from ruler.promql.engine import Engine
from ruler.tsdb.config import Retention
from tests.ruler.tsdb.twins import DAY, HOUR, MIDNIGHT, MINUTE, RULE, STEP, Points, Twins, asked, points

DAYS = 9
EXACT = [
    "max_over_time(g{job='node'}[R])",
    "min_over_time(g{job='node'}[R])",
    "avg_over_time(g{job='node'}[R])",
    "last_over_time(g{job='node'}[R])",
    "present_over_time(g{job='node'}[R])",
    "last_over_time(c_total{job='node'}[R])",
    "max_over_time(c_total{job='node'}[R])",
]
SCALED = ["sum_over_time(g{job='node'}[R])", "count_over_time(g{job='node'}[R])"]
SEEN_ONCE = [  # in a bucket
    "first_over_time(g{job='node'}[R])",
    "quantile_over_time(0.3, g{job='node'}[R])",
    "stddev_over_time(g{job='node'}[R])",
    "stdvar_over_time(g{job='node'}[R])",
    "mad_over_time(g{job='node'}[R])",
    "changes(g{job='node'}[R])",
    "resets(g{job='node'}[R])",
    "deriv(g{job='node'}[R])",
    "predict_linear(g{job='node'}[R], 3600)",
    "double_exponential_smoothing(g{job='node'}[R], 0.4, 0.3)",
]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Twins]:
    """Nine days without and with gaps, as they lie on the disk."""
    made = {}
    for gappy in (False, True):
        made[gappy] = twins = Twins(tmp_path_factory.mktemp("twins"), gappy=gappy)
        twins.run(0, DAYS * DAY)
        twins.settle(DAYS * DAY)
        twins.close()
    return made


@pytest.fixture
def twins(history: dict[bool, Twins]) -> Iterator[Twins]:
    history[False].open(MIDNIGHT + DAYS * DAY)
    yield history[False]
    history[False].close()


@pytest.fixture
def gappy(history: dict[bool, Twins]) -> Iterator[Twins]:
    history[True].open(MIDNIGHT + DAYS * DAY)
    yield history[True]
    history[True].close()


def close(expected: Points, found: Points, tolerance: float = 1e-9) -> None:
    """Fail unless both have the same series at the same times, and values as near as that."""
    assert {key: sorted(each) for key, each in expected.items()} == {key: sorted(each) for key, each in found.items()}
    for labels, each in expected.items():
        for time, value in each.items():
            other = found[labels][time]
            limit = tolerance * max(1.0, abs(value)) if np.isfinite(value) else 0
            near = other == value or np.isnan([value, other]).all() or abs(other - value) <= limit
            assert near, (labels, time, value, other)


def at(engine: Engine, query: str, time: int) -> dict[str, float]:
    answer = engine.instant(query, MIDNIGHT + time).value
    assert isinstance(answer, Vector)
    return dict(zip(map(str, answer.table.all_labels()), answer.values.tolist(), strict=True))


def over_buckets(query: str, reach: int, size: int) -> str:
    """The query with a range that is a whole number of buckets."""
    return query.replace("R", f"{-(-reach // size) * size}ms")


@pytest.mark.parametrize("world", ["twins", "gappy"])
@pytest.mark.parametrize("query", [*EXACT, *SCALED])
def test_windows_of_whole_buckets_are_exact(query: str, world: str, request: pytest.FixtureRequest) -> None:
    """Extremes, sums, counts, means and last values over whole buckets are those over all their samples."""
    both: Twins = request.getfixturevalue(world)
    for reach, step, since in (("1h", HOUR, 0), ("10m", 35 * MINUTE, 5 * DAY), ("1d", 6 * HOUR, 0)):
        asking = query.replace("R", reach)
        window = (since + DAY, DAYS * DAY - 3 * HOUR, step)
        close(asked(both.wholly, asking, *window), asked(both.thinly, asking, *window))


@pytest.mark.parametrize("query", [*EXACT, *SCALED])
def test_windows_move_back_to_the_edges_of_buckets(query: str, gappy: Twins) -> None:
    """A window in an archive is the one that ends at the edge before it, and is as many buckets long as it needs."""
    chance = np.random.default_rng(3)
    for size, since, until in ((HOUR, DAY, 2 * DAY), (5 * MINUTE, 4 * DAY, 6 * DAY)):
        for time, reach in zip(
            chance.integers(since, until, 6).tolist(), (1, 299_999, HOUR, 7_777_777, 5, DAY), strict=True
        ):
            found = at(gappy.thinly, query.replace("R", f"{reach}ms"), time)
            expected = at(gappy.wholly, over_buckets(query, reach, size), time // size * size)
            if query in SCALED:
                expected = {key: value * reach / (-(-reach // size) * size) for key, value in expected.items()}
            close(
                {key: {0: value} for key, value in expected.items()}, {key: {0: value} for key, value in found.items()}
            )


@pytest.mark.parametrize("query", ["increase(c_total[R])", "rate(c_total[R]) * S", "delta(g{job='node'}[R])"])
def test_rises_over_whole_buckets_differ_by_less_than_two_scrapes(query: str, twins: Twins) -> None:
    """A counter's increase over whole buckets, resets and all, differs from that over its samples by what it rises by
    between two scrapes at either edge, and by as much of it as is extrapolated."""
    for reach, since in ((HOUR, 0), (DAY, 0), (10 * MINUTE, 5 * DAY)):
        asking = query.replace("R", f"{reach}ms").replace("S", str(reach // 1000))
        window = (since + 2 * DAY, DAYS * DAY - 3 * HOUR, 5 * HOUR)
        expected, found = asked(twins.wholly, asking, *window), asked(twins.thinly, asking, *window)
        assert expected.keys() == found.keys()
        assert len(expected) == 4
        for labels, each in expected.items():
            for time, value in each.items():
                assert abs(found[labels][time] - value) <= 2.4 * (100 if query[0] == "d" else STEP), (
                    labels,
                    time,
                    value,
                    found[labels][time],
                )


def test_an_increase_adds_up(gappy: Twins) -> None:
    """What a counter rises by in neighbouring days adds up to what it rises by in all of them, resets, gaps and ends
    of the series included."""
    days = asked(gappy.thinly, "increase(c_total[1d])", 2 * DAY, 6 * DAY, DAY)
    whole = at(gappy.thinly, "increase(c_total[5d])", 6 * DAY)
    assert len(whole) == 4
    for labels, total in whole.items():
        assert total == pytest.approx(sum(days[labels].values()), abs=6 * STEP)


@pytest.mark.parametrize("query", SEEN_ONCE)
def test_other_functions_see_the_last_sample_of_each_bucket(query: str, gappy: Twins) -> None:
    """What is about neither extremes, sums, counts nor rises is worked out as if a bucket had had one scrape."""
    for size, time in ((HOUR, 2 * DAY), (5 * MINUTE, 5 * DAY)):
        found = at(gappy.thinly, query.replace("R", "12h"), time)
        last = f"last_over_time(g{{job='node'}}[{size}ms])"
        expected = at(gappy.wholly, query.replace("g{job='node'}[R]", f"{last}[12h:{size}ms]"), time)
        assert expected.keys() == found.keys()
        assert len(found) == 4
        rough = 0.02 if query.startswith(("deriv", "predict")) else 1e-9  # those go by the times of samples too
        for labels, value in expected.items():
            assert found[labels] == pytest.approx(value, rel=rough, abs=rough, nan_ok=True), labels


def test_the_newest_rise_is_that_of_the_last_bucket(twins: Twins) -> None:
    """irate and idelta are over the last whole bucket, from the last sample before it."""
    for size, time in ((HOUR, 2 * DAY), (5 * MINUTE, 5 * DAY)):
        before, after = (at(twins.wholly, "{job='node'}", each) for each in (time - size, time))
        seconds = (size - 37 - 23) / 1000
        for labels, value in at(twins.thinly, "irate(c_total[1h])", time + 1).items():
            name = f"c_total{labels}"
            if after[name] >= before[name]:
                assert value * seconds == pytest.approx(after[name] - before[name], rel=0.25)
        for labels, value in at(twins.thinly, "idelta(g{job='node'}[1h])", time + 1).items():
            assert value == pytest.approx(after[f"g{labels}"] - before[f"g{labels}"])


@pytest.mark.parametrize("extreme", ["max", "min"])
def test_the_time_of_an_extreme_is_that_of_its_bucket(extreme: str, twins: Twins) -> None:
    """ts_of_max_over_time and ts_of_min_over_time are off by less than a bucket."""
    for size, time in ((HOUR, 2 * DAY), (5 * MINUTE, 5 * DAY)):
        query = f"ts_of_{extreme}_over_time(g{{job='node'}}[12h])"
        expected, found = at(twins.wholly, query, time), at(twins.thinly, query, time)
        assert 4 == len(found)
        assert all(0 <= found[labels] - when < size / 1000 for labels, when in expected.items())


@pytest.mark.parametrize("selector", ["g", "c_total", "timestamp(g)"])
def test_instant_selections_find_the_last_sample_of_the_last_whole_bucket(selector: str, gappy: Twins) -> None:
    """A selector in an archive gives what it gives at the edge of the bucket, whatever the lookback is, and nothing
    after the series ended."""
    chance = np.random.default_rng(4)
    for size, since, until in ((HOUR, DAY, 2 * DAY), (5 * MINUTE, 4 * DAY, 6 * DAY)):
        for time in chance.integers(since, until, 20).tolist():
            found = {key: value for key, value in at(gappy.thinly, selector, time).items() if "other" not in key}
            edge = at(gappy.wholly, selector, time // size * size)
            expected = {key: value for key, value in edge.items() if "other" not in key}
            close(
                {key: {0: value} for key, value in expected.items()}, {key: {0: value} for key, value in found.items()}
            )


def test_windows_over_the_seam_are_exact_at_its_raw_end(twins: Twins) -> None:
    """A window that begins in buckets and ends in raw samples begins at the edge before, and ends where it was to."""
    seam = min(leaf.oldest for ring in twins.thin._rings.values() for leaf in ring.leaves) - MIDNIGHT
    for after in (7 * MINUTE + 1234, 20 * MINUTE + 1, 59 * MINUTE):
        time = seam + after
        start = (time - HOUR) // (5 * MINUTE) * 5 * MINUTE
        for function in ("max_over_time", "sum_over_time", "count_over_time", "avg_over_time"):
            found = at(twins.thinly, f"{function}(g{{job='node'}}[1h])", time)
            expected = at(twins.wholly, f"{function}(g{{job='node'}}[{time - start}ms])", time)
            if function in ("sum_over_time", "count_over_time"):
                expected = {key: value * HOUR / (time - start) for key, value in expected.items()}
            assert expected == pytest.approx(found)
        rise = at(twins.thinly, "increase(c_total[1h])", time)
        assert at(twins.wholly, "increase(c_total[1h])", time) == pytest.approx(rise, abs=7 * STEP)


def test_the_answer_says_which_archive_was_read(twins: Twins) -> None:
    """An info names each resolution and until when it was read; there is none where raw samples were."""
    recent = twins.thinly.range("g", MIDNIGHT + DAYS * DAY - 3 * HOUR, MIDNIGHT + DAYS * DAY, HOUR)
    assert recent.infos == ()
    old = twins.thinly.instant("g + 0 * max_over_time(g[1h])", MIDNIGHT + 2 * DAY)
    note = "PromQL info: samples before 2023-11-16T00:00:00Z are read from the 1h archive"
    assert (f"{note} (1:23)",) == old.infos
    both = twins.thinly.range("g", MIDNIGHT + DAY, MIDNIGHT + DAYS * DAY, HOUR)
    assert ["5m", "1h"] == [info.split("from the ")[1].split()[0] for info in both.infos]


def test_series_without_a_rule_have_no_archive(twins: Twins) -> None:
    """What no rule matches is gone with its raw samples, and other series are not."""
    assert {} == at(twins.thinly, "g{job='other'}", 2 * DAY)
    assert 4 == len(at(twins.thinly, "g", 2 * DAY))
    assert 6 == len(at(twins.thinly, "g", DAYS * DAY - HOUR))
    table = twins.thin.tables((Matcher("__name__", MatchOp.EQUAL, "g"),), MIDNIGHT, MIDNIGHT + DAY)
    assert ["node"] * 4 == [labels["job"] for labels in table.all_labels()]


def test_the_first_rule_that_matches_holds(tmp_path: Path) -> None:
    """Of two rules that match a series the first says which archives it has."""
    first = replace(RULE, match=((Matcher("n", MatchOp.EQUAL, "1"),),), resolutions=((HOUR, 100 * DAY),))
    twins = Twins(tmp_path, first, replace(RULE, resolutions=((5 * MINUTE, 50 * DAY),)))
    twins.run(0, 4 * DAY)
    twins.settle(4 * DAY)
    sizes = {
        labels["n"]: size
        for size, ring in twins.thin._archives.items()
        for chunk in ring.chunks
        for opened in [chunk.opened()]
        if opened is not None
        for labels in opened.dictionary.select((), np.ones(opened.used - 1, bool), twins.thin._index.strings)[
            1
        ].all_labels()
    }
    assert {"0": 5 * MINUTE, "1": HOUR, "2": 5 * MINUTE, "3": 5 * MINUTE} == sizes
    twins.close()


@pytest.mark.parametrize("every", [7 * HOUR, 31 * HOUR])
def test_a_restart_repeats_nothing_and_leaves_nothing_out(every: int, tmp_path: Path, gappy: Twins) -> None:
    """However often the process starts anew, archives hold what they hold without that, and no bucket twice."""
    twins = Twins(tmp_path, gappy=True)
    for start in range(0, DAYS * DAY, every):
        twins.run(start, min(start + every, DAYS * DAY))
        twins.restart(MIDNIGHT + start + every)
        twins.settle(start + every)
    twins.settle(DAYS * DAY)
    for query in ("sum_over_time(g[1h])", "increase(c_total[1h])", "g"):
        window = (DAY, 6 * DAY, HOUR)
        close(asked(gappy.thinly, query, *window), asked(twins.thinly, query, *window))
    for size, ring in twins.thin._archives.items():
        rows = [(chunk.first, chunk.first + chunk.rows) for chunk in ring.chunks]
        assert sorted(rows) == rows, size
        assert all(stop <= start for (_, stop), (start, _) in pairwise(rows))
    twins.close()


def test_raw_samples_stay_until_they_are_archived(tmp_path: Path) -> None:
    """Raw samples past their retention wait for the archives, and for nothing else."""
    twins = Twins(tmp_path, retention=Retention(DAY // 2))
    twins.rules = (replace(RULE, raw=DAY // 2),)
    twins.restart(MIDNIGHT)
    twins.run(0, 3 * DAY)
    twins.settle(3 * DAY)
    held = asked(twins.thinly, "count_over_time(g{job='node'}[1h])", HOUR, 3 * DAY, HOUR)
    assert [[60.0] * 72] * 4 == [list(each.values()) for each in held.values()]
    raw = min(leaf.oldest for ring in twins.thin._rings.values() for leaf in ring.leaves)
    assert MIDNIGHT + 2 * DAY - HOUR <= raw <= MIDNIGHT + 2.6 * DAY
    twins.close()


def test_a_process_that_ends_waits_for_no_archive(tmp_path: Path) -> None:
    """What is being built when the process is to end is given up without a trace, and built by the next one."""
    twins = Twins(tmp_path)
    twins.thin._archivist.halted = lambda: True
    twins.run(0, 2 * DAY)
    assert [] == [chunk for ring in twins.thin._archives.values() for chunk in ring.chunks]
    assert [] == list(tmp_path.glob("*.tmp"))
    twins.restart(MIDNIGHT + 2 * DAY)
    twins.settle(2 * DAY + 2 * HOUR)
    held = asked(twins.thinly, "count_over_time(g{job='node'}[1d])", DAY, 2 * DAY, DAY)
    assert all(chunk.header.planes == 6 for ring in twins.thin._archives.values() for chunk in ring.chunks)
    assert [{DAY: 1440.0, 2 * DAY: 1440.0}] * 4 == list(held.values())
    assert all(ring.chunks for ring in twins.thin._archives.values())
    twins.close()


def test_archives_go_by_their_own_retention(twins: Twins) -> None:
    """Of each resolution there is as much as its rule says, and no more than some chunks on top."""
    for size, kept in RULE.resolutions:
        chunks = twins.thin._archives[size].chunks
        oldest = min(chunk.oldest for chunk in chunks) - MIDNIGHT
        assert max(0, DAYS * DAY - kept - 2 * DAY) <= oldest <= max(2 * HOUR, DAYS * DAY - kept + size)


def test_very_many_samples_are_read_from_buckets_where_those_will_do(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows and steps of many buckets are answered from them when there would be too much to read otherwise."""
    query, window = "max_over_time(g{job='node'}[1h])", (DAYS * DAY - DAY, DAYS * DAY - 5 * HOUR, 5 * MINUTE)
    start, end, step = (MIDNIGHT + window[0], MIDNIGHT + window[1], window[2])
    assert () == twins.thinly.range(query, start, end, step).infos
    monkeypatch.setattr("ruler.tsdb.archive.archives.MANY", 1000)
    found = twins.thinly.range(query, start, end, step)
    assert "from the 5m archive" in found.infos[0]
    assert points(twins.wholly.range(query, start, end, step).value) == points(found.value)
    assert () == twins.thinly.range(query, start, end, MINUTE).infos


def test_an_archive_that_is_added_later_takes_nothing_away(tmp_path: Path) -> None:
    """What a finer archive has from before there was a coarser one is all there, also in a query that reads both."""
    finer = replace(RULE, resolutions=((5 * MINUTE, 50 * DAY),))
    twins = Twins(tmp_path, finer)
    twins.run(0, 4 * DAY)
    twins.thin.apply(twins.retention, (replace(finer, resolutions=(*finer.resolutions, (HOUR, 100 * DAY))),))
    twins.run(4 * DAY, 7 * DAY)
    twins.settle(7 * DAY)
    for end in (1, 5):
        found = asked(twins.thinly, "count_over_time(g{job='node'}[2h])", 2 * HOUR, end * DAY, HOUR)
        assert {120.0} == {value for each in found.values() for value in each.values()}, end
    twins.close()
    twins.whole.close()
