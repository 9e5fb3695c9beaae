"""The parameters of API requests, read as Prometheus reads them; what cannot be read is a BadRequest that names it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from common.durations import parse_duration
from common.errors import ParseError
from ruler.api.errors import BadRequest
from ruler.kernels.text.forms import milliseconds
from ruler.model.matcher import Matcher
from ruler.promql.parser import parse_selector

EARLIEST, LATEST = -(1 << 53), 1 << 53  # ms that a float holds exactly

_LONGEST = (1 << 63) / 1e9  # s, what Go's time.Duration holds
_LONG = 9_000_000_000_000  # ms, less than that

_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")


class Form(Protocol):
    """A Form is the parameters of a request; one that is not given is empty."""

    def get(self, name: str, default: str, /) -> str: ...

    def getlist(self, name: str, /) -> list[str]: ...


def time_of(form: Form, name: str, default: int | None = None) -> int:
    """A time in ms, from seconds since 1970 or RFC 3339; `default` when it is not given."""
    text = form.get(name, "")
    time = milliseconds(text)
    if time is not None:
        return time
    if not text and default is not None:
        return default
    time = _time(text)
    if time is None or not EARLIEST <= time <= LATEST:
        problem = f'cannot parse "{text}" to a valid timestamp'
        if default is not None:
            problem = f"invalid time value for '{name}': {problem}"
        raise BadRequest(f'invalid parameter "{name}": {problem}')
    return time


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
    duration = milliseconds(text)
    if duration is not None and duration < _LONG:
        return duration
    problem = f'invalid parameter "{name}": cannot parse "{text}" to a valid duration'
    seconds = _number(text)
    if seconds is None:
        try:
            return parse_duration(text)
        except ParseError:
            raise BadRequest(problem) from None
    if math.isnan(seconds):
        return -1  # as Go converts it, and so refused where only a positive one will do
    if abs(seconds) >= _LONGEST:
        raise BadRequest(f"{problem}. It overflows int64")
    return round(seconds * 1000)


def step_of(form: Form) -> int:
    """The `step` parameter in ms."""
    step = duration_of(form, "step")
    if step is None:
        raise BadRequest('invalid parameter "step": cannot parse "" to a valid duration')
    if step <= 0:
        msg = (
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
        raise BadRequest(msg)
    return step


def span(form: Form, earliest: int | None = None, latest: int | None = None) -> tuple[int, int]:
    """start and end (ms), which may be left out only where there are defaults."""
    start, end = time_of(form, "start", earliest), time_of(form, "end", latest)
    if end < start:
        msg = 'invalid parameter "end": end timestamp must not be before start time'
        raise BadRequest(msg)
    return start, end


def limit_of(form: Form) -> int:
    """The `limit` parameter; 0 is no limit."""
    text = form.get("limit", "")
    if not text:
        return 0
    if not _INTEGER.match(text):
        raise BadRequest(f'invalid parameter "limit": strconv.Atoi: parsing "{text}": invalid syntax')
    limit = int(text[:20])
    if abs(limit) >= 1 << 63 or len(text) > 20:
        raise BadRequest(f'invalid parameter "limit": strconv.Atoi: parsing "{text}": value out of range')
    if limit < 0:
        raise BadRequest('invalid parameter "limit": limit must be non-negative')
    return limit


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
    if "_" in text or text != text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        return None
