"""Discovery files: looked at again and again, read when they have changed, by a thread that may wait for a disk.

A file that cannot be used keeps the targets that it gave last, says so once in the log and counts in a metric; one that
is gone takes its targets with it.
"""

from __future__ import annotations

import asyncio
import glob
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter as clock

from common.durations import SECOND
from common.errors import ConfigError, DiscoveryError
from common.logs import facts
from ruler.scrape.config import FileDiscovery
from ruler.scrape.discovery.groups import Found, bounded, targets_in_file
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.target import META

FILEPATH = META + "filepath"
LONGEST_POLL = 5 * SECOND

log = logging.getLogger("discovery")

_Stamp = tuple[int, int, int]


@dataclass(slots=True)
class _File:
    """What is known of one discovery file."""

    stamp: _Stamp | None = None
    targets: tuple[Found, ...] = ()
    problem: str = ""


class FileDiscoverer:
    """A FileDiscoverer reads the files of one file_sd_config whenever they change."""

    mechanism = "file"
    refreshes = False

    def __init__(self, settings: FileDiscovery, metrics: DiscoveryMetrics, pool: Executor) -> None:
        self.interval = min(settings.refresh_interval, LONGEST_POLL)
        self._patterns, self._metrics, self._pool = settings.files, metrics, pool
        self._files: dict[str, _File] = {}

    async def refresh(self) -> Sequence[Found]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.look)

    def close(self) -> None:
        for name in self._files:
            self._metrics.file_mtime.remove_by_labels({"filename": name})

    def look(self) -> Sequence[Found]:
        """The targets of all the files, in the order of their names; raises DiscoveryError where they are too many."""
        started = clock()
        names = sorted({name for pattern in self._patterns for name in glob.glob(pattern, include_hidden=True)})  # noqa: PTH207  (absolute)
        for name in set(self._files) - set(names):
            del self._files[name]
            self._metrics.file_mtime.remove_by_labels({"filename": name})
        found: list[Found] = []
        for name in names:
            file = self._files.setdefault(name, _File())
            self._look_at(name, file)
            found += file.targets
        self._metrics.file_scan.observe(clock() - started)
        try:
            return bounded(found)
        except ValueError as error:
            raise DiscoveryError(str(error)) from None

    def _look_at(self, name: str, file: _File) -> None:
        try:
            seen = Path(name).stat()
            stamp = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
            if stamp == file.stamp:
                return
            targets = targets_in_file(Path(name), {FILEPATH: name})
        except (OSError, ConfigError) as error:
            problem = str(error)
            if problem != file.problem:
                log.error("cannot use discovery file, keeping its last targets", extra=facts(error=problem))
            self._metrics.file_errors.inc()
            file.problem = problem
            return
        file.stamp, file.problem, file.targets = stamp, "", targets
        self._metrics.file_mtime.labels(name).set(stamp[0] / 1e9)
