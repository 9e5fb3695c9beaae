"""One scrape: collectors → families, with a verdict on each collector. Knows no HTTP.

However a collector ends (well, badly, not at all), the page has the families of the others and says how it went.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterable
from functools import partial

from common.errors import TocsinError
from common.exposition import Family, gauge
from common.logs import facts
from exporter.collectors import ALL, Collector
from exporter.crew import Crew, Outcome
from exporter.host import NoData
from exporter.settings import ExporterSettings

log = logging.getLogger("collector")

Families = tuple[Family, ...]


class SelectionError(TocsinError):
    """A query that asks for collectors which it cannot have."""


class Scraper:
    """A Scraper asks the collectors that are switched on, and merges what they say into one page."""

    def __init__(self, settings: ExporterSettings, version: str, collectors: Iterable[type[Collector]] = ALL) -> None:
        self._collectors: dict[str, Collector] = {
            collector.name: collector(settings) for collector in collectors if settings.runs(collector.name)
        }
        self._known = frozenset(collector.name for collector in collectors)
        self._crew: Crew[Families] = Crew("collect", settings.collector_seconds)
        self._troubles: dict[str, str] = {}
        self._build = build_info(version)

    @property
    def names(self) -> tuple[str, ...]:
        """The collectors that are switched on."""
        return tuple(self._collectors)

    def chosen(self, collect: list[str], exclude: list[str]) -> tuple[str, ...]:
        """The collectors that a query's `collect[]` and `exclude[]` leave; raises SelectionError."""
        if collect and exclude:
            raise SelectionError("collect[] and exclude[] cannot be combined")
        for name in collect:
            if name not in self._collectors:
                raise SelectionError(f"{'disabled' if name in self._known else 'missing'} collector: {name!r}")
        return tuple(name for name in self._collectors if name not in exclude and (not collect or name in collect))

    def scrape(self, names: Iterable[str]) -> list[Family]:
        """The families of these collectors, by name, and how each collector did; raises CrewClosed."""
        calls: dict[str, Callable[[], Families]] = {name: partial(_collected, self._collectors[name]) for name in names}
        outcomes = self._crew.run(calls)
        self._log(outcomes)
        families = [family for outcome in outcomes.values() for family in outcome.value or ()]
        return merged([*families, *verdicts(outcomes), self._build])

    def close(self) -> None:
        """Let no scrape wait any longer: all end with CrewClosed."""
        self._crew.close()

    def _log(self, outcomes: dict[str, Outcome[Families]]) -> None:
        """Log what has changed since the last scrape: a collector that fails now, one that works again."""
        for name, outcome in outcomes.items():
            trouble = "" if outcome.error is None else f"{type(outcome.error).__name__}: {outcome.error}"
            if trouble == self._troubles.get(name, ""):
                continue
            self._troubles[name] = trouble
            if isinstance(outcome.error, NoData):
                log.debug("collector found no data", extra=facts(collector=name, err=trouble))
            elif trouble:
                log.error("collector failed", extra=facts(collector=name, err=trouble))
            else:
                log.info("collector works again", extra=facts(collector=name))


def _collected(collector: Collector) -> Families:
    return tuple(collector.collect())


def verdicts(outcomes: dict[str, Outcome[Families]]) -> tuple[Family, Family]:
    """How long each collector took, and whether it succeeded."""
    return (
        gauge(
            "node_scrape_collector_duration_seconds",
            "How long the collector took, in seconds.",
            ("collector",),
            [((name,), outcome.seconds) for name, outcome in outcomes.items()],
        ),
        gauge(
            "node_scrape_collector_success",
            "Whether the collector succeeded.",
            ("collector",),
            [((name,), int(outcome.error is None)) for name, outcome in outcomes.items()],
        ),
    )


def merged(families: Iterable[Family]) -> list[Family]:
    """These families sorted by name, those without rows left out; of two with one name the first stays.

    Only a file of the textfile collector can bring a name that another collector has too.
    """
    first: dict[str, Family] = {}
    for family in families:
        if family.rows:
            first.setdefault(family.name, family)
    return [first[name] for name in sorted(first)]


def build_info(version: str) -> Family:
    """Which exporter this is, with the labels that node_exporter gives, and the words of Go for the machine."""
    machine = platform.machine()
    labels = ("branch", "goarch", "goos", "goversion", "revision", "tags", "version")
    values = (
        "",
        {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        platform.system().lower(),
        "",
        "",
        "",
        version,
    )
    return gauge("node_exporter_build_info", "Which version of the exporter this is.", labels, [(values, 1)])
