"""The alerts that the ruler raises on its own storage: made without a rule, a sample or a write, so they come when the
disk takes nothing, and sent to the dispatcher like any other, so they are routed, silenced and shown like any other.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote_plus, urlsplit

from common.durations import HOUR, MINUTE, SECOND
from common.labels import Labels
from ruler.model.alert import ALERT_NAME, Alert, AlertSink

DEGRADED, DAMAGED = "TocsinStorageDegraded", "TocsinStorageDamaged"
SEVERITIES = {DEGRADED: "critical", DAMAGED: "warning"}

INTERVAL = 2 * SECOND
VALID = MINUTE  # how long an alert fires on when nobody repeats it
REMEMBERED = HOUR  # how long what happened once is told of
LITTLE = 64 << 20  # bytes: with less room, the disk is called full
PROBE = 4096  # bytes that are tried, when something is wrong
NAMED = 3  # files that an alert names

_EXPRESSIONS = {DEGRADED: "tocsin_tsdb_degraded > 0", DAMAGED: "tocsin_tsdb_corrupt_files_total > 0"}


class StorageHealth(Protocol):
    """What the storage counts of its files."""

    @property
    def degraded(self) -> bool: ...

    @property
    def sync_errors(self) -> int: ...

    @property
    def damaged_rows(self) -> int: ...

    @property
    def damaged_columns(self) -> int: ...

    @property
    def damaged_blocks(self) -> int: ...

    @property
    def dropped_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Trouble:
    """A Trouble is something wrong: the alert that tells of it, what is so, and what that means and asks for."""

    alert: str
    summary: str
    description: str


class StorageWatch:
    """A StorageWatch tells what is wrong with the storage for as long as it is, and when it is over.

    With samples in memory alone (no `directory`) nothing can be wrong.
    """

    def __init__(self, sink: AlertSink, health: StorageHealth, directory: Path | None, external_url: str) -> None:
        self._sink, self._health, self._directory, self._url = sink, health, directory, external_url
        self._instance = urlsplit(external_url).netloc
        self._counts = {"syncs": 0, "damage": 0}
        self._changed_at: dict[str, int] = {}
        self._firing: dict[str, Alert | None] = dict.fromkeys(SEVERITIES)
        self._first = True
        self._external_labels, self._enabled = Labels(), True

    def apply(self, external_labels: Labels, *, enabled: bool) -> None:
        """Say it with these labels from the next tick on, or say nothing more; called from any thread."""
        self._external_labels, self._enabled = external_labels, enabled

    def tick(self, now: int) -> None:
        """Tell of what is so. The first tick also ends what an earlier process told and what is over since."""
        troubles = (
            {trouble.alert: trouble for trouble in self._troubles(self._directory, now)}
            if self._enabled and self._directory
            else {}
        )
        alerts = []
        for name, before in self._firing.items():
            trouble = troubles.get(name)
            if trouble is not None:
                alert = self._alert(trouble, before.starts_at if before else now, now)
                alerts.append(alert)
                self._firing[name] = alert
            elif before is not None:
                alerts.append(_ended(before, now))
                self._firing[name] = None
            elif self._first:
                alerts.append(_ended(self._alert(Trouble(name, "", ""), now, now), now))
        self._first = False
        if alerts:
            self._sink.send(alerts)

    def _alert(self, trouble: Trouble, starts_at: int, now: int) -> Alert:
        own = {ALERT_NAME: trouble.alert, "severity": SEVERITIES[trouble.alert], "instance": self._instance}
        return Alert(
            labels=Labels({**self._external_labels, **own}),
            annotations=Labels({"summary": trouble.summary, "description": trouble.description}),
            starts_at=starts_at,
            ends_at=now + VALID,
            updated_at=now,
            generator_url=f"{self._url}/graph?g0.expr={quote_plus(_EXPRESSIONS[trouble.alert])}&g0.tab=1",
        )

    def _troubles(self, directory: Path, now: int) -> list[Trouble]:
        health, where = self._health, f"{self._instance}: {directory}"
        troubles = []
        lately = self._lately(
            {
                "syncs": health.sync_errors,
                "damage": health.damaged_rows + health.damaged_columns + health.damaged_blocks,
            },
            now,
        )
        if health.degraded:
            why, advice = diagnosis(directory)
            lost = f" {health.dropped_bytes >> 20} MiB of the oldest of them are lost already." * bool(
                health.dropped_bytes
            )
            consequence = (
                "New samples are in memory alone and would be lost if the process ended; scraping, queries and alerts "
                f"go on.{lost} {advice} Samples move to the disk by themselves as soon as it takes them."
            )
            troubles.append(Trouble(DEGRADED, f"{where} takes no samples: {why}", consequence))
        elif lately["syncs"]:
            consequence = (
                "The disk has reported an error when it was to make samples durable, so a power loss would cost more "
                "than some seconds. Look for errors of the disk in the system's log (dmesg), and replace it in time."
            )
            troubles.append(Trouble(DEGRADED, f"{where}: the disk fails", consequence))
        set_aside = sorted(path.name for path in directory.glob("*.corrupt"))
        if set_aside:
            named = ", ".join(set_aside[:NAMED]) + (" …" if len(set_aside) > NAMED else "")
            consequence = (
                f"What they held is missing from answers: {named}. Look for errors of the disk in the system's log "
                "(dmesg). This alert ends when the files are moved away or deleted."
            )
            troubles.append(Trouble(DAMAGED, f"{where}: damage was set aside in {len(set_aside)} files", consequence))
        elif lately["damage"]:
            consequence = (
                "Some samples did not match their checksums and are missing from answers; the log has the files, the "
                "rest of which was kept. Look for errors of the disk in the system's log (dmesg). This alert ends an "
                "hour after the damage was found."
            )
            troubles.append(Trouble(DAMAGED, f"{where}: samples are damaged", consequence))
        return troubles

    def _lately(self, counts: Mapping[str, int], now: int) -> dict[str, bool]:
        """Of each count, whether it has grown within the time that such a thing is told of."""
        for name, count in counts.items():
            if count > self._counts[name]:
                self._changed_at[name] = now
            self._counts[name] = count
        return {name: now - self._changed_at.get(name, now - REMEMBERED) < REMEMBERED for name in counts}


def diagnosis(directory: Path) -> tuple[str, str]:
    """Why a directory may take no data, as far as can be seen from outside, and what to do about it."""
    try:
        disk = os.statvfs(directory)
        refused = _refusal(directory)
    except OSError as error:
        return (error.strerror or "it cannot be reached").lower(), "Bring the directory back."
    free = disk.f_bavail * disk.f_frsize
    if refused == errno.EROFS or disk.f_flag & os.ST_RDONLY:
        return "its file system is read-only", "Look for errors of the disk in the system's log and mount it writable."
    if refused in (errno.EACCES, errno.EPERM):
        return "it may not be written", "Give the directory back to the user that the ruler runs as."
    if refused in (errno.ENOSPC, errno.EDQUOT) or (free < LITTLE and not refused):
        return (
            f"its disk is full, with {free >> 20} of {disk.f_blocks * disk.f_frsize >> 20} MiB free",
            "Free some space there, or lower storage.tsdb.retention.size.",
        )
    why = os.strerror(refused).lower() if refused else "writes fail"
    return why, "Look for errors of the disk in the system's log (dmesg); the ruler's own log has what failed."


def _refusal(directory: Path) -> int:
    """The number of the error that a small file without a name meets there; 0 when it meets none."""
    if not hasattr(os, "O_TMPFILE"):
        return 0 if os.access(directory, os.W_OK | os.X_OK) else errno.EACCES
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        return 0 if error.errno in (errno.EOPNOTSUPP, errno.EISDIR) else error.errno or 0
    try:
        os.write(descriptor, bytes(PROBE))
    except OSError as error:
        return error.errno or 0
    finally:
        os.close(descriptor)
    return 0


def _ended(alert: Alert, now: int) -> Alert:
    return replace(alert, ends_at=now, updated_at=now)
