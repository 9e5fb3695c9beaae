"""All sources of targets of one ruler. Jobs whose settings for a source are the same share it, over reloads, too.

`plan` makes all that can fail; `take` puts it into force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from ruler.schedule import Scheduler
from ruler.scrape.config import (
    DNSDiscovery,
    DockerDiscovery,
    FileDiscovery,
    HTTPDiscovery,
    ScrapeSettings,
)
from ruler.scrape.discovery.docker import DockerDiscoverer
from ruler.scrape.discovery.files import FileDiscoverer
from ruler.scrape.discovery.http import HTTPDiscoverer
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.discovery.source import Discoverer, Source

THREADS = 2  # what waits for files, and reads long lists

Discovery = FileDiscovery | HTTPDiscovery | DNSDiscovery | DockerDiscovery
Plan = list[tuple[Discovery, Source]]


class Sources:
    """Sources are what a ruler asks for targets."""

    def __init__(self, scheduler: Scheduler, metrics: DiscoveryMetrics, changed: Callable[[Source], None]) -> None:
        self._scheduler, self._metrics, self._changed = scheduler, metrics, changed
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="discovery")
        self._taken: Plan = []

    def plan(self, jobs: Iterable[ScrapeSettings]) -> Plan:
        """The sources of these jobs, new where there are none yet; raises ConfigError and changes nothing."""
        plan: Plan = []
        for job in jobs:
            for settings in discoveries_of(job):
                if _find(plan, settings) is None:
                    source = _find(self._taken, settings)
                    if source is None:
                        discoverer = discoverer_of(settings, self._metrics, self._pool)
                        source = Source(discoverer, job.job_name, self._metrics, self._changed)
                    plan.append((settings, source))
        return plan

    def take(self, plan: Plan) -> None:
        """Ask the sources of this plan from now on, and no others."""
        before, self._taken = self._taken, plan
        staying = {id(source) for _, source in plan}
        known = {id(source) for _, source in before}
        for _, source in before:
            if id(source) not in staying:
                source.close()
        for _, source in plan:
            if id(source) not in known:
                source.start(self._scheduler)

    def of(self, job: ScrapeSettings) -> tuple[Source, ...]:
        """The sources of a job that the plan in force has."""
        sources = (_find(self._taken, settings) for settings in discoveries_of(job))
        return tuple(source for source in sources if source is not None)

    def close(self) -> None:
        """Ask nothing any more."""
        self.take([])
        self._pool.shutdown(wait=False, cancel_futures=True)


def discoveries_of(job: ScrapeSettings) -> tuple[Discovery, ...]:
    """The sources that a job names besides the targets that are written down."""
    return (*job.file_sd_configs, *job.http_sd_configs, *job.dns_sd_configs, *job.docker_sd_configs)


def discoverer_of(settings: Discovery, metrics: DiscoveryMetrics, pool: Executor) -> Discoverer:
    """What asks the source that `settings` name; raises ConfigError."""
    if isinstance(settings, FileDiscovery):
        return FileDiscoverer(settings, metrics, pool)
    if isinstance(settings, HTTPDiscovery):
        return HTTPDiscoverer(settings, metrics, pool)
    if isinstance(settings, DockerDiscovery):
        return DockerDiscoverer(settings, pool)
    from ruler.scrape.discovery.dns import DNSDiscoverer  # noqa: PLC0415  (3 MiB and 90 ms that few need)

    return DNSDiscoverer(settings, metrics)


def _find(plan: Sequence[tuple[Discovery, Source]], settings: Discovery) -> Source | None:
    return next((source for known, source in plan if known == settings), None)
