"""One source of targets, in the event-loop thread: asked at once, then at every interval; its last good answer stays.

A tick that finds the source still being asked is left out, so a source that hangs holds one task and no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import perf_counter as clock
from typing import Protocol

from common.errors import DiscoveryError
from common.logs import facts
from ruler.schedule import Job, Scheduler, offset
from ruler.scrape.discovery.groups import Found
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.target import ADDRESS

log = logging.getLogger("discovery")


class Discoverer(Protocol):
    """A Discoverer knows how to ask a source for its targets."""

    @property
    def mechanism(self) -> str:
        """Its kind."""

    @property
    def interval(self) -> int:
        """How often it is to be asked (ms)."""

    @property
    def refreshes(self) -> bool:
        """Whether the metrics of refreshes count it, as in Prometheus."""

    async def refresh(self) -> Sequence[Found]:
        """All the targets; raises DiscoveryError when they are not to be had."""

    def close(self) -> None:
        """It will not be asked again."""


class Source:
    """A Source is a Discoverer with what it last said; `changed` hears of each change, and of the first answer."""

    def __init__(
        self, discoverer: Discoverer, job: str, metrics: DiscoveryMetrics, changed: Callable[[Source], None]
    ) -> None:
        self.targets: tuple[Found, ...] = ()
        self.error = ""
        self.answered = False  # or has failed to: what it has now is all that there is to wait for
        self._discoverer, self._metrics, self._changed = discoverer, metrics, changed
        self._job = job  # the one that needed it first
        self._tick: Job | None = None
        self._asking: asyncio.Task[None] | None = None

    def start(self, scheduler: Scheduler) -> None:
        """Ask now, and from now on."""
        interval = self._discoverer.interval
        phase = offset(f"{self._job} {self._discoverer.mechanism}", interval)
        self._tick = scheduler.every(interval, phase, self._due)
        self._ask()

    def close(self) -> None:
        """Ask no more."""
        if self._tick is not None:
            self._tick.cancel()
        if self._asking is not None:
            self._asking.cancel()
        self._discoverer.close()

    async def settled(self) -> None:
        """Wait for the answer that is under way."""
        if self._asking is not None:
            await asyncio.wait((self._asking,))

    def _due(self, _due: int, _now: int) -> None:
        if self._asking is None or self._asking.done():
            self._ask()

    def _ask(self) -> None:
        self._asking = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        started = clock()
        try:
            found = await self._discoverer.refresh()
        except DiscoveryError as error:
            self._failed(str(error))
        except Exception as error:  # the boundary of a loop: one bad answer must not end discovery
            log.exception("discovery failed", extra=facts(**self._facts()))
            self._failed(f"unexpected error: {error!r}")
        else:
            self._took(found)
        finally:
            if self._discoverer.refreshes:
                labels = self._discoverer.mechanism, self._job
                self._metrics.refresh_duration.labels(*labels).observe(clock() - started)

    def _took(self, found: Sequence[Found]) -> None:
        if self.error:
            log.info("targets can be discovered again", extra=facts(**self._facts()))
        self.error = ""
        self._metrics.received.inc()
        known = {target[ADDRESS]: target for target in self.targets}
        targets = tuple(old if (old := known.get(new[ADDRESS])) == new else new for new in found)  # the same objects
        first, self.answered = not self.answered, True
        if first or targets != self.targets:
            self.targets = targets
            self._changed(self)

    def _failed(self, error: str) -> None:
        if self._discoverer.refreshes:
            self._metrics.refresh_failures.labels(self._discoverer.mechanism, self._job).inc()
        if error != self.error:
            log.error("unable to discover targets, keeping the last ones", extra=facts(**self._facts(), error=error))
        self.error = error
        if not self.answered:
            self.answered = True
            self._changed(self)

    def _facts(self) -> dict[str, str]:
        return {"discovery": self._discoverer.mechanism, "scrape_pool": self._job}
