"""All scraping of one ruler: a pool for each job, discovery for each pool. Every call but the views is the loop's.

`apply` makes all that can fail before it changes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry

from ruler.schedule import Job, Scheduler, offset
from ruler.scrape.config import FileDiscovery, ScrapeSettings
from ruler.scrape.discovery.files import FileWatch, Found, targets_of
from ruler.scrape.failures import FailureLogs
from ruler.scrape.http.client import client_of
from ruler.scrape.loop import ScrapeLoop, Tools
from ruler.scrape.metrics import ScrapeMetrics
from ruler.scrape.page.shapes import Shapes
from ruler.scrape.pool import ScrapePool
from ruler.scrape.status import DroppedTarget, TargetStatus
from ruler.storage import Appendable


@dataclass(slots=True)
class Supplied:
    """A Supplied is a pool with what supplies its targets."""

    pool: ScrapePool
    files: dict[FileDiscovery, FileWatch] = field(default_factory=dict)
    polls: list[Job] = field(default_factory=list)

    def found(self) -> list[Found]:
        """Every target that discovery knows now."""
        settings = self.pool.settings
        watched = [target for config in settings.file_sd_configs for target in self.files[config].targets]
        return [*targets_of(settings.static_configs), *watched]


class ScrapeManager:
    """A ScrapeManager keeps the pools of the jobs that are configured."""

    def __init__(self, storage: Appendable, scheduler: Scheduler, registry: CollectorRegistry) -> None:
        self._scheduler = scheduler
        self._metrics = ScrapeMetrics(registry)
        self._failures = FailureLogs()
        self._tools = Tools(storage, self._metrics, Shapes(), self._failures)
        self._supplied: dict[str, Supplied] = {}
        self._retired: list[ScrapePool] = []
        self._loops: tuple[ScrapeLoop, ...] = ()
        self._dropped: tuple[DroppedTarget, ...] = ()

    def apply(self, jobs: Sequence[ScrapeSettings]) -> None:
        """Scrape these jobs from now on; raises ConfigError, with the old ones in force."""
        clients = {job.job_name: client_of(job) for job in jobs}
        self._failures.use(self._failures.open(job.scrape_failure_log_file for job in jobs))
        for name in self._supplied.keys() - clients.keys():
            self._remove(name)
        for job in jobs:
            supplied = self._supplied.get(job.job_name)
            if supplied is None:
                pool = ScrapePool(job, clients[job.job_name], self._scheduler, self._tools)
                supplied = self._supplied[job.job_name] = Supplied(pool)
                self._metrics.pools.inc()
            elif supplied.pool.settings == job:
                continue
            else:
                supplied.pool.reconfigure(job, clients[job.job_name])
            self._watch(supplied)
            self._settle(supplied)
        self._publish()

    def targets(self) -> tuple[TargetStatus, ...]:
        """The state of every target that is scraped, from any thread."""
        return tuple(loop.status for loop in self._loops)

    def dropped(self) -> tuple[DroppedTarget, ...]:
        """The targets that relabelling leaves out, from any thread."""
        return self._dropped

    async def close(self) -> None:
        """Stop scraping at once."""
        for supplied in self._supplied.values():
            for poll in supplied.polls:
                poll.cancel()
            supplied.pool.close()
        for pool in self._retired:
            pool.close()
        self._failures.close()
        self._supplied.clear()
        self._publish()

    def _watch(self, supplied: Supplied) -> None:
        """Poll the discovery files of a pool, keeping what is known of those that stay."""
        for poll in supplied.polls:
            poll.cancel()
        settings = supplied.pool.settings
        known = supplied.files
        supplied.files = {
            config: known.get(config) or FileWatch(config, self._metrics) for config in settings.file_sd_configs
        }
        supplied.polls = []
        for config, watch in supplied.files.items():
            watch.poll()
            phase = offset(f"{settings.job_name} {config.files}", watch.interval)
            look = partial(self._poll, supplied, watch)
            supplied.polls.append(self._scheduler.every(watch.interval, phase, look))

    def _poll(self, supplied: Supplied, watch: FileWatch, _due: int, _now: int) -> None:
        if watch.poll():
            self._settle(supplied)
            self._publish()

    def _settle(self, supplied: Supplied) -> None:
        found = supplied.found()
        supplied.pool.settle(found)
        self._metrics.discovered.labels("scrape", supplied.pool.settings.job_name).set(len(found))

    def _remove(self, name: str) -> None:
        supplied = self._supplied.pop(name)
        for poll in supplied.polls:
            poll.cancel()
        supplied.pool.retire()
        self._retired = [*(pool for pool in self._retired if pool.ending), supplied.pool]
        self._metrics.forget(name)

    def _publish(self) -> None:
        pools = [supplied.pool for supplied in self._supplied.values()]
        self._loops = tuple(loop for pool in pools for loop in pool.loops)
        self._dropped = tuple(target for pool in pools for target in pool.dropped)
