"""Scraping into the real database: what a query would see."""

from __future__ import annotations

import asyncio

import numpy as np
from prometheus_client import CollectorRegistry

from ruler.model.arrays import is_absent, is_stale
from ruler.model.matcher import Matcher, MatchOp
from ruler.schedule import Scheduler
from ruler.scrape.manager import ScrapeManager
from ruler.tsdb.db import DB
from tests.ruler.scrape.world import World, answer, page_server

JOB = "- {{job_name: j, scrape_interval: 10s, sample_limit: {1}, static_configs: [{{targets: ['{0}']}}]}}"


class Stored(World):
    """A World whose samples go into a database in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.db = DB.open(None)
        self.scheduler = Scheduler(self.clock)
        self.manager = ScrapeManager(self.db, self.scheduler, CollectorRegistry())

    def history(self, name: str) -> list[float | str]:
        """The samples of the series with this name, in the order of their times."""
        selection = self.db.select((Matcher("__name__", MatchOp.EQUAL, name),), 0, self.clock.now() + 1)
        seen = []
        for block in selection.blocks:
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
