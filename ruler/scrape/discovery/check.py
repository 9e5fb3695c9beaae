"""What Prometheus would refuse in the discoveries of a job."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ruler.scrape.config import DNSDiscovery, DockerDiscovery, FileDiscovery, HTTPDiscovery, ScrapeSettings
from ruler.scrape.http.settings import Problems, client_problems, url_problem

RECORDS = ("SRV", "A", "AAAA", "MX", "NS")

_FILE_NAME = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")


def discovery_problems(job: ScrapeSettings) -> Problems:
    """Where in a job's discoveries something is wrong, and what."""
    for index, group in enumerate(job.static_configs):
        if "" in group.labels:
            yield ("static_configs", index, "labels"), "'' is not a valid label name"
    for key, problems_of in (
        ("file_sd_configs", _file_problems),
        ("http_sd_configs", _http_problems),
        ("dns_sd_configs", _dns_problems),
        ("docker_sd_configs", _docker_problems),
    ):
        for index, discovery in enumerate(getattr(job, key)):
            for path, problem in problems_of(discovery):
                yield (key, index, *path), problem
            if discovery.refresh_interval <= 0:  # of which Prometheus dies
                yield (key, index, "refresh_interval"), "must be longer than 0s"


def _file_problems(discovery: FileDiscovery) -> Problems:
    if not discovery.files:
        yield (), "file service discovery config must contain at least one path name"
    for place, name in enumerate(discovery.files):
        if not _FILE_NAME.fullmatch(name):
            yield ("files", place), f"path name {name!r} is not valid for file discovery"


def _http_problems(discovery: HTTPDiscovery) -> Problems:
    if not discovery.url:
        yield ("url",), "URL is missing"
        return
    if problem := url_problem(discovery.url):
        yield ("url",), problem
        return
    url = urlsplit(discovery.url)
    if url.scheme not in ("http", "https"):
        yield ("url",), f"URL scheme must be 'http' or 'https': {discovery.url!r}"
    elif not url.hostname:
        yield ("url",), f"host is missing in URL: {discovery.url!r}"
    yield from client_problems(discovery)


def _dns_problems(discovery: DNSDiscovery) -> Problems:
    if not discovery.names:
        yield (), "DNS-SD config must contain at least one SRV record name"
    if (kind := discovery.type.upper()) not in RECORDS:
        yield ("type",), f"invalid DNS-SD records type {discovery.type!r} (there are {', '.join(RECORDS)})"
    elif kind != "SRV" and not discovery.port:
        yield ("port",), "a port is required in DNS-SD configs for all record types except SRV"


def _docker_problems(discovery: DockerDiscovery) -> Problems:
    if not discovery.host:
        yield ("host",), "host missing"
    elif problem := url_problem(discovery.host):
        yield ("host",), problem
    yield from client_problems(discovery)
