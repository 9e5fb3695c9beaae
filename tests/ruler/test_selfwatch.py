"""What is wrong with the storage becomes an alert, for as long as it is; what an earlier process told ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.labels import Labels
from ruler.model.alert import Alert
from ruler.selfwatch import DAMAGED, DEGRADED, INTERVAL, REMEMBERED, VALID, StorageWatch, diagnosis

NOW = 1_700_000_000_000


@dataclass(slots=True)
class Health:
    """What the storage counts."""

    degraded: bool = False
    sync_errors: int = 0
    damaged_rows: int = 0
    damaged_columns: int = 0
    damaged_blocks: int = 0
    dropped_bytes: int = 0


class Watched:
    """A Watched is a watch over `directory` with a health to play with; `tick` gives what it sent."""

    def __init__(self, directory: Path | None) -> None:
        self.health, self.sent = Health(), list[Alert]()
        self.watch = StorageWatch(self, self.health, directory, "http://host:9090")
        self.watch.apply(Labels({"site": "attic", "severity": "theirs"}), enabled=True)

    def send(self, alerts: Sequence[Alert]) -> None:
        self.sent += alerts

    def tick(self, now: int) -> dict[str, Alert]:
        """The alerts of this tick by name."""
        self.sent.clear()
        self.watch.tick(now)
        return {alert.name: alert for alert in self.sent}

    def firing(self, now: int) -> set[str]:
        return {name for name, alert in self.tick(now).items() if not alert.resolved(now)}


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    watched = Watched(tmp_path)
    watched.tick(NOW - INTERVAL)
    return watched


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A directory of somebody who is not root, and who we are meanwhile: root may write everywhere."""
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(65534)
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
    if as_root:
        os.seteuid(0)


def test_it_fires_while_degraded_and_ends_once(watched: Watched, tmp_path: Path) -> None:
    """Repeated at every tick with its first time, valid beyond the next tick, ended when it is over, then silent."""
    assert {} == watched.tick(NOW)
    watched.health.degraded = True
    first = watched.tick(NOW + 1)[DEGRADED]
    assert (NOW + 1, NOW + 1 + VALID) == (first.starts_at, first.ends_at)
    assert Labels({"alertname": DEGRADED, "severity": "critical", "instance": "host:9090", "site": "attic"}) == (
        first.labels
    )
    assert first.annotations["summary"].startswith(f"host:9090: {tmp_path} takes no samples: ")
    again = watched.tick(NOW + 1 + INTERVAL)[DEGRADED]
    assert (first.labels, NOW + 1, NOW + 1 + INTERVAL + VALID) == (again.labels, again.starts_at, again.ends_at)
    watched.health.degraded = False
    over = watched.tick(NOW + 9 * INTERVAL)[DEGRADED]
    assert (first.labels, NOW + 1, NOW + 9 * INTERVAL) == (over.labels, over.starts_at, over.ends_at)
    assert {} == watched.tick(NOW + 10 * INTERVAL)


def test_the_first_tick_ends_what_an_earlier_process_told(tmp_path: Path) -> None:
    """What does not fire now is said to be over, for a receiver that heard of it before a restart."""
    watched = Watched(tmp_path)
    ended = watched.tick(NOW)
    assert {DEGRADED, DAMAGED} == ended.keys()
    assert all(alert.resolved(NOW) for alert in ended.values())
    assert {} == watched.tick(NOW + INTERVAL)


def test_what_is_lost_for_good_is_said(watched: Watched) -> None:
    """Memory is not endless either: when the oldest of what it holds had to go, the text says how much."""
    watched.health.degraded = True
    assert "lost already" not in watched.tick(NOW)[DEGRADED].annotations["description"]
    watched.health.dropped_bytes = 5 << 20
    assert "5 MiB of the oldest of them are lost already" in watched.tick(NOW + 1)[DEGRADED].annotations["description"]


def test_a_failed_sync_is_told_for_an_hour(watched: Watched) -> None:
    """It happened once and is over; people must hear of it all the same, and again when it happens again."""
    watched.health.sync_errors = 1
    assert {DEGRADED} == watched.firing(NOW)
    assert {DEGRADED} == watched.firing(NOW + REMEMBERED - 1)
    assert set() == watched.firing(NOW + REMEMBERED)
    watched.health.sync_errors = 2
    assert {DEGRADED} == watched.firing(NOW + 2 * REMEMBERED)


def test_files_that_were_set_aside_are_told_until_they_are_gone(watched: Watched, tmp_path: Path) -> None:
    """Their names are in the text; removing them ends the alert."""
    files = [tmp_path / f"{number:08d}.page.corrupt" for number in range(5)]
    for file in files:
        file.touch()
    alert = watched.tick(NOW)[DAMAGED]
    assert "damage was set aside in 5 files" in alert.annotations["summary"]
    assert "00000000.page.corrupt, 00000001.page.corrupt, 00000002.page.corrupt …" in alert.annotations["description"]
    assert {DAMAGED} == watched.firing(NOW + 2 * REMEMBERED)
    for file in files:
        file.unlink()
    assert set() == watched.firing(NOW + 3 * REMEMBERED)


def test_damaged_samples_are_told_for_an_hour(watched: Watched) -> None:
    """Rows and columns that were left out leave no file behind."""
    watched.health.damaged_columns = 3
    assert {DAMAGED} == watched.firing(NOW)
    assert set() == watched.firing(NOW + REMEMBERED)


def test_switched_off_it_ends_what_it_told(watched: Watched) -> None:
    """An alert that was told does not hang."""
    watched.health.degraded = True
    assert {DEGRADED} == watched.firing(NOW)
    watched.watch.apply(Labels(), enabled=False)
    assert [True] == [alert.resolved(NOW + 1) for alert in watched.tick(NOW + 1).values()]
    assert {} == watched.tick(NOW + 2)


def test_without_a_directory_nothing_can_be_wrong() -> None:
    """Samples that are in memory by choice are no fault."""
    watched = Watched(None)
    watched.health.degraded = True
    assert set() == watched.firing(NOW)


def test_a_directory_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    """The system's own word for it, and what to do."""
    assert ("no such file or directory", "Bring the directory back.") == diagnosis(tmp_path / "none")


def test_a_directory_without_rights_is_told_as_such(ordinary_user: Path) -> None:
    """A directory that another user took."""
    ordinary_user.chmod(0o500)
    assert "it may not be written" == diagnosis(ordinary_user)[0]
    ordinary_user.chmod(0o700)
