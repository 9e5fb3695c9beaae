"""A prometheus.yml, with the files that its scrape_config_files name, as settings and complete jobs.

Nothing else that they name is looked at: no rule file, no certificate, no list of targets.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.config import Document, Settings, load_yaml
from common.expand import expanded
from ruler.scrape.check import check, check_global
from ruler.scrape.config import GlobalSettings, ScrapeSettings, native_histogram_keys
from ruler.scrape.leftout import without_left_out
from ruler.tsdb.config import StorageSettings

BLOCKS = {  # of Prometheus's that are left out, each with what does not happen
    "remote_write": "samples are not sent elsewhere yet",
    "remote_read": "queries do not read from elsewhere yet",
    "otlp": "samples are not received over OTLP yet",
    "tracing": "nothing is traced",
}
NO_ALERTMANAGER = "alerts cannot be sent to an Alertmanager yet: the ruler notifies itself (see notify in tocsin.yml)"

_PATTERN = re.compile(r"[^*]*(\*[^/]*)?\Z")


class StaticAlertmanagers(Settings, frozen=True):
    """Addresses of Alertmanagers."""

    targets: tuple[str, ...] = ()


class AlertmanagerSettings(Settings, frozen=True):
    """A set of Alertmanagers; only an empty one is accepted, because alerts are notified by the ruler itself."""

    static_configs: tuple[StaticAlertmanagers, ...] = ()


class AlertingSettings(Settings, frozen=True):
    """Where Prometheus sends its alerts."""

    alertmanagers: tuple[AlertmanagerSettings, ...] = ()


class RuntimeSettings(Settings, frozen=True):
    """How Prometheus's own process is tuned."""

    gogc: int = 75


class PrometheusSettings(Settings, frozen=True, rename={"global_": "global"}):
    """A prometheus.yml."""

    global_: GlobalSettings = GlobalSettings()
    runtime: RuntimeSettings | None = None
    rule_files: tuple[str, ...] = ()
    scrape_config_files: tuple[str, ...] = ()
    scrape_configs: tuple[ScrapeSettings, ...] = ()
    alerting: AlertingSettings = AlertingSettings()
    storage: StorageSettings = StorageSettings()


class ScrapeFileSettings(Settings, frozen=True):
    """A file that `scrape_config_files` names."""

    scrape_configs: tuple[ScrapeSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A Reading is how the operator's files are read.

    `lenient`: what is left out here is a warning. `expand`: variables are filled in, in every text. `syntax_only`:
    files that are named are not looked at. `thorough`: those that will be missed sooner or later must be there now.
    `ignore_unknown`: rule files may have keys that nobody knows.
    """

    lenient: bool = False
    expand: bool = False
    syntax_only: bool = False
    thorough: bool = False
    ignore_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus is what a prometheus.yml says, checked; `parts` are its complete jobs, file by file."""

    settings: PrometheusSettings
    document: Document
    parts: tuple[tuple[Document, tuple[ScrapeSettings, ...]], ...]
    warnings: tuple[str, ...]

    @property
    def jobs(self) -> tuple[ScrapeSettings, ...]:
        """The jobs of all files."""
        return tuple(job for _, jobs in self.parts for job in jobs)


def read_prometheus(path: Path, reading: Reading) -> Prometheus:
    """What the file at `path` says; raises ConfigError at the first thing that is wrong."""
    document, warnings = _kept(load_yaml(path), reading)
    settings = document.decode(PrometheusSettings)
    refuse_patterns(settings.rule_files, document, "rule_files")
    refuse_patterns(settings.scrape_config_files, document, "scrape_config_files")
    check_global(settings.global_, document)
    names: dict[str, str] = {}
    parts = [(document, check(settings.global_, settings.scrape_configs, document, names))]
    written = list(settings.scrape_configs)
    if not reading.syntax_only:
        for each in _scrape_files(settings, document):
            part, more = _kept(load_yaml(each), reading)
            jobs = part.decode(ScrapeFileSettings).scrape_configs
            parts.append((part, check(settings.global_, jobs, part, names)))
            written += jobs
            warnings += more
    warnings += _without_effect(settings, written)
    return Prometheus(settings, document, tuple(parts), tuple(warnings))


def refuse_patterns(patterns: Sequence[str], document: Document, key: str) -> None:
    """Refuse a pattern of files that has a * anywhere but in its last part."""
    for index, pattern in enumerate(patterns):
        if not _PATTERN.match(pattern):
            raise document.error(f"only the last part of a path may have a *: {pattern!r}", (key, index))


def found_by(pattern: str, document: Document) -> list[Path]:
    """The files of a pattern that a document has, in order; it is told from the folder of the document."""
    folder = Path(document.file).absolute().parent
    return [Path(name) for name in sorted(glob.glob(str(folder / pattern)))]  # noqa: PTH207  (absolute patterns, too)


def _kept(document: Document, reading: Reading) -> tuple[Document, list[str]]:
    """A document less what is left out here, with its variables filled in if they are to be; and warnings."""
    if reading.expand:
        document = expanded(document, os.environ, but=("global", "external_labels"))
    warnings = []
    value = document.value if isinstance(document.value, dict) else {}
    for block, missing in BLOCKS.items():
        if (block,) in document.lines:
            if not reading.lenient:
                raise document.error(f"{missing} (with --config.lenient the block is passed over)", (block,))
            warnings.append(str(document.error(missing, (block,))))
    if value.get("alerting"):
        if reading.lenient:
            warnings.append(str(document.error(NO_ALERTMANAGER, ("alerting",))))
        else:
            _refuse_alerting(document)
    if warnings:
        gone = {*BLOCKS, "alerting"}
        value = {key: held for key, held in value.items() if key not in gone}
        nothing = tuple(path for path in document.without_value if path[0] not in gone)
        document = replace(document, value=value, without_value=nothing)
    document, more = without_left_out(document, lenient=reading.lenient)
    return document, [*warnings, *more]


def _scrape_files(settings: PrometheusSettings, document: Document) -> list[Path]:
    """The files of all patterns; one that two of them name is read twice, which finds its jobs twice."""
    return [path for pattern in settings.scrape_config_files for path in found_by(pattern, document)]


def _refuse_alerting(document: Document) -> None:
    """Refuse whatever would tell an Alertmanager of an alert; sets without an address, as in examples, do not."""
    alerting = document.value["alerting"]
    sets = alerting.get("alertmanagers") if isinstance(alerting, dict) else None
    for index, each in enumerate(sets if isinstance(sets, list) else ()):
        where = ("alerting", "alertmanagers", index)
        groups = each.get("static_configs", ()) if isinstance(each, dict) else ()
        if not isinstance(each, dict) or set(each) - {"static_configs"} or any(map(_has_targets, groups)):
            raise document.error(NO_ALERTMANAGER, where)
    if isinstance(alerting, dict) and "alert_relabel_configs" in alerting:
        raise document.error(NO_ALERTMANAGER, ("alerting", "alert_relabel_configs"))


def _has_targets(group: Any) -> bool:
    return isinstance(group, dict) and bool(group.get("targets"))


def _without_effect(settings: PrometheusSettings, jobs: Sequence[ScrapeSettings]) -> list[str]:
    """What is asked for and will not be done."""
    given = {"runtime": settings.runtime, "global.query_log_file": settings.global_.query_log_file}
    warnings = []
    if ignored := [key for key, value in given.items() if value]:
        warnings.append(f"accepted without effect: {', '.join(ignored)}")
    if ignored := native_histogram_keys(settings.global_, jobs):
        warnings.append(f"native histograms are not supported yet; without effect: {', '.join(ignored)}")
    return warnings
