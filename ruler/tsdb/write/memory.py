"""How much memory the process may use, and how many series fit into it. Read once, when a database is opened.

A series costs its cells in the pages that are written, a share of its page's next one, and its labels and scrape keys:
it is better to refuse a series by name than to be killed without a word.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

CELLS: Final = 8 * 256 * 5 // 4  # a page's rows, with the columns that a page has to spare
LABELS_AND_KEYS: Final = 500
SERIES_COST: Final = CELLS + LABELS_AND_KEYS
SHARE: Final = 2  # one part in two is for series; queries, chunks and the programs have the rest
FEWEST: Final = 10_000
CACHE_SHARE: Final = 50  # one part in so many is for what was decoded last
LEAST_CACHE, MOST_CACHE = 64 << 20, 512 << 20

_CGROUP: Final = Path("sys/fs/cgroup")


def series_that_fit(root: Path = Path("/")) -> int:
    """How many active series the memory allows."""
    return max(FEWEST, memory_limit(root) // SHARE // SERIES_COST)


def cache_that_fits(root: Path = Path("/")) -> int:
    """How many bytes of decoded chunks may be kept: a dashboard asks again and again for the same hours."""
    return min(MOST_CACHE, max(LEAST_CACHE, memory_limit(root) // CACHE_SHARE))


def memory_limit(root: Path = Path("/")) -> int:
    """The least of what the machine has and what the process's control groups, with those above them, allow."""
    return min([_physical(root), *_cgroup_limits(root)])


def _physical(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # no Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))


def _cgroup_limits(root: Path) -> list[int]:
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    limits: list[int] = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            limits += _limits_above(root / _CGROUP, path, ("memory.max", "memory.high"))
        elif "memory" in controllers.split(","):
            limits += _limits_above(root / _CGROUP / "memory", path, ("memory.limit_in_bytes",))
    return limits


def _limits_above(mount: Path, path: str, names: tuple[str, ...]) -> list[int]:
    """The limits in the group at `path` and every one above it, as far as they can be seen from here."""
    group = mount if ".." in path.split("/") else mount / path.strip("/")
    groups = [group, *(parent for parent in group.parents if parent.is_relative_to(mount))]
    return [limit for each in groups for name in names if (limit := _limit(each / name)) is not None]


def _limit(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:  # the root group has no limits, and a container does not see what is above it
        return None
    return int(text) if text.isdecimal() else None
