"""A pool: the loops of one job. Targets that stay keep their loop; those that go are marked stale."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from common.logs import facts
from ruler.schedule import Job, Scheduler, company
from ruler.scrape.config import ScrapeSettings
from ruler.scrape.http.client import Client
from ruler.scrape.loop import ScrapeLoop, Tools
from ruler.scrape.status import DroppedTarget
from ruler.scrape.target import Target, TargetError, populate

MAX_DROPPED = 10_000

log = logging.getLogger("scrape")


@dataclass(frozen=True, slots=True)
class Active:
    """An Active is a loop and the scheduler's job that drives it."""

    loop: ScrapeLoop
    job: Job


@dataclass(slots=True)
class Ending:
    """An Ending is a job that waits to mark a retired loop's series stale, at `time` once that is known."""

    job: Job
    time: int | None = None


class ScrapePool:
    """A ScrapePool keeps one loop for each target of a job."""

    def __init__(self, settings: ScrapeSettings, client: Client, scheduler: Scheduler, tools: Tools) -> None:
        self.settings, self._client, self._scheduler, self._tools = settings, client, scheduler, tools
        self._active: dict[str, Active] = {}
        self._ending: dict[ScrapeLoop, Ending] = {}
        self._problems: set[str] = set()
        self.dropped: tuple[DroppedTarget, ...] = ()

    @property
    def loops(self) -> tuple[ScrapeLoop, ...]:
        return tuple(active.loop for active in self._active.values())

    @property
    def ending(self) -> bool:
        """Whether targets that are gone have stale markers to come."""
        return bool(self._ending)

    def reconfigure(self, settings: ScrapeSettings, client: Client) -> None:
        """Take other settings; loops that they concern are replaced when targets are next settled."""
        if _manner(settings) != _manner(self.settings):
            for identity in list(self._active):
                self._retire(identity)
        self.settings, self._client = settings, client

    def settle(self, found: Iterable[Mapping[str, str]]) -> None:
        """Scrape what was found, and nothing else."""
        metrics, name = self._tools.metrics, self.settings.job_name
        targets, dropped, problems = self._populated(found)
        for problem in problems - self._problems:
            log.error("cannot scrape target", extra=facts(scrape_pool=name, error=problem))
        if problems:
            metrics.sync_failed.labels(name).inc(len(problems))
        self._problems = problems
        for identity in self._active.keys() - targets.keys():
            self._retire(identity)
        for identity, target in targets.items():
            if (active := self._active.get(identity)) is not None:
                active.loop.discovered_as(target)
            else:
                self._start(identity, target)
        self.dropped = tuple(dropped[:MAX_DROPPED])
        metrics.syncs.labels(name).inc()
        metrics.pool_targets.labels(name).set(len(self._active))

    def retire(self) -> None:
        """Scrape nothing any more; stale markers follow."""
        for identity in list(self._active):
            self._retire(identity)

    def close(self) -> None:
        """Stop at once, leaving no stale markers: the process ends, the targets do not."""
        for active in self._active.values():
            active.job.cancel()
            active.loop.end(None)
        for loop, ending in self._ending.items():
            ending.job.cancel()
            loop.end(None)
        self._active.clear()
        self._ending.clear()

    def _populated(self, found: Iterable[Mapping[str, str]]) -> tuple[dict[str, Target], list[DroppedTarget], set[str]]:
        targets: dict[str, Target] = {}
        dropped, problems = [], set()
        for labels in found:
            try:
                target = populate(labels, self.settings)
            except TargetError as error:
                problems.add(f"{labels.get('__address__', '')}: {error}")
                continue
            if isinstance(target, DroppedTarget):
                dropped.append(target)
            else:
                targets.setdefault(f"{target.identity} {target.interval} {target.timeout}", target)
        return targets, dropped, problems

    def _start(self, identity: str, target: Target) -> None:
        loop = ScrapeLoop(target, self.settings, self._client, self._tools)
        phase = company(target.identity, target.interval)
        self._active[identity] = Active(loop, self._scheduler.every(target.interval, phase, loop.tick))

    def _retire(self, identity: str) -> None:
        active = self._active.pop(identity)
        active.loop.retire()
        active.job.cancel()
        target = active.loop.target
        phase = company(target.identity, target.interval)
        farewell = partial(self._end, active.loop)
        self._ending[active.loop] = Ending(self._scheduler.every(target.interval, phase, farewell))

    def _end(self, loop: ScrapeLoop, _due: int, now: int) -> None:
        """Mark stale at the time of the first tick without a scrape, but only when the second one comes.

        Until then whoever scrapes the target in this loop's place has written, and its series are not marked.
        """
        ending = self._ending[loop]
        if ending.time is None:
            ending.time = now
            return
        ending.job.cancel()
        del self._ending[loop]
        loop.end(ending.time)


def _manner(settings: ScrapeSettings) -> tuple[object, ...]:
    """How targets are scraped, as against where they come from and what they are called."""
    return (
        settings.honor_labels,
        settings.honor_timestamps,
        settings.sample_limit,
        settings.body_cap,
        settings.basic_auth,
        settings.authorization,
        settings.tls_config,
        settings.metric_relabel_configs,
    )
