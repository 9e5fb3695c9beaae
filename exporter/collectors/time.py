"""time: the host's clock, its time zone, and what drives the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar

from common.exposition import Family, gauge, gauge_of
from exporter.host import attribute_or, entries
from exporter.settings import ExporterSettings, Flag


class Time:
    """The time collector."""

    name: ClassVar[str] = "time"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host

    def collect(self) -> Iterator[Family]:
        now = self._host.clock.now() / 1000
        local = time.localtime(now)
        yield gauge_of("node_time_seconds", "The host's clock, in seconds since 1970.", now)
        yield gauge(
            "node_time_zone_offset_seconds",
            "How far the host's time zone is ahead of UTC, in seconds.",
            ("time_zone",),
            [((local.tm_zone,), local.tm_gmtoff)],
        )
        base = f"{self._host.sys}/devices/system/clocksource"
        numbers = [entry.removeprefix("clocksource") for entry in entries(base) if entry.startswith("clocksource")]
        for word, text in (
            ("available", "Clock sources that the kernel could use."),
            ("current", "The clock source that the kernel uses."),
        ):
            sources = {
                number: attribute_or(f"{base}/clocksource{number}/{word}_clocksource", "").split() for number in numbers
            }
            pairs = [((source, number), 1) for number, names in sources.items() for source in names]
            yield gauge(f"node_time_clocksource_{word}_info", text, ("clocksource", "device"), pairs)
