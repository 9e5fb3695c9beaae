"""What prometheus.yml says about scraping: `global` and `scrape_configs`, with Prometheus's defaults and checks.

`check` turns the blocks as written into jobs that are complete: inherited values filled in, paths made absolute.
Keys of native histograms are accepted and named for one warning; every other unknown key is refused by Settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from common.config import Document, Duration, Settings
from common.durations import MINUTE, SECOND
from common.errors import ParseError
from common.labels import METRIC_NAME
from common.secrets import Secret
from common.sizes import parse_size
from ruler.model.matcher import compile_regex
from ruler.scrape.relabel import RelabelRule

DEFAULT_BODY_CAP = 64 << 20  # inflated bytes of one page, where body_size_limit says nothing

_FILE_SD_PATTERN = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")
_RESERVED = ("job", "instance")

Path_ = tuple[str | int, ...]


class BasicAuth(Settings, frozen=True):
    """A user and a password, each given or in a file that is read at every scrape."""

    username: str = ""
    username_file: str = ""
    password: Secret = Secret("")
    password_file: str = ""


class Authorization(Settings, frozen=True):
    """An Authorization header of any scheme but Basic."""

    type: str = "Bearer"
    credentials: Secret = Secret("")
    credentials_file: str = ""


class TLSSettings(Settings, frozen=True):
    """How to be sure of a target, and how to be known to it."""

    ca: str = ""
    ca_file: str = ""
    cert: str = ""
    cert_file: str = ""
    key: Secret = Secret("")
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: str = ""
    max_version: str = ""


class StaticGroup(Settings, frozen=True):
    """Targets that are written down, with labels that all of them get."""

    targets: tuple[str, ...] = ()
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class FileDiscovery(Settings, frozen=True):
    """Files that list target groups, as YAML or JSON."""

    files: tuple[str, ...] = ()
    refresh_interval: Duration = Duration(5 * MINUTE)


class GlobalSettings(Settings, frozen=True):
    """What holds for every job that does not say otherwise."""

    scrape_interval: Duration = Duration(MINUTE)
    scrape_timeout: Duration | None = None
    evaluation_interval: Duration = Duration(MINUTE)
    external_labels: dict[str, str] = msgspec.field(default_factory=dict)
    scrape_native_histograms: bool | None = None
    convert_classic_histograms_to_nhcb: bool | None = None
    always_scrape_classic_histograms: bool | None = None

    @property
    def timeout(self) -> int:
        """The timeout (ms) in force: 10 s, or the interval where that is shorter."""
        return min(10 * SECOND, self.scrape_interval) if self.scrape_timeout is None else self.scrape_timeout


class ScrapeSettings(Settings, frozen=True):
    """One job: where its targets come from, how they are fetched and what becomes of their labels."""

    job_name: str
    scrape_interval: Duration | None = None
    scrape_timeout: Duration | None = None
    metrics_path: str = "/metrics"
    scheme: str = "http"
    params: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    honor_labels: bool = False
    honor_timestamps: bool = True
    sample_limit: int = 0
    body_size_limit: str = "0"
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    tls_config: TLSSettings = TLSSettings()
    static_configs: tuple[StaticGroup, ...] = ()
    file_sd_configs: tuple[FileDiscovery, ...] = ()
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


Problems = Iterator[tuple[Path_, str]]


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
    yield from _client_problems(job)
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


def _client_problems(job: ScrapeSettings) -> Problems:
    basic, bearer, tls = job.basic_auth, job.authorization, job.tls_config
    if basic is not None and bearer is not None:
        yield ("authorization",), "at most one of basic_auth & authorization must be configured"
    if basic is not None and basic.username and basic.username_file:
        yield ("basic_auth",), "at most one of basic_auth username & username_file must be configured"
    if basic is not None and basic.password and basic.password_file:
        yield ("basic_auth",), "at most one of basic_auth password & password_file must be configured"
    if bearer is not None and bearer.type.strip().lower() == "basic":
        yield ("authorization", "type"), 'authorization type cannot be set to "basic", use "basic_auth" instead'
    if bearer is not None and bearer.credentials and bearer.credentials_file:
        yield ("authorization",), "at most one of authorization credentials & credentials_file must be configured"
    for inline, file, name in (
        (tls.ca, tls.ca_file, "ca"),
        (tls.cert, tls.cert_file, "cert"),
        (tls.key, tls.key_file, "key"),
    ):
        if inline and file:
            yield ("tls_config",), f"at most one of {name} and {name}_file must be configured"
    if bool(tls.cert or tls.cert_file) != bool(tls.key or tls.key_file):
        yield (
            ("tls_config",),
            "exactly one of key or key_file must be configured when a client certificate is configured",
        )
    for key, version in (("min_version", tls.min_version), ("max_version", tls.max_version)):
        if version not in TLS_VERSIONS:
            yield ("tls_config", key), f"unknown TLS version: {version!r}"
    if tls.min_version and tls.max_version and tls.max_version < tls.min_version:
        yield ("tls_config",), "tls_config.max_version must be greater than or equal to tls_config.min_version"


TLS_VERSIONS = ("", "TLS10", "TLS11", "TLS12", "TLS13")


def address_problem(address: str) -> str:
    """What is wrong with a target's address; empty when nothing is."""
    return f"{address!r} is not a valid hostname (write it like host:9100)" if "/" in address else ""


def _completed(global_: GlobalSettings, job: ScrapeSettings, folder: Path) -> ScrapeSettings:
    interval = global_.scrape_interval if job.scrape_interval is None else job.scrape_interval
    timeout = Duration(min(global_.timeout, interval)) if job.scrape_timeout is None else job.scrape_timeout

    def absolute(name: str) -> str:
        return str(folder / name) if name else ""

    replace = msgspec.structs.replace
    basic, bearer, tls = job.basic_auth, job.authorization, job.tls_config
    if basic is not None:
        files = {"username_file": absolute(basic.username_file), "password_file": absolute(basic.password_file)}
        basic = replace(basic, **files)
    if bearer is not None:
        bearer = replace(bearer, credentials_file=absolute(bearer.credentials_file))
    tls = replace(
        tls, ca_file=absolute(tls.ca_file), cert_file=absolute(tls.cert_file), key_file=absolute(tls.key_file)
    )
    discoveries = tuple(
        replace(discovery, files=tuple(absolute(name) for name in discovery.files)) for discovery in job.file_sd_configs
    )
    return replace(
        job,
        scrape_interval=interval,
        scrape_timeout=timeout,
        basic_auth=basic,
        authorization=bearer,
        tls_config=tls,
        file_sd_configs=discoveries,
    )
