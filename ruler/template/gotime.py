"""Go's time.Time and time.Duration, as far as templates show and ask them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|06|0[1-5]|002|15|_2|1|2|3|4|5|PM|pm|Z07:00|Z0700|-07:00|-0700|-07|[.,](?:0+|9+)(?!\d)"
)
_UNITS: Final = (("h", 3_600_000_000_000), ("m", 60_000_000_000))
_SMALL: Final = ((1_000_000, "ms"), (1_000, "µs"), (1, "ns"))


@dataclass(frozen=True, slots=True)
class Time:
    """A Time is a moment in UTC, in ms since 1970."""

    ms: int

    @property
    def _at(self) -> datetime:
        return _EPOCH + timedelta(milliseconds=self.ms)

    def __str__(self) -> str:
        return self.format("2006-01-02 15:04:05.999") + " +0000 UTC"

    def format(self, layout: str) -> str:
        """This time written as Go's layout shows the reference time, Mon Jan 2 15:04:05 MST 2006."""
        return _LAYOUT.sub(lambda match: self._part(match[0]), layout)

    def _part(self, sign: str) -> str:
        at = self._at
        if sign[0] in ".,":
            digits = f"{at.microsecond:06d}000"[: len(sign) - 1].ljust(len(sign) - 1, "0")
            if sign[1] == "9":
                digits = digits.rstrip("0")
            return sign[0] + digits if digits else ""
        return _PARTS[sign](at)


_PARTS: Final[dict[str, Callable[[datetime], str]]] = {
    "2006": lambda at: f"{at.year:04d}",
    "06": lambda at: f"{at.year % 100:02d}",
    "January": lambda at: at.strftime("%B"),
    "Jan": lambda at: at.strftime("%b"),
    "01": lambda at: f"{at.month:02d}",
    "1": lambda at: f"{at.month}",
    "Monday": lambda at: at.strftime("%A"),
    "Mon": lambda at: at.strftime("%a"),
    "02": lambda at: f"{at.day:02d}",
    "_2": lambda at: f"{at.day:2d}",
    "2": lambda at: f"{at.day}",
    "002": lambda at: f"{at.timetuple().tm_yday:03d}",
    "15": lambda at: f"{at.hour:02d}",
    "03": lambda at: f"{(at.hour - 1) % 12 + 1:02d}",
    "3": lambda at: f"{(at.hour - 1) % 12 + 1}",
    "04": lambda at: f"{at.minute:02d}",
    "4": lambda at: f"{at.minute}",
    "05": lambda at: f"{at.second:02d}",
    "5": lambda at: f"{at.second}",
    "PM": lambda at: "PM" if at.hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.hour >= 12 else "am",
    "MST": lambda _: "UTC",
    "Z07:00": lambda _: "Z",
    "Z0700": lambda _: "Z",
    "-07:00": lambda _: "+00:00",
    "-0700": lambda _: "+0000",
    "-07": lambda _: "+00",
}


@dataclass(frozen=True, slots=True)
class Duration:
    """A Duration is a span of time in ns."""

    ns: int

    def __str__(self) -> str:
        """As Go writes it: 1h30m0s, 1.5ms."""
        if self.ns == 0:
            return "0s"
        sign, rest = "-" if self.ns < 0 else "", abs(self.ns)
        if rest < 1_000_000_000:
            size, unit = next((size, unit) for size, unit in _SMALL if rest >= size)
            return f"{sign}{_decimal(rest, size)}{unit}"
        text = ""
        for unit, size in _UNITS:
            if rest >= size or text:
                text += f"{rest // size}{unit}"
                rest %= size
        return f"{sign}{text}{_decimal(rest, 1_000_000_000)}s"


def _decimal(value: int, size: int) -> str:
    whole, part = divmod(value, size)
    fraction = f"{part:0{len(str(size)) - 1}d}".rstrip("0") if part else ""
    return f"{whole}.{fraction}" if fraction else str(whole)


METHODS: Final[dict[type, dict[str, Callable[..., object]]]] = {
    Time: {
        "Format": Time.format,
        "String": str,
        "Unix": lambda time: time.ms // 1000,
        "UnixMilli": lambda time: time.ms,
        "UTC": lambda time: time,
        "Year": lambda time: int(time.format("2006")),
        "Day": lambda time: int(time.format("2")),
        "YearDay": lambda time: int(time.format("002")),
        "Hour": lambda time: int(time.format("15")),
        "Minute": lambda time: int(time.format("4")),
        "Second": lambda time: int(time.format("5")),
        "Month": lambda time: time.format("January"),
        "Weekday": lambda time: time.format("Monday"),
    },
    Duration: {
        "String": str,
        "Hours": lambda span: span.ns / 3.6e12,
        "Minutes": lambda span: span.ns / 6e10,
        "Seconds": lambda span: span.ns / 1e9,
        "Milliseconds": lambda span: int(span.ns / 1_000_000),
    },
}
