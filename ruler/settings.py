"""The settings of a ruler that come from its command line, with Prometheus's defaults. All times are ms."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from common.durations import DAY, HOUR, MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class RulerSettings:
    """RulerSettings say where a ruler reads and writes, and its limits; what may change on a reload is in its files.

    `storage` of None keeps samples and state in memory alone. `flags` are what /api/v1/status/flags shows.
    """

    config_file: Path
    tocsin_config: Path | None = None
    storage: Path | None = None
    ring: int = 6 * HOUR
    retention: int | None = None
    external_url: str = "http://localhost:9090"
    lifecycle: bool = False
    lookback: int = 5 * MINUTE
    query_timeout: int = 2 * MINUTE
    query_concurrency: int = 20
    max_samples: int = 50_000_000
    notify_url: str | None = field(default=None, repr=False)
    flags: dict[str, str] = field(default_factory=dict)

    def warnings(self) -> list[str]:
        """What these settings ask for and will not get."""
        if self.retention is not None and self.retention > self.ring:
            kept = f"{self.ring / HOUR:g} hours of --storage.ring"
            return [f"--storage.tsdb.retention.time is {self.retention / DAY:g} days, but only the {kept} are kept"]
        return []
