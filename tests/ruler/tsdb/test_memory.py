"""The memory that a process may use: the machine's, or less when a control group of it or above it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruler.tsdb.write.memory import FEWEST, SERIES_COST, SHARE, memory_limit, series_that_fit

MB = 1 << 20
UNLIMITED_V1 = 9_223_372_036_854_771_712


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A machine with 4 GiB, a process in these control groups, and these files under /sys/fs/cgroup."""
    wanted = {
        "proc/meminfo": "MemTotal:        4194304 kB\nMemFree:          100 kB\n",
        "proc/self/cgroup": groups,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }
    for name, text in wanted.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {}, 4096),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/b/memory.high": "max\n"}, 4096),
        ("0::/a/b\n", {"a/b/memory.max": f"{300 * MB}\n"}, 300),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/b/memory.high": f"{200 * MB}\n"}, 200),
        ("0::/a/b\n", {"a/b/memory.max": f"{300 * MB}\n", "a/memory.max": f"{100 * MB}\n"}, 100),
        ("0::/\n", {"memory.max": f"{50 * MB}\n"}, 50),
        ("0::/a\n", {"a/memory.max": f"{9000 * MB}\n"}, 4096),
        ("0::/../../other\n", {"memory.max": f"{70 * MB}\n", "../other/memory.max": "1\n"}, 70),
        ("5:cpu,memory:/a\n1:name=x:/a\n", {"memory/a/memory.limit_in_bytes": f"{60 * MB}\n"}, 60),
        ("5:memory:/gone\n", {"memory/memory.limit_in_bytes": f"{80 * MB}\n"}, 80),
        ("5:memory:/\n0::/\n", {"memory/memory.limit_in_bytes": f"{UNLIMITED_V1}\n"}, 4096),
    ],
)
def test_the_least_limit_counts(tmp_path: Path, groups: str, files: dict[str, str], expected: int) -> None:
    """Of the machine and all control groups from the process's up, either version, the least decides."""
    assert expected * MB == memory_limit(machine(tmp_path, groups, files))


def test_a_share_of_it_is_for_series(tmp_path: Path) -> None:
    """The limit of series is what half of the memory holds, and never so few that nothing works."""
    assert 2048 * MB // SERIES_COST == series_that_fit(machine(tmp_path / "a", "0::/\n", {}))
    small = machine(tmp_path / "b", "0::/\n", {"memory.max": str(10 * MB)})
    assert (2, FEWEST) == (SHARE, series_that_fit(small))


def test_this_machine_has_some() -> None:
    """Where the test runs, whatever it is, there is memory and room for series."""
    assert memory_limit() > 64 * MB
    assert series_that_fit() >= FEWEST
