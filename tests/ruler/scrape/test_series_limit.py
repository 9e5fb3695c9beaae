"""One bad target among many, with new series at every scrape: it harms itself alone, by name, and until it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from common.clock import ManualClock
from common.durations import HOUR
from common.labels import Labels
from ruler.model.arrays import is_absent, is_stale
from ruler.model.matcher import Matcher, MatchOp
from ruler.schedule import Scheduler
from ruler.scrape.manager import ScrapeManager
from ruler.tsdb.db import DB
from tests.ruler.scrape.world import PageServer, answer, jobs_of, page_server

NOW = 1_700_000_000_100  # off the grid on which targets start, so that each has one tick in each window
INTERVAL = 15_000
GOOD, LINES, FLOOD, LIMIT = 10, 100, 10_000, 50_000


@dataclass
class Fleet:
    """A Fleet is good targets and a bad one, scraped into a database with a limit."""

    db: DB
    manager: ScrapeManager
    registry: CollectorRegistry
    scheduler: Scheduler
    clock: ManualClock
    bad_page: bytes = b""

    async def scrape(self) -> None:
        """Let every target be scraped once."""
        until = self.clock.now() + INTERVAL
        while (due := self.scheduler.run_due()) is not None and due < until:
            self.clock.set(due)
            self.scheduler.run_due()
            await asyncio.gather(*(loop._task for loop in self.manager._loops if loop._task is not None))
        self.clock.set(until)

    def flood(self, scrape: int) -> None:
        """Let the bad target expose what it always does, and new sessions."""
        old = b"".join(b'queue{shard="%d"} 1\n' % n for n in range(LINES))
        new = b"".join(b'requests{path="/%d",session="%d"} 1\n' % (n % 9, FLOOD * scrape + n) for n in range(FLOOD))
        self.bad_page = old + new

    def samples(self, name: str, job: str) -> dict[Labels, int]:
        """How many samples each series has."""
        matchers = (Matcher("__name__", MatchOp.EQUAL, name), Matcher("job", MatchOp.EQUAL, job))
        selection = self.db.select(matchers, NOW - 1, self.clock.now())
        found: dict[Labels, int] = {}
        for block in (block for each in selection.blocks for block in each.blocks()):
            counts = (~is_absent(block.values) & ~is_stale(block.values)).sum(axis=0)
            found.update(zip(selection.table.take(block.rows).all_labels(), counts.tolist(), strict=True))
        return found

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def fleet(server: PageServer, path: Path | None) -> AsyncIterator[Fleet]:
    registry, clock = CollectorRegistry(), ManualClock(NOW)
    db = DB.open(path, max_series=LIMIT, clock=clock, registry=registry)
    scheduler = Scheduler(clock)
    manager = ScrapeManager(db, scheduler, registry)
    state = Fleet(db, manager, registry, scheduler, clock)
    steady = answer(b"".join(b'm{n="%d"} 1\n' % n for n in range(LINES)))
    server.pages = {f"/{n}": steady for n in range(GOOD)} | {"/bad": lambda _: answer(state.bad_page)}
    manager.apply(jobs_of(config(server.address)))
    try:
        yield state
    finally:
        await manager.close()
        db.close()


def config(address: str) -> str:
    """The scrape configs of the two jobs: each target is a path of the one server."""

    def group(path: str) -> str:
        return f'{{targets: ["{address}"], labels: {{__metrics_path__: "/{path}", instance: "{path}"}}}}'

    good = ", ".join(group(str(n)) for n in range(GOOD))
    return (
        f"- {{job_name: good, scrape_interval: 15s, static_configs: [{good}]}}\n"
        f"- {{job_name: bad, scrape_interval: 15s, static_configs: [{group('bad')}]}}\n"
    )


def street(story: Callable[[Fleet], Awaitable[None]], path: Path | None = None) -> None:
    async def run() -> None:
        async with page_server() as server, fleet(server, path) as state:
            await story(state)

    asyncio.run(run())


def test_a_flood_of_series_harms_its_own_target_alone() -> None:
    """Good targets miss nothing, the bad one's known series go on, memory stays, and job and label are named."""

    async def story(state: Fleet) -> None:
        scrapes, strings = 9, []
        for scrape in range(scrapes):
            state.flood(scrape)
            await state.scrape()
            strings.append(state.db.head().strings)
        assert [{scrapes}, {scrapes}] == [set(state.samples(name, "good").values()) for name in ("m", "up")]
        assert (GOOD * LINES, GOOD) == (len(state.samples("m", "good")), len(state.samples("up", "good")))
        assert [scrapes] * LINES == list(state.samples("queue", "bad").values())
        assert [scrapes] == list(state.samples("scrape_samples_scraped", "bad").values())
        head = state.db.head()
        assert (LIMIT, 1) == (head.active, len(set(strings[-3:])))
        taken = LIMIT - GOOD * LINES - LINES - 5 * (GOOD + 1)
        refused = scrapes * FLOOD - taken
        [refusal] = state.db.stats().refusals
        assert ("bad", "session", refused) == (refusal.job, refusal.label, refusal.series)
        assert refused == state.metric("tocsin_tsdb_refusing_series", scrape_job="bad", label="session")
        assert refused == state.metric("tocsin_target_refused_samples_total", scrape_job="bad", reason="series_limit")
        assert {"bad": FLOOD, "good": 0} == {each.pool: each.refused_series for each in state.manager.targets()}

    street(story)


def test_new_series_are_taken_again_when_the_flood_is_over(tmp_path: Path) -> None:
    """Once pages that have the flood's series are sealed these leave, and what had been refused comes in by itself."""

    async def story(state: Fleet) -> None:
        for scrape in range(6):
            state.flood(scrape)
            await state.scrape()
        state.bad_page = b"".join(b'shelves{n="%d"} 1\n' % n for n in range(LINES))
        await state.scrape()
        assert {} == state.samples("shelves", "bad")
        for _ in range(4):  # a page is given up in one round, sealed in the next, and its dead leave in a third
            state.clock.advance(HOUR)
            await state.scrape()
            state.db.maintain(state.clock.now())
        await state.scrape()
        assert LINES == len(state.samples("shelves", "bad"))
        assert state.db.head().active < 2 * (GOOD + 1) * LINES
        assert ((), 0) == (state.db.stats().refusals, sum(each.refused_series for each in state.manager.targets()))
        assert 1 == state.db.openings

    street(story, tmp_path)
