"""Sources: asked at once and then at every interval, keeping the last good answer; shared between jobs and reloads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from common.clock import ManualClock
from common.errors import DiscoveryError
from ruler.schedule import Scheduler
from ruler.scrape import pool
from ruler.scrape.discovery.groups import Found
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.discovery.source import Source
from tests.ruler.scrape.world import PageServer, World, answer, page_server, world

JSON = "application/json"


@dataclass
class Script:
    """A Script is a discoverer whose answers are written down: targets, an error, or an event to wait for."""

    answers: list[Sequence[Found] | Exception | asyncio.Event]
    mechanism: str = "http"
    interval: int = 10_000
    refreshes: bool = True
    asked: int = 0
    closed: bool = False

    async def refresh(self) -> Sequence[Found]:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return []
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


@dataclass
class Stage:
    """A Stage is a source with a scripted discoverer; `changes` has what its targets were after each change."""

    script: Script
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    clock: ManualClock = field(default_factory=lambda: ManualClock(1_000_000_000_000))
    changes: list[tuple[Found, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.clock)
        self.source = Source(self.script, "j", DiscoveryMetrics(self.registry), self.changed)

    def changed(self, source: Source) -> None:
        self.changes.append(source.targets)

    async def start(self) -> None:
        self.source.start(self.scheduler)
        await self.source.settled()

    def due(self) -> None:
        due = self.scheduler.run_due()
        assert due is not None
        self.clock.set(due)
        self.scheduler.run_due()

    async def tick(self) -> None:
        self.due()
        await self.source.settled()

    def metric(self, name: str) -> float:
        labels = {"mechanism": "http", "config": "j"}
        return self.registry.get_sample_value(f"prometheus_sd_refresh_{name}", labels) or 0.0


def found(*addresses: str) -> list[Found]:
    return [{"__address__": address} for address in addresses]


def test_a_source_is_asked_at_once_and_then_at_every_interval() -> None:
    """Only what changes is told, the first answer always; what is found again is the same object."""

    async def run() -> None:
        stage = Stage(Script([found("a", "b"), found("a", "b"), found("c", "b")]))
        await stage.start()
        (first,) = stage.changes
        await stage.tick()
        assert 1 == len(stage.changes)
        await stage.tick()
        assert ["c", "b"] == [each["__address__"] for each in stage.source.targets]
        assert first[1] is stage.source.targets[1]
        assert (3, 3.0) == (stage.script.asked, stage.metric("duration_seconds_count"))
        stage.source.close()
        assert stage.script.closed
        assert stage.scheduler.run_due() is None

    asyncio.run(run())


def test_a_failure_keeps_the_last_targets(caplog: pytest.LogCaptureFixture) -> None:
    """Each failure counts, the log has it once; what was not foreseen does not end discovery."""

    async def run() -> None:
        failures = [DiscoveryError("gone"), DiscoveryError("gone"), ZeroDivisionError()]
        stage = Stage(Script([found("a"), *failures, found("b")]))
        await stage.start()
        for _ in failures:
            await stage.tick()
            assert ["a"] == [each["__address__"] for each in stage.source.targets]
        assert 3.0 == stage.metric("failures_total")
        await stage.tick()
        assert (["b"], "") == ([each["__address__"] for each in stage.source.targets], stage.source.error)

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert [
        "unable to discover targets, keeping the last ones",
        "discovery failed",
        "unable to discover targets, keeping the last ones",
        "targets can be discovered again",
    ] == [record.getMessage() for record in caplog.records]


def test_a_source_that_has_failed_from_the_start_is_not_waited_for() -> None:
    """That there is nothing to wait for is told once, too."""

    async def run() -> None:
        stage = Stage(Script([DiscoveryError("gone"), DiscoveryError("gone")]))
        await stage.start()
        await stage.tick()
        assert [()] == stage.changes
        assert stage.source.answered

    asyncio.run(run())


def test_a_source_that_hangs_is_asked_once() -> None:
    """Ticks that find it being asked are left out, and closing ends the question."""

    async def run() -> None:
        stage = Stage(Script([asyncio.Event()]))
        stage.source.start(stage.scheduler)
        await asyncio.sleep(0)
        for _ in range(3):
            stage.due()
        await asyncio.sleep(0)
        assert 1 == stage.script.asked
        stage.source.close()
        await stage.source.settled()
        assert [] == stage.changes

    asyncio.run(run())


def discovering(use: Callable[[World, PageServer], Awaitable[None]]) -> None:
    async def run() -> None:
        async with page_server() as server, world() as here:
            server.pages["/list"] = answer(b'[{"targets": ["127.0.0.1:1"]}]', content_type=JSON)
            await use(here, server)

    asyncio.run(run())


def job(url: str, name: str = "j", extra: str = "") -> str:
    return f"- {{job_name: {name}, scrape_interval: 1h, http_sd_configs: [{{url: '{url}'}}]{extra}}}\n"


def instances(here: World) -> list[str]:
    return sorted(status.labels["instance"] for status in here.manager.targets())


def test_jobs_with_the_same_settings_share_a_source() -> None:
    """A list is asked for once, however many jobs want it, and again only for the job whose settings change."""

    async def use(here: World, server: PageServer) -> None:
        url = f"http://{server.address}/list"
        here.apply(job(url, "one") + job(url, "two"))
        await here.discovered()
        assert (1, ["127.0.0.1:1"] * 2) == (len(server.requests), instances(here))
        here.apply(job(url, "one", ", sample_limit: 7") + job(url, "three"))
        await here.discovered()
        assert (1, ["127.0.0.1:1"] * 2) == (len(server.requests), instances(here))
        assert 1.0 == here.metric("prometheus_sd_discovered_targets", name="scrape", config="three")
        assert 0.0 == here.metric("prometheus_sd_discovered_targets", name="scrape", config="two")

    discovering(use)


def test_targets_stay_until_the_source_in_their_place_has_answered() -> None:
    """A reload that changes where targets come from leaves no gap; when the new source has failed, they go."""

    async def use(here: World, server: PageServer) -> None:
        here.apply(job(f"http://{server.address}/list"))
        await here.discovered()
        (loop,) = here.manager._loops
        here.apply(job(f"http://{server.address}/list?again"))
        assert (loop,) == here.manager._loops
        server.pages["/list?again"] = server.pages["/list"]
        await here.discovered()
        assert ["127.0.0.1:1"] == instances(here)
        here.apply(job(f"http://{server.address}/none"))
        assert ["127.0.0.1:1"] == instances(here)
        await here.discovered()
        assert [] == instances(here)

    discovering(use)


def test_many_targets_are_settled_between_what_else_is_due() -> None:
    """Others run after each step of a large change, in which few targets start or end; the end is the same."""

    async def use(here: World, server: PageServer) -> None:
        targets = [f"127.0.0.1:{port}" for port in range(1, 1001)]
        listed = ", ".join(f'"{target}"' for target in targets)
        server.pages["/list"] = answer(f'[{{"targets": [{listed}]}}]'.encode(), content_type=JSON)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        here.apply(job(f"http://{server.address}/list"))
        await here.discovered()
        assert sorted(targets) == instances(here)
        assert 2 * 1000 // pool.STEP <= turns
        turns = 0
        here.apply(job(f"http://{server.address}/list", extra=", sample_limit: 7"))
        await here.discovered()
        assert sorted(targets) == instances(here)
        assert 3 * 1000 // pool.STEP - 3 <= turns
        here.apply("[]")
        assert [] == instances(here)
        task.cancel()

    discovering(use)


def test_a_change_during_a_change_begins_anew() -> None:
    """What is being settled is dropped for what is known now, and counts as delayed."""

    async def use(here: World, server: PageServer) -> None:
        def static(first: int) -> str:
            targets = [f"127.0.0.1:{port}" for port in range(first, first + 200)]
            return f"- {{job_name: j, scrape_interval: 1h, static_configs: [{{targets: {targets}}}]}}"

        here.apply(static(1))
        here.apply(static(101))
        await here.discovered()
        assert sorted(f"127.0.0.1:{port}" for port in range(101, 301)) == instances(here)
        assert 1.0 == here.metric("prometheus_sd_updates_delayed_total", name="scrape")
        assert 2.0 == here.metric("prometheus_sd_updates_total", name="scrape")

    discovering(use)
