"""What prometheus.yml says about scraping: `global` and `scrape_configs`, with Prometheus's defaults and checks.

`check` turns the blocks as written into jobs that are complete: inherited values filled in, paths made absolute.
Keys of native histograms are accepted and named for one warning; every other unknown key is refused by Settings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from common.config import Document, Duration, Settings
from common.durations import MINUTE, SECOND
from common.errors import ParseError
from common.labels import METRIC_NAME
from common.sizes import parse_size
from ruler.model.matcher import compile_regex
from ruler.scrape.http.settings import ClientSettings, Problems, client_in, client_problems
from ruler.scrape.relabel import RelabelRule

DEFAULT_BODY_CAP = 64 << 20  # inflated bytes of one page, where body_size_limit says nothing

_FILE_SD_PATTERN = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")
_RESERVED = ("job", "instance")

Path_ = tuple[str | int, ...]


class StaticGroup(Settings, frozen=True):
    """Targets that are written down, with labels that all of them get."""

    targets: tuple[str, ...] = ()
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class FileDiscovery(Settings, frozen=True):
    """Files that list target groups, as YAML or JSON."""

    files: tuple[str, ...] = ()
    refresh_interval: Duration = Duration(5 * MINUTE)


class HTTPDiscovery(ClientSettings, frozen=True, kw_only=True):
    """A URL that lists target groups, as JSON."""

    url: str
    refresh_interval: Duration = Duration(MINUTE)


class DNSDiscovery(Settings, frozen=True):
    """Names whose records are targets."""

    names: tuple[str, ...] = ()
    type: str = "SRV"
    port: int = 0
    refresh_interval: Duration = Duration(30 * SECOND)


class DockerFilter(Settings, frozen=True):
    """A filter of Docker's list of containers."""

    name: str = ""
    values: tuple[str, ...] = ()


class DockerDiscovery(ClientSettings, frozen=True, kw_only=True):
    """A Docker daemon whose containers are targets, each of their ports one."""

    host: str
    port: int = 80
    filters: tuple[DockerFilter, ...] = ()
    host_networking_host: str = "localhost"
    match_first_network: bool = True
    refresh_interval: Duration = Duration(MINUTE)


class GlobalSettings(Settings, frozen=True):
    """What holds for every job that does not say otherwise."""

    scrape_interval: Duration = Duration(MINUTE)
    scrape_timeout: Duration | None = None
    scrape_protocols: tuple[str, ...] = ()
    evaluation_interval: Duration = Duration(MINUTE)
    rule_query_offset: Duration = Duration(0)
    external_labels: dict[str, str] = msgspec.field(default_factory=dict)
    query_log_file: str = ""
    scrape_failure_log_file: str = ""
    body_size_limit: str = "0"
    sample_limit: int = 0
    target_limit: int = 0
    label_limit: int = 0
    label_name_length_limit: int = 0
    label_value_length_limit: int = 0
    keep_dropped_targets: int = 0
    metric_name_validation_scheme: str = ""
    metric_name_escaping_scheme: str = ""
    extra_scrape_metrics: bool | None = None
    scrape_native_histograms: bool | None = None
    convert_classic_histograms_to_nhcb: bool | None = None
    always_scrape_classic_histograms: bool | None = None

    @property
    def timeout(self) -> int:
        """The timeout (ms) in force: 10 s, or the interval where that is shorter."""
        return min(10 * SECOND, self.scrape_interval) if self.scrape_timeout is None else self.scrape_timeout


class ScrapeSettings(ClientSettings, frozen=True, kw_only=True):
    """One job: where its targets come from, how they are fetched and what becomes of their labels."""

    job_name: str
    scrape_interval: Duration | None = None
    scrape_timeout: Duration | None = None
    scrape_protocols: tuple[str, ...] = ()
    fallback_scrape_protocol: str = ""
    metrics_path: str = "/metrics"
    scheme: str = "http"
    params: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    enable_compression: bool = True
    scrape_failure_log_file: str = ""
    body_size_limit: str = "0"
    sample_limit: int = 0
    target_limit: int = 0
    label_limit: int = 0
    label_name_length_limit: int = 0
    label_value_length_limit: int = 0
    keep_dropped_targets: int = 0
    metric_name_validation_scheme: str = ""
    metric_name_escaping_scheme: str = ""
    extra_scrape_metrics: bool | None = None
    static_configs: tuple[StaticGroup, ...] = ()
    file_sd_configs: tuple[FileDiscovery, ...] = ()
    http_sd_configs: tuple[HTTPDiscovery, ...] = ()
    dns_sd_configs: tuple[DNSDiscovery, ...] = ()
    docker_sd_configs: tuple[DockerDiscovery, ...] = ()
    relabel_configs: tuple[RelabelRule, ...] = ()
    metric_relabel_configs: tuple[RelabelRule, ...] = ()
    scrape_native_histograms: bool | None = None
    convert_classic_histograms_to_nhcb: bool | None = None
    always_scrape_classic_histograms: bool | None = None
    native_histogram_bucket_limit: int | None = None
    native_histogram_min_bucket_factor: float | None = None

    @property
    def interval(self) -> int:
        """The interval (ms) between scrapes; `check` has filled it in."""
        return self.scrape_interval or Duration(MINUTE)

    @property
    def timeout(self) -> int:
        """The time (ms) that a scrape may take; `check` has filled it in."""
        return self.scrape_timeout or min(Duration(10 * SECOND), self.interval)

    @property
    def body_cap(self) -> int:
        """How many bytes a page may have, inflated."""
        return parse_size(self.body_size_limit) or DEFAULT_BODY_CAP


NATIVE_HISTOGRAM_KEYS = (
    "scrape_native_histograms",
    "convert_classic_histograms_to_nhcb",
    "always_scrape_classic_histograms",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
)


def native_histogram_keys(global_: GlobalSettings, jobs: Sequence[ScrapeSettings]) -> list[str]:
    """The keys for native histograms that are given, for the one warning that they have no effect yet."""
    blocks = [("global", global_), *((f"scrape_configs[{index}]", job) for index, job in enumerate(jobs))]
    return [
        f"{where}.{key}"
        for where, block in blocks
        for key in NATIVE_HISTOGRAM_KEYS
        if getattr(block, key, None) is not None
    ]


def check(global_: GlobalSettings, jobs: Sequence[ScrapeSettings], document: Document) -> tuple[ScrapeSettings, ...]:
    """The jobs, complete; raises ConfigError with the line of the first thing that Prometheus would refuse too."""
    for path, problem in _global_problems(global_):
        raise document.error(problem, ("global", *path))
    names: set[str] = set()
    complete = []
    for index, job in enumerate(jobs):
        where: Path_ = ("scrape_configs", index)
        if not job.job_name:
            raise document.error("job_name is empty", (*where, "job_name"))
        if job.job_name in names:
            raise document.error(f"found multiple scrape configs with job name {job.job_name!r}", (*where, "job_name"))
        names.add(job.job_name)
        for path, problem in _job_problems(global_, job):
            raise document.error(problem, (*where, *path))
        complete.append(_completed(global_, job, Path(document.file).absolute().parent))
    return tuple(complete)


def _global_problems(global_: GlobalSettings) -> Problems:
    if global_.scrape_interval <= 0:
        yield ("scrape_interval",), "must be longer than 0s"
    if global_.evaluation_interval <= 0:
        yield ("evaluation_interval",), "must be longer than 0s"
    if global_.timeout > global_.scrape_interval:
        yield ("scrape_timeout",), "global scrape timeout greater than scrape interval"
    if global_.scrape_timeout == 0:
        yield ("scrape_timeout",), "must be longer than 0s"
    for name in global_.external_labels:
        if not name or name == METRIC_NAME:
            yield ("external_labels", name), f"{name!r} is not a valid label name"


def _job_problems(global_: GlobalSettings, job: ScrapeSettings) -> Problems:
    interval = global_.scrape_interval if job.scrape_interval is None else job.scrape_interval
    if interval <= 0:
        yield ("scrape_interval",), "must be longer than 0s"
    if job.scrape_timeout is not None and job.scrape_timeout > interval:
        yield (
            ("scrape_timeout",),
            f"scrape timeout greater than scrape interval for scrape config with job name {job.job_name!r}",
        )
    if job.scrape_timeout == 0:
        yield ("scrape_timeout",), "must be longer than 0s"
    if job.scheme not in ("http", "https"):
        yield ("scheme",), f"must be http or https: {job.scheme!r}"
    if job.sample_limit < 0:
        yield ("sample_limit",), f"must not be negative: {job.sample_limit}"
    try:
        parse_size(job.body_size_limit)
    except ValueError as error:
        yield ("body_size_limit",), str(error)
    yield from client_problems(job)
    for index, group in enumerate(job.static_configs):
        for place, target in enumerate(group.targets):
            if problem := address_problem(target):
                yield ("static_configs", index, "targets", place), problem
        for name in group.labels:
            if not name:
                yield ("static_configs", index, "labels", name), f"{name!r} is not a valid label name"
    for index, discovery in enumerate(job.file_sd_configs):
        if not discovery.files:
            yield ("file_sd_configs", index), "file service discovery config must contain at least one path name"
        if discovery.refresh_interval <= 0:
            yield ("file_sd_configs", index, "refresh_interval"), "must be longer than 0s"
        for place, name in enumerate(discovery.files):
            if not _FILE_SD_PATTERN.fullmatch(name):
                yield ("file_sd_configs", index, "files", place), f"path name {name!r} is not valid for file discovery"
    for key in ("relabel_configs", "metric_relabel_configs"):
        for index, rule in enumerate(getattr(job, key)):
            for path, problem in _rule_problems(rule):
                yield (key, index, *path), problem


def _rule_problems(rule: RelabelRule) -> Problems:
    try:
        compile_regex(rule.regex)
    except ParseError as error:
        yield ("regex",), error.problem
    if problem := rule.problem():
        yield (), problem


def address_problem(address: str) -> str:
    """What is wrong with a target's address; empty when nothing is."""
    return f"{address!r} is not a valid hostname (write it like host:9100)" if "/" in address else ""


def _completed(global_: GlobalSettings, job: ScrapeSettings, folder: Path) -> ScrapeSettings:
    interval = global_.scrape_interval if job.scrape_interval is None else job.scrape_interval
    timeout = Duration(min(global_.timeout, interval)) if job.scrape_timeout is None else job.scrape_timeout

    def absolute(name: str) -> str:
        return str(folder / name) if name else ""

    replace = msgspec.structs.replace
    discoveries = tuple(
        replace(discovery, files=tuple(absolute(name) for name in discovery.files)) for discovery in job.file_sd_configs
    )
    return replace(
        client_in(job, folder), scrape_interval=interval, scrape_timeout=timeout, file_sd_configs=discoveries
    )
