"""The document of `POST /api/monitoring`: what a Laravel application reports of Telescope and Pulse, as gauges.

Each push replaces the last one of the same server and system, so a type of entry that is no longer reported is gone at
once instead of keeping its last count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from common.durations import DAY, MINUTE
from receiver.answers import zulu
from receiver.documents import as_object, convert, read_object
from receiver.gauges import Gauge, Pairs, Push
from receiver.refusals import Refusal, shown

REQUIRED = ("timestamp", "system", "telescope", "pulse")
LIFE = 5 * MINUTE
LAST_PUSH_LIFE = DAY
MAX_ENTRIES = 100
MAX_TYPES = 100
MAX_NAME = 200
SLOW_QUERY_MS = 1000

HELP = {
    "laravel_telescope_entries": "Entries that Telescope has stored.",
    "laravel_telescope_recent_entries": "Telescope entries of the last 5 minutes.",
    "laravel_telescope_recent_entries_by_type": "Telescope entries of the last 5 minutes, by type.",
    "laravel_pulse_entries": "Entries that Pulse has stored.",
    "laravel_pulse_recent_entries": "Pulse entries of the last 5 minutes.",
    "laravel_pulse_recent_entries_by_type": "Pulse entries of the last 5 minutes, by type.",
    "laravel_memory_usage_bytes": "Memory that the PHP process used when it pushed.",
    "laravel_memory_peak_bytes": "Most memory that the PHP process has used.",
    "laravel_info": "Versions of PHP and Laravel; always 1.",
    "laravel_last_push_timestamp_seconds": "When the receiver last got a push, in seconds since 1970.",
    "laravel_request_duration_seconds_max": "Longest of the recent requests that the push lists.",
    "laravel_request_duration_seconds_mean": "Mean duration of the recent requests that the push lists.",
    "laravel_recent_slow_queries": "Recent queries that the push lists and that took longer than a second.",
}

Count = Annotated[float, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]


class Entry(msgspec.Struct, frozen=True):
    """An Entry is one recorded event of the application; its content is whatever its watcher writes."""

    type: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] = ""
    content: Any = None


class Section(msgspec.Struct, frozen=True):
    """A Section is what Telescope, or Pulse, reports."""

    total_entries: Count | None = None
    recent_entries: Count | None = None
    entry_types: Any = None
    recent_entries_data: Annotated[list[Entry], msgspec.Meta(max_length=MAX_ENTRIES)] | None = None


class ServerInfo(msgspec.Struct, frozen=True):
    """A ServerInfo is the state of the PHP process that pushed."""

    php_version: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] | None = None
    laravel_version: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] | None = None
    memory_usage: Count | None = None
    peak_memory: Count | None = None


class Monitoring(msgspec.Struct, frozen=True):
    """A Monitoring is the whole document; fields that it does not know are for other readers."""

    timestamp: str
    system: Name
    telescope: Section
    pulse: Section
    server_info: ServerInfo | None = None


def read_monitoring(body: bytes, server: str, now: int) -> tuple[Push, str]:
    """The gauges of a pushed document, and the time that it gives; raises Refusal."""
    document = read_object(body, REQUIRED)
    for name in ("telescope", "pulse", "server_info"):
        if name in document:
            document[name] = as_object(document[name])
    monitoring = convert(document, Monitoring)
    time = _in_utc(monitoring.timestamp)
    labels: Pairs = (("server", server), ("system", monitoring.system))
    gauges = [
        *_section("telescope", monitoring.telescope, labels, now),
        *_section("pulse", monitoring.pulse, labels, now),
        *_durations(monitoring, labels, now),
        *_server_info(monitoring.server_info or ServerInfo(), labels, now),
        Gauge("laravel_last_push_timestamp_seconds", labels, now / 1000, now + LAST_PUSH_LIFE),
    ]
    return Push(server, f"laravel/{monitoring.system}", tuple(gauges)), time


def _section(name: str, section: Section, labels: Pairs, now: int) -> Iterator[Gauge]:
    if section.total_entries is not None:
        yield Gauge(f"laravel_{name}_entries", labels, section.total_entries, now + LIFE)
    if section.recent_entries is not None:
        yield Gauge(f"laravel_{name}_recent_entries", labels, section.recent_entries, now + LIFE)
    for type_, count in _entry_types(name, section.entry_types):
        typed = tuple(sorted((*labels, ("type", type_))))
        yield Gauge(f"laravel_{name}_recent_entries_by_type", typed, count, now + LIFE)


def _entry_types(name: str, value: Any) -> Iterator[tuple[str, float]]:
    types, path = as_object(value), f"{name}.entry_types"
    if types is None:
        return
    if not isinstance(types, dict):
        raise Refusal(f"expected an object: {shown(types)}", path=path)
    if len(types) > MAX_TYPES:
        raise Refusal(f"more than {MAX_TYPES} types: {len(types)}", path=path)
    for type_, count in types.items():
        if not 0 < len(type_) <= MAX_NAME:
            raise Refusal(f"a type has 1 to {MAX_NAME} characters: {shown(type_)}", path=path)
        if isinstance(count, bool) or not isinstance(count, int | float) or count < 0:
            raise Refusal(f"expected a number >= 0: {shown(count)}", path=f"{path}.{type_}")
        yield type_, count


def _durations(monitoring: Monitoring, labels: Pairs, now: int) -> Iterator[Gauge]:
    entries = [*(monitoring.telescope.recent_entries_data or ()), *(monitoring.pulse.recent_entries_data or ())]
    requests = [ms for entry in entries if entry.type == "request" for ms in _milliseconds(entry.content, "duration")]
    queries = [
        ms for entry in entries if entry.type == "query" for ms in _milliseconds(entry.content, "duration", "time")
    ]
    if requests:
        mean = sum(requests) / len(requests)
        yield Gauge("laravel_request_duration_seconds_max", labels, max(requests) / 1000, now + LIFE)
        yield Gauge("laravel_request_duration_seconds_mean", labels, mean / 1000, now + LIFE)
    slow = sum(ms > SLOW_QUERY_MS for ms in queries)
    yield Gauge("laravel_recent_slow_queries", labels, slow, now + LIFE)


def _milliseconds(content: Any, *names: str) -> Iterator[float]:
    """The duration in an entry's content, if it has one; Telescope writes the time of a query as text, `"12.34"`.

    Content is free-form, so what is no duration says nothing, and does not make the push invalid.
    """
    for name in names:
        value = content.get(name) if isinstance(content, dict) else None
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
            yield value
            return


def _server_info(info: ServerInfo, labels: Pairs, now: int) -> Iterator[Gauge]:
    if info.memory_usage is not None:
        yield Gauge("laravel_memory_usage_bytes", labels, info.memory_usage, now + LIFE)
    if info.peak_memory is not None:
        yield Gauge("laravel_memory_peak_bytes", labels, info.peak_memory, now + LIFE)
    versions = {"php_version": info.php_version, "laravel_version": info.laravel_version}
    known = [(name, version) for name, version in versions.items() if version]
    if known:
        yield Gauge("laravel_info", tuple(sorted((*labels, *known))), 1, now + LIFE)


def _in_utc(text: str) -> str:
    """An ISO 8601 time as Laravel writes it, `2024-01-15T10:30:00.000000Z`; one without an offset is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return zulu(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Refusal(f"not an ISO 8601 time: {shown(text)}", path="timestamp") from None
