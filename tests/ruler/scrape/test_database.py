"""Scraping into the real database: what a query would see."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import numpy as np
from prometheus_client import CollectorRegistry

from ruler.model.arrays import is_absent, is_stale
from ruler.model.matcher import Matcher, MatchOp
from ruler.schedule import Scheduler
from ruler.scrape.manager import ScrapeManager
from ruler.scrape.status import Mistimed
from ruler.tsdb.db import DB
from tests.ruler.scrape.world import World, answer, page_server

JOB = "- {{job_name: j, scrape_interval: 10s, sample_limit: {1}, static_configs: [{{targets: ['{0}']}}]}}"


class Stored(World):
    """A World whose samples go into a database in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.db = DB.open(None)
        self.scheduler = Scheduler(self.clock)
        self.registry = CollectorRegistry()
        self.manager = ScrapeManager(self.db, self.scheduler, self.registry)

    def history(self, name: str) -> list[float | str]:
        """The samples of the series with this name, in the order of their times."""
        selection = self.db.select((Matcher("__name__", MatchOp.EQUAL, name),), 0, self.clock.now() + 1)
        seen = []
        for block in (block for each in selection.blocks for block in each.blocks()):
            times = np.take(block.times, block.stream_of, axis=1)
            for row, column in np.argwhere(~is_absent(block.values)):
                value = block.values[row, column]
                seen.append((int(times[row, column]), "stale" if is_stale(value[None])[0] else float(value)))
        return [value for _, value in sorted(seen)]


def test_the_database_tells_the_same_story() -> None:
    """Values, a failure's stale marker, a reload that moves the series to another loop, and the end of the target."""

    async def run() -> None:
        async with page_server() as server:
            here = Stored()
            here.apply(JOB.format(server.address, 0))
            for page in (b"a 1\n", b"a 2\n", None, b"a 4\n"):
                server.pages["/metrics"] = answer(status="500 Oh No") if page is None else answer(page)
                await here.tick()
            here.apply(JOB.format(server.address, 9))
            for _ in range(4):
                await here.tick()
            assert [1.0, 2.0, "stale", 4.0, 4.0] == here.history("a")[:5]
            assert "stale" not in here.history("a")[3:]
            here.apply("[]")
            while here.scheduler.run_due() is not None:
                here.clock.advance(1_000)
            assert "stale" == here.history("a")[-1]
            assert "stale" == here.history("up")[-1]
            await here.manager.close()
            here.db.close()

    asyncio.run(run())


def test_samples_refused_for_their_times_are_counted_for_their_target() -> None:
    """Each reason is counted for the target, for its job and under Prometheus's names; a sample again is no news."""

    async def run() -> None:
        async with page_server() as server:
            here = Stored()
            here.apply(JOB.format(server.address, 0))
            now, minute = here.clock.now(), 60_000
            lines = [
                (b"a 1 %d", now - minute),
                (b"a 1 %d", now - minute),
                (b"a 2 %d", now - minute),
                (b"a 3 %d", now - 2 * minute),
                (b"b 3 %d", now - 61 * minute),
                (b"a 4 %d", now + 15 * minute),
                (b"a 5 %d\na 5 %d\nc 1\nc 2", now),
            ]
            for line, time in lines:
                server.pages["/metrics"] = answer(line.replace(b"%d", b"%d" % time) + b"\n")
                await here.tick()
            assert [1.0, 5.0] == here.history("a")
            assert [1.0] == here.history("c")
            (status,) = here.manager.targets()
            assert Mistimed(out_of_order=1, too_old=1, duplicate=2, future=1) == status.mistimed
            counted = {
                reason: here.metric("tocsin_target_refused_samples_total", scrape_job="j", reason=reason)
                for reason in ("out_of_order", "too_old", "duplicate", "future")
            }
            assert asdict(status.mistimed) == counted
            named = ("out_of_order", "out_of_bounds", "duplicate_timestamp")
            assert [1, 2, 2] == [here.metric(f"prometheus_target_scrapes_sample_{name}_total") for name in named]
            here.apply("[]")
            assert 0.0 == here.metric("tocsin_target_refused_samples_total", scrape_job="j", reason="future")
            await here.manager.close()
            here.db.close()

    asyncio.run(run())
