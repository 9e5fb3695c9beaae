"""Discovery: where targets come from. Static groups never change; files are looked at again and again.

A file that cannot be used keeps the groups that it gave last, says so once in the log and counts in a metric.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from common.config import load_yaml
from common.durations import SECOND
from common.errors import ConfigError
from common.logs import facts
from ruler.scrape.config import FileDiscovery, StaticGroup
from ruler.scrape.metrics import ScrapeMetrics
from ruler.scrape.target import ADDRESS, META

FILEPATH = META + "filepath"
LONGEST_POLL = 5 * SECOND
MAX_FILE = 64 << 20

log = logging.getLogger("discovery")

Found = dict[str, str]  # the labels of one discovered target
_Stamp = tuple[int, int, int]


def targets_of(groups: Sequence[StaticGroup]) -> list[Found]:
    """The targets of static groups: their address and their group's labels."""
    return [{**group.labels, ADDRESS: target} for group in groups for target in group.targets]


@dataclass(slots=True)
class _File:
    """What is known of one discovery file."""

    stamp: _Stamp | None = None
    targets: tuple[Found, ...] = ()
    problem: str = ""


class FileWatch:
    """A FileWatch reads the files of one file_sd_config whenever they change."""

    def __init__(self, settings: FileDiscovery, metrics: ScrapeMetrics) -> None:
        self.interval = min(settings.refresh_interval, LONGEST_POLL)
        self._patterns, self._metrics = settings.files, metrics
        self._files: dict[str, _File] = {}

    @property
    def targets(self) -> list[Found]:
        """The targets of all the files, in the order of their names."""
        return [target for _, file in sorted(self._files.items()) for target in file.targets]

    def poll(self) -> bool:
        """Look at the files; whether their targets have changed."""
        before = self.targets
        names = sorted({name for pattern in self._patterns for name in glob.glob(pattern)})  # noqa: PTH207  (absolute)
        for name in set(self._files) - set(names):
            del self._files[name]
            self._metrics.file_mtime.remove_by_labels({"filename": name})
        for name in names:
            self._look(name, self._files.setdefault(name, _File()))
        return self.targets != before

    def _look(self, name: str, file: _File) -> None:
        try:
            found = Path(name).stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == file.stamp:
                return
            groups = read_groups(Path(name))
        except (OSError, ConfigError) as error:
            problem = str(error)
            if problem != file.problem:
                log.error("cannot use discovery file, keeping its last targets", extra=facts(error=problem))
            self._metrics.file_errors.inc()
            file.problem = problem
            return
        file.stamp, file.problem = stamp, ""
        file.targets = tuple({FILEPATH: name, **target} for target in targets_of(groups))
        self._metrics.file_mtime.labels(name).set(stamp[0] / 1e9)


def read_groups(path: Path) -> tuple[StaticGroup, ...]:
    """The groups that a discovery file lists; raises OSError or ConfigError."""
    if path.suffix.lower() != ".json":
        return load_yaml(path).decode(tuple[StaticGroup, ...])
    content = path.read_bytes()
    if len(content) > MAX_FILE:
        raise ConfigError(f"larger than {MAX_FILE} bytes", file=str(path))
    try:
        return msgspec.json.decode(content, type=tuple[StaticGroup, ...])
    except msgspec.DecodeError as error:
        raise ConfigError(str(error), file=str(path)) from None
