"""What a scrape asks for and what it gets: the Accept header of a job, and the format that a Content-Type stands for.

As strict as Prometheus 3: a Content-Type that is missing or unknown fails the scrape, unless the job has a fallback.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from common.errors import ScrapeError, ScrapeFailure

if TYPE_CHECKING:
    from ruler.scrape.config import ScrapeSettings


class Format(StrEnum):
    """A Format is what a page is written in, by the name that `scrape_protocols` has for it."""

    PROTOBUF = "PrometheusProto"
    OPENMETRICS_0_0_1 = "OpenMetricsText0.0.1"
    OPENMETRICS_1_0_0 = "OpenMetricsText1.0.0"
    TEXT_0_0_4 = "PrometheusText0.0.4"
    TEXT_1_0_0 = "PrometheusText1.0.0"


DEFAULT_FORMATS = (Format.OPENMETRICS_1_0_0, Format.OPENMETRICS_0_0_1, Format.TEXT_1_0_0, Format.TEXT_0_0_4)
ENCODINGS = "gzip, zstd"

_MEDIA_TYPES = {
    Format.PROTOBUF: "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    Format.OPENMETRICS_0_0_1: "application/openmetrics-text;version=0.0.1",
    Format.OPENMETRICS_1_0_0: "application/openmetrics-text;version=1.0.0",
    Format.TEXT_0_0_4: "text/plain;version=0.0.4",
    Format.TEXT_1_0_0: "text/plain;version=1.0.0",
}
_ESCAPED = (Format.OPENMETRICS_1_0_0, Format.TEXT_1_0_0)  # those that know an escaping of names

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r"\"(?:[^\"\\]|\\.)*\""
_MEDIA_TYPE = re.compile(rf"\s*({_WORD}/{_WORD}|{_WORD})\s*((?:;\s*{_WORD}=(?:{_WORD}|{_QUOTED})\s*)*);?\s*\Z")
_VERSION = re.compile(rf";\s*version=\"?({_WORD})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Negotiation:
    """A Negotiation is what a job asks of its targets, and how it takes an answer that does not say what it is."""

    accept: str
    encodings: str = ENCODINGS
    fallback: Format | None = None


def negotiation_of(job: ScrapeSettings) -> Negotiation:
    """The one of a job, whose protocols `check` has looked over."""
    return Negotiation(
        accept_header(job.protocols, job.escaping),
        ENCODINGS if job.enable_compression else "identity",
        job.fallback_scrape_protocol,
    )


def accept_header(formats: Sequence[Format], escaping: str) -> str:
    """The Accept header that asks for these formats, the first one most of all."""
    weight = len(Format) + 1
    wanted = []
    for place, format_ in enumerate(formats):
        escaped = f";escaping={escaping}" if format_ in _ESCAPED else ""
        wanted.append(f"{_MEDIA_TYPES[format_]}{escaped};q=0.{weight - place}")
    return ",".join((*wanted, f"*/*;q=0.{weight - len(formats)}"))


@lru_cache(maxsize=256)  # of those that pass: the same exporters say the same
def format_of(content_type: bytes, fallback: Format | None = None) -> Format:
    """The format that a Content-Type stands for, else the fallback; raises ScrapeError where there is none."""
    said = content_type.decode("latin-1")
    if not said:
        problem = "non-compliant scrape target sending blank Content-Type"
    elif (match := _MEDIA_TYPE.match(said)) is None:
        problem = f"cannot parse Content-Type {said!r}"
    else:
        kind = match[1].lower()
        version = found[1] if (found := _VERSION.search(match[2])) else ""
        if kind == "text/plain":
            return Format.TEXT_1_0_0 if version == "1.0.0" else Format.TEXT_0_0_4
        if kind == "application/openmetrics-text":
            return Format.OPENMETRICS_1_0_0 if version == "1.0.0" else Format.OPENMETRICS_0_0_1
        if kind == "application/vnd.google.protobuf":
            return Format.PROTOBUF
        problem = f"received unsupported Content-Type {said!r}"
    if fallback is not None:
        return fallback
    raise ScrapeError(ScrapeFailure.BAD_BODY, f"{problem} and no fallback_scrape_protocol specified for target")


def status_text(status: int) -> str:
    """An HTTP status with its words, where it has any: `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
