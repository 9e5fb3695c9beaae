"""The parameters of API requests, read as Prometheus reads them; what cannot be read is a BadRequest that names it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

from werkzeug.datastructures import CombinedMultiDict

from common.durations import parse_duration
from common.errors import ParseError
from ruler.api.errors import BadRequest
from ruler.model.matcher import Matcher
from ruler.promql.parser import parse_selector

Form = CombinedMultiDict[str, str]

EARLIEST, LATEST = -(1 << 53), 1 << 53  # ms that a float holds exactly

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")


def time_of(form: Form, name: str, default: int | None = None) -> int:
    """A time in ms, from seconds since 1970 or RFC 3339; `default` when it is not given."""
    text = form.get(name, "")
    if not text and default is not None:
        return default
    milliseconds = _time(text)
    if milliseconds is None or not EARLIEST <= milliseconds <= LATEST:
        msg = f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp'
        raise BadRequest(msg)
    return milliseconds


def _time(text: str) -> int | None:
    seconds = _number(text)
    if seconds is not None:
        return round(seconds * 1000) if abs(seconds) < 1e14 else None
    if _RFC3339.match(text):
        try:
            return round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
        except ValueError:
            return None
    return None


def duration_of(form: Form, name: str) -> int | None:
    """A duration in ms, from seconds or `5m`; None when it is not given."""
    text = form.get(name, "")
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None and abs(seconds) < 1e12:
        return round(seconds * 1000)
    try:
        return parse_duration(text)
    except ParseError:
        msg = f'invalid parameter "{name}": cannot parse "{text}" to a valid duration'
        raise BadRequest(msg) from None


def span(form: Form, earliest: int | None = None, latest: int | None = None) -> tuple[int, int]:
    """start and end (ms), which may be left out only where there are defaults."""
    start, end = time_of(form, "start", earliest), time_of(form, "end", latest)
    if end < start:
        msg = 'invalid parameter "end": end timestamp must not be before start time'
        raise BadRequest(msg)
    return start, end


def limit_of(form: Form) -> int:
    """The `limit` parameter; 0 is no limit."""
    text = form.get("limit", "0") or "0"
    if not text.isdecimal():
        msg = f'invalid parameter "limit": not a non-negative number: "{text}"'
        raise BadRequest(msg)
    return int(text)


def matchers_of(form: Form, *, required: bool = False) -> list[tuple[Matcher, ...]]:
    """The sets of matchers that the `match[]` parameters give."""
    selectors = form.getlist("match[]")
    if required and not selectors:
        msg = "no match[] parameter provided"
        raise BadRequest(msg)
    return [selector_matchers(text, "match[]") for text in selectors]


def selector_matchers(text: str, name: str) -> tuple[Matcher, ...]:
    """The matchers of an instant selector written in a parameter."""
    try:
        return parse_selector(text)
    except ParseError as error:
        msg = f'invalid parameter "{name}": {error}'
        raise BadRequest(msg) from None


def choices(form: Form, name: str, allowed: Sequence[str], default: str) -> str:
    """A parameter that is one of a few words."""
    text = form.get(name, "") or default
    if text not in allowed:
        msg = f'invalid parameter "{name}": unknown value "{text}" (write {" or ".join(allowed)})'
        raise BadRequest(msg)
    return text


def _number(text: str) -> float | None:
    if "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else math.inf
