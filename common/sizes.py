"""Sizes in bytes as Prometheus writes them (`512MB`), in powers of 1,024."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(?:([0-9]+)(B|[KMGTPE]i?B))+|0")
_PART = re.compile(r"([0-9]+)(B|[KMGTPE])")
_SHIFTS = {"E": 60, "P": 50, "T": 40, "G": 30, "M": 20, "K": 10, "B": 0}


def parse_size(text: str) -> int:
    """The bytes that `text` (`10MB`, `512KiB`, `0`) means; raises ValueError."""
    if not _SIZE.fullmatch(text):
        msg = f"not a size: {text!r} (write it like 10MB)"
        raise ValueError(msg)
    return sum(int(count) << _SHIFTS[unit] for count, unit in _PART.findall(text))


def format_size(size: int) -> str:
    """The exact text of a size of 0 or more that `parse_size` reads back, as Go shows it: `1GiB512MiB`."""
    text = ""
    for unit, shift in _SHIFTS.items():
        count, size = size >> shift, size & ((1 << shift) - 1)
        if count:
            text += f"{count}{unit}" if unit == "B" else f"{count}{unit}iB"
    return text or "0B"
