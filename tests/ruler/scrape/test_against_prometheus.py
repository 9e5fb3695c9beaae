"""Pages with timestamps of their own, scraped by the real Prometheus and by us: the same samples, the same counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import requests

from common.clock import SystemClock
from ruler.model.matcher import Matcher, MatchOp
from tests.peers import Prometheus, prometheus
from tests.ruler.scrape.test_database import Stored
from tests.ruler.scrape.world import answer, page_server
from tests.ruler.tsdb.reading import bits, read

SECOND, MINUTE = 1_000, 60_000
NAMES = ("out_of_order", "out_of_bounds", "duplicate_timestamp")
Line = tuple[str, float, int]  # name, value, time from now on (ms)
Script = tuple[tuple[Line, ...], ...]  # pages, each of which is scraped once
Samples = dict[str, list[tuple[int, int]]]

SCRIPT: Script = (
    (),
    (("t_a", 1, -MINUTE), ("t_b", 1, -59 * MINUTE)),
    (("t_a", 1, -MINUTE),),
    (("t_a", 2, -MINUTE), ("t_b", 3, -30 * SECOND)),
    (("t_a", 3, -90 * SECOND), ("t_b", 4, -29 * MINUTE)),
    (("t_f", 1, 9 * MINUTE), ("t_g", 1, 11 * MINUTE), ("t_a", 5, 5 * MINUTE)),
    (("t_a", 6, -20 * SECOND), ("t_c", 1, -50 * MINUTE)),
    (("t_d", 1, -3 * SECOND), ("t_d", 2, -2 * SECOND)),
    (("t_d", 1, -3 * SECOND), ("t_d", 2, -2 * SECOND)),
    (("t_d", 3, -1 * SECOND), ("t_c", 2, -49 * MINUTE)),
)
WITHOUT_WINDOW: Script = (
    (("t_b", 9, -59 * MINUTE), ("t_old", 1, -61 * MINUTE)),
    (("t_a", 4, -90 * SECOND), ("t_late", 1, -52 * MINUTE)),
    (("t_old", 1, -30 * MINUTE), ("t_old", 1, -61 * MINUTE)),
)
TOO_OLD: Script = ((), (("t_new", 1, -SECOND), ("t_old", 1, -61 * MINUTE)))


def pages(script: Script, now: int) -> Iterator[bytes]:
    for lines in script:
        timed = "".join(f"{name} {value} {now + at}\n" for name, value, at in lines)
        yield answer(f"plain 1\n{timed}".encode())


class Served:
    """A Served is a script that one scraper is told, page by page, and then a plain page for ever."""

    def __init__(self, script: Script, now: int) -> None:
        self._pages = pages(script, now)
        self._after = 0
        self.over = asyncio.Event()  # the page after the script's last has been asked for, and one more

    def __call__(self, _headers: dict[str, str]) -> bytes:
        page = next(self._pages, None)
        self._after += page is None
        if self._after > 1:
            self.over.set()
        return page or answer(b"plain 1\n")


def theirs(peer: Prometheus, now: int) -> Samples:
    answered = peer.ask("query", query='{__name__=~"t_.+"}[2h]', time=str(now / 1000 + 600))
    return {
        series["metric"]["__name__"]: [(round(float(at) * 1000), bits(float(value))) for at, value in series["values"]]
        for series in answered["data"]["result"]
    }


def ours(here: Stored, now: int) -> Samples:
    matchers = (Matcher("__name__", MatchOp.REGEX, "t_.+"),)
    found = read(here.db, now + 10 * MINUTE - 120 * MINUTE, now + 10 * MINUTE, matchers)
    return {name.partition("{")[0]: samples for name, samples in found.items()}


@dataclass(frozen=True)
class Outcome:
    """An Outcome is what was stored, and what was counted as left out."""

    samples: Samples
    counted: dict[str, float]


def peers_outcome(peer: Prometheus, now: int) -> Outcome:
    lines = requests.get(f"{peer.url}/metrics", timeout=20).text.splitlines()
    counted = {
        name: float(line.split()[1])
        for name in NAMES
        for line in lines
        if line.startswith(f"prometheus_target_scrapes_sample_{name}_total ")
    }
    return Outcome(theirs(peer, now), counted)


async def scraped(peers: Path, folder: Path, script: Script, window: int) -> tuple[Outcome, Outcome]:
    """What Prometheus and we make of a script, with a window for late samples (ms)."""
    async with page_server() as server:
        now = SystemClock().now()
        server.pages = {"/theirs": (their := Served(script, now)), "/ours": Served(script, now)}
        config = {
            "scrape_configs": [
                {
                    "job_name": "j",
                    "metrics_path": "/theirs",
                    "scrape_interval": "200ms",
                    "scrape_timeout": "200ms",
                    "static_configs": [{"targets": [server.address]}],
                }
            ],
            "storage": {"tsdb": {"out_of_order_time_window": f"{window}ms"}},
        }
        here = Stored()
        here.db.out_of_order_window = window
        here.clock.set(now)
        here.apply(
            "- {job_name: j, metrics_path: /ours, scrape_interval: 100ms, scrape_timeout: 100ms, "
            f"static_configs: [{{targets: ['{server.address}']}}]}}"
        )
        for _ in script:
            await here.tick()
        with ExitStack() as running:
            peer = await asyncio.to_thread(running.enter_context, prometheus(peers, folder, config))
            await asyncio.wait_for(their.over.wait(), 60)
            expected = await asyncio.to_thread(peers_outcome, peer, now)
            await asyncio.to_thread(running.close)
        counted = {name: here.metric(f"prometheus_target_scrapes_sample_{name}_total") for name in NAMES}
        outcome = Outcome(ours(here, now), counted)
        await here.manager.close()
        here.db.close()
        return expected, outcome


def test_what_prometheus_stores_and_counts(peers: Path, tmp_path: Path) -> None:
    """Old, late, repeated, conflicting and future samples are stored and counted as Prometheus does.

    But for one that is older than the window: Prometheus gives up its whole page, we leave out that sample.
    """

    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()

    async def run() -> None:
        (without, ours_without), (within, ours_within), (given_up, kept) = await asyncio.gather(
            scraped(peers, folders[0], SCRIPT + WITHOUT_WINDOW, 0),
            scraped(peers, folders[1], SCRIPT, 30 * MINUTE),
            scraped(peers, folders[2], TOO_OLD, 30 * MINUTE),
        )
        assert without == ours_without
        assert within == ours_within
        assert {"out_of_order": 5, "out_of_bounds": 5, "duplicate_timestamp": 1} == without.counted
        assert {"out_of_order": 0, "out_of_bounds": 1, "duplicate_timestamp": 1} == within.counted
        assert [4, 2] == [len(within.samples["t_a"]), len(without.samples["t_a"])]
        assert ([], ["t_new"]) == (list(given_up.samples), list(kept.samples))
        assert (0, 1) == (given_up.counted["out_of_bounds"], kept.counted["out_of_bounds"])

    asyncio.run(run())
