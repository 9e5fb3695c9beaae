"""/api/v1/status/tsdb: Prometheus's answer key for key, and beside it who makes series many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
import pytest

from common.labels import Labels
from ruler.storage import REFUSED
from tests.peers import Prometheus, prometheus
from tests.ruler.api.conftest import NOW, World
from tests.ruler.scrape.world import answer, page_server
from tests.waiting import until

T = TypeVar("T")
LISTS = (
    "seriesCountByMetricName",
    "labelValueCountByLabelName",
    "memoryInBytesByLabelName",
    "seriesCountByLabelValuePair",
)
BAD_LIMITS = ["0", "-1", "+0", "x", "1.5", "1_0", " 2", "99999999999999999999"]
PAGE = b"""\
# TYPE requests counter
requests{path="/a",code="200"} 1
requests{path="/b",code="200"} 1
requests{path="/b",code="500"} 1
temperature{zone="\xc3\xa9t\xc3\xa9"} 1
{"\xc3\xbc.x","l \xc3\xa4"="v"} 1
bare 3
long{one="%s",two="%s",three="%s"} 1
""" % (b"x" * 254, b"x" * 255, b"\xc3\xa4" * 128)


def beside_prometheus(peers: Path, folder: Path, compare: Callable[[Prometheus], T]) -> T:
    """What `compare` gives beside a Prometheus that has scraped the page as the job x."""

    def run(address: str) -> T:
        job = {"job_name": "x", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
        with prometheus(peers, folder, {"scrape_configs": [job]}) as peer:
            until("a scrape", lambda: peer.query("scrape_series_added"))
            return compare(peer)

    async def serve() -> T:
        async with page_server() as server:
            server.pages["/metrics"] = answer(PAGE)
            return await asyncio.to_thread(run, server.address)

    return asyncio.run(serve())


def hold(world: World, series: list[Labels]) -> list[int]:
    """Let one stream hold these series, as far as there is room; their ids."""
    database = world.ruler._db

    def append() -> list[int]:
        ids = database.series(series)
        database.stream("held", 15_000).append(NOW - NOW % 15_000, NOW, ids, np.ones(len(ids)))
        return list(ids.tolist())

    return world.ruler._loop.call(append)


def as_dict(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {row["name"]: row["value"] for row in rows}


@pytest.mark.conformance
def test_the_same_series_have_the_same_statistics(peers: Path, tmp_path: Path, world: World) -> None:
    """Counts, bytes and pairs are those of the real Prometheus for the series of one page, and so is a bad limit."""

    def compare(peer: Prometheus) -> None:
        theirs = peer.ask("status/tsdb?limit=100")["data"]
        hold(world, [Labels(labels) for labels in peer.ask('series?match[]={job="x"}')["data"]])
        ours = world.get("/api/v1/status/tsdb", limit="100")["data"]
        assert [as_dict(theirs[name]) for name in LISTS] == [as_dict(ours[name]) for name in LISTS]
        assert list(theirs) == list(ours)[: len(theirs)]
        assert [theirs["headStats"][name] for name in ("numSeries", "numLabelPairs")] == [
            ours["headStats"][name] for name in ("numSeries", "numLabelPairs")
        ]
        assert theirs["headStats"].keys() == ours["headStats"].keys()
        for limit in BAD_LIMITS:
            refused = peer.ask(f"status/tsdb?limit={quote(limit)}")
            told = (400, refused["errorType"], refused["error"])
            assert told == world.refusal("/api/v1/status/tsdb", limit=limit)
        for limit in ("1", "+2", ""):
            lengths = [len(peer.ask(f"status/tsdb?limit={quote(limit)}")["data"][name]) for name in LISTS]
            few = world.get("/api/v1/status/tsdb", limit=limit)["data"]
            assert lengths == [len(few[name]) for name in LISTS]

    beside_prometheus(peers, tmp_path, compare)


def test_the_longest_come_first(world: World) -> None:
    """Each list is in falling order, equal ones by name, and series that nobody writes any more do not count."""
    hold(
        world,
        [Labels({"__name__": name, "n": str(n)}) for name in "ba" for n in range(3)] + [Labels({"__name__": "c"})],
    )
    world.ruler._loop.call(lambda: world.ruler._db.series([Labels({"__name__": "gone", "n": "9"})]))
    ours = world.get("/api/v1/status/tsdb", limit="2")["data"]
    assert [{"name": "a", "value": 3}, {"name": "b", "value": 3}] == ours["seriesCountByMetricName"]
    assert [{"name": "__name__=a", "value": 3}, {"name": "__name__=b", "value": 3}] == ours[
        "seriesCountByLabelValuePair"
    ]
    assert (7, 6) == (ours["headStats"]["numSeries"], ours["headStats"]["numLabelPairs"])


@pytest.mark.parametrize("world", [{"max_series": 10}], indirect=True)
def test_who_reached_the_limit_is_told(world: World) -> None:
    """The limit, the series that count, and the jobs and labels of those refused stand beside Prometheus's keys."""
    ids = hold(world, [Labels({"__name__": "m", "job": "shop", "user": str(n)}) for n in range(20)])
    ours = world.get("/api/v1/status/tsdb")["data"]
    assert (10, 10) == (ours["seriesLimit"], ours["activeSeries"])
    assert [{"job": "shop", "label": "user", "series": ids.count(REFUSED)}] == ours["refusedSeries"]
    assert {"name": "m", "value": 5} == ours["topChurn"][0]
    assert [{"name": "quiet", "value": 5}, {"name": "shop", "value": 5}] == ours["topChurnByJob"]
