"""What the sources of a job give now, and what relabelling makes of it, for `tocsin check service-discovery`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prometheus_client import CollectorRegistry

from common.errors import DiscoveryError
from ruler.scrape.config import ScrapeSettings
from ruler.scrape.discovery.groups import Found, targets_of
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.discovery.source import Discoverer
from ruler.scrape.discovery.sources import discoverer_of, discoveries_of
from ruler.scrape.target import META, TargetError, discovered_labels, relabelled_labels

Result = dict[str, Any]


async def discovered(job: ScrapeSettings, seconds: float) -> tuple[list[Result], list[str]]:
    """What each target of a job is before and after relabelling, each once; and which sources did not answer in time.

    Raises ConfigError where a source cannot be asked at all.
    """
    pool = ThreadPoolExecutor(1)
    metrics = DiscoveryMetrics(CollectorRegistry())
    try:
        discoverers = [discoverer_of(settings, metrics, pool) for settings in discoveries_of(job)]
        answers = await asyncio.gather(*(_answer(each, seconds) for each in discoverers))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    found = [*targets_of(job.static_configs), *(target for answer in answers for target in answer[0])]
    each_once = {tuple(sorted(target.items())): target for target in found}
    return [_result(target, job) for target in each_once.values()], [problem for _, problem in answers if problem]


async def _answer(discoverer: Discoverer, seconds: float) -> tuple[tuple[Found, ...], str]:
    try:
        async with asyncio.timeout(seconds):
            return tuple(await discoverer.refresh()), ""
    except DiscoveryError as error:
        return (), f"{discoverer.mechanism}: unable to discover targets: {error}"
    except TimeoutError:
        return (), f"{discoverer.mechanism}: unable to discover targets: no answer in {seconds:g} s"


def _result(found: Found, job: ScrapeSettings) -> Result:
    before = discovered_labels(found, job)
    result: Result = {"discoveredLabels": dict(before), "labels": {}}
    try:
        labels = relabelled_labels(before, job) or {}
    except TargetError as error:
        return {**result, "error": str(error)}
    return {**result, "labels": {name: labels[name] for name in sorted(labels) if not name.startswith(META)}}
