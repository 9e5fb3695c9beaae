"""The document of `POST /api/v1/push`: any application's gauges, with labels and a time to live.

Names follow Prometheus's rules for bare names. Names that Tocsin or Prometheus give a meaning are refused, so a push
can never change the type or the sense of a metric that is there already; `server` is always the token's name.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from common.durations import DAY, MINUTE, SECOND, format_duration, parse_duration
from common.errors import ParseError
from common.labels import is_label_name, is_metric_name
from receiver.answers import at, zulu
from receiver.documents import as_object, convert, read_object
from receiver.gauges import Gauge, Pairs, Push
from receiver.refusals import Refusal, shown

DEFAULT_TTL = 5 * MINUTE
SHORTEST_TTL, LONGEST_TTL = SECOND, 7 * DAY
MAX_LABELS = 64
MAX_NAME = 200
MAX_VALUE_BYTES = 4096

HELP = "Pushed by an application."

RESERVED_PREFIXES = (
    "__", "alertmanager_", "laravel_", "node_", "process_", "prometheus_", "python_", "scrape_", "tocsin_",
)  # fmt: skip
RESERVED_NAMES = frozenset(
    (
        "ALERTS",
        "ALERTS_FOR_STATE",
        "server_active",
        "server_last_reported_timestamp_seconds",
        "status_metric",
        "status_metric_state",
        "up",
    )
)
RESERVED_LABELS = {
    "server": "it is the name of the token",
    "le": "it belongs to histograms",
    "quantile": "it belongs to summaries",
}
SPECIAL = {"NaN": math.nan, "Inf": math.inf, "+Inf": math.inf, "-Inf": -math.inf}


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Document is what an application pushes."""

    metrics: Any
    labels: Any = None
    ttl: str | None = None


def read_push(body: bytes, server: str, now: int) -> tuple[Push, str]:
    """The gauges of a pushed document, and the time that they are of; raises Refusal."""
    raw = read_object(body, ("metrics",))
    document = convert(raw, Document)
    labels = _labels(document.labels, server)
    expires = now + _ttl(document.ttl)
    metrics = as_object(document.metrics)
    if not isinstance(metrics, dict):
        raise Refusal(f"expected an object: {shown(metrics)}", path="metrics")
    if not metrics:
        raise Refusal("no metrics", path="metrics")
    gauges = tuple(Gauge(_name(name), labels, _value(name, value), expires) for name, value in metrics.items())
    return Push(server, "", gauges), zulu(at(now))


def _name(name: str) -> str:
    if not is_metric_name(name):
        raise Refusal(f"not a metric name: {shown(name)}", path=_path("metrics", name))
    if len(name) > MAX_NAME:
        raise Refusal(f"a name of more than {MAX_NAME} characters: {shown(name)}", path=_path("metrics", name))
    if name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES):
        raise Refusal(f"a reserved name: {shown(name)}", path=_path("metrics", name))
    return name


def _value(name: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value in SPECIAL:
        return SPECIAL[value]
    raise Refusal(f'not a number (or "NaN", "+Inf", "-Inf"): {shown(value)}', path=_path("metrics", name))


def _labels(value: Any, server: str) -> Pairs:
    labels = {} if value is None else as_object(value)
    if not isinstance(labels, dict):
        raise Refusal(f"expected an object: {shown(labels)}", path="labels")
    if len(labels) > MAX_LABELS:
        raise Refusal(f"more than {MAX_LABELS} labels: {len(labels)}", path="labels")
    for name, text in labels.items():
        path = _path("labels", name)
        if not is_label_name(name):
            raise Refusal(f"not a label name: {shown(name)}", path=path)
        if len(name) > MAX_NAME:
            raise Refusal(f"a name of more than {MAX_NAME} characters: {shown(name)}", path=path)
        if name in RESERVED_LABELS:
            raise Refusal(f"a reserved label ({RESERVED_LABELS[name]}): {shown(name)}", path=path)
        if name.startswith("__"):
            raise Refusal(f"a reserved label (it starts with __): {shown(name)}", path=path)
        if not isinstance(text, str):
            raise Refusal(f"expected text: {shown(text)}", path=path)
        if len(text.encode()) > MAX_VALUE_BYTES:
            raise Refusal(f"more than {MAX_VALUE_BYTES} bytes: {shown(text)}", path=path)
    pairs = ((name, text) for name, text in labels.items() if text)  # an empty label is an absent one
    return tuple(sorted((*pairs, ("server", server))))


def _ttl(text: str | None) -> int:
    if text is None:
        return DEFAULT_TTL
    try:
        ttl = parse_duration(text)
    except ParseError as error:
        raise Refusal(error.problem if len(text) < 80 else f"not a duration: {shown(text)}", path="ttl") from None
    if not SHORTEST_TTL <= ttl <= LONGEST_TTL:
        bounds = f"{format_duration(SHORTEST_TTL)} to {format_duration(LONGEST_TTL)}"
        raise Refusal(f"not in {bounds}: {shown(text)}", path="ttl")
    return ttl


def _path(field: str, name: str) -> str:
    return f"{field}.{name if len(name) <= MAX_NAME else name[:20] + '…'}"
