"""Durations as Prometheus writes them (`1h30m`), held as int milliseconds."""

from __future__ import annotations

import re

from common.errors import ParseError

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

_UNITS = (("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1))
_DURATION = re.compile("".join(rf"(?:([0-9]+){unit})?" for unit, _ in _UNITS) + r"\Z")
_LONGEST = (1 << 63) // 1_000_000  # what Go's time.Duration holds, in ms


def parse_duration(text: str) -> int:
    """The milliseconds that `text` names; raises ParseError.

    Follows ParseDuration of prometheus/common model: units from large to small, each at most once; a bare `0` is zero.
    """
    if text == "0":
        return 0
    match = _DURATION.match(text) if text else None
    if match is None:
        raise ParseError(f"not a valid duration string: {text!r} (write it like 30s, 5m or 1h30m)", text=text)
    total = sum(int(count) * size for count, (_, size) in zip(match.groups(), _UNITS, strict=True) if count)
    if total > _LONGEST:
        raise ParseError(f"duration out of range: {text!r}", text=text)
    return total


def format_duration(milliseconds: int) -> str:
    """The shortest text that `parse_duration` reads back; weeks and years only when nothing smaller is left over."""
    if milliseconds == 0:
        return "0s"
    text, rest = "-" if milliseconds < 0 else "", abs(milliseconds)
    for unit, size in _UNITS:
        exact_only = unit in ("y", "w")
        if rest >= size and not (exact_only and rest % size):
            text += f"{rest // size}{unit}"
            rest %= size
    return text
