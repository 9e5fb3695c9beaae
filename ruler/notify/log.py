"""The notification log: what each destination was last told of each group. In SQL, with a copy in memory.

The intent is written before a message goes out and the result after it, so a message that was recorded is never sent
again, and one that a crash interrupted is sent at most once more. A database that takes nothing never stops a message,
and delays only the first. One lock guards the copy; it is not held while the database works.
"""

from __future__ import annotations

import logging
import threading
from array import array
from collections.abc import Iterable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from common.durations import HOUR
from common.logs import facts
from ruler.database import Database, Overfull, Postponed
from ruler.database.rows import Change, StateTable

RETENTION = 120 * HOUR
MAX_ENTRIES = 200_000
MAINTENANCE = HOUR // 4
WRITE_SECONDS = 5

TABLE = StateTable(
    "notification_log",
    ("receiver", "destination", "group_key"),
    sa.Column("receiver", sa.String(255), nullable=False),
    sa.Column("destination", sa.String(16), nullable=False),
    sa.Column("group_key", sa.Text, nullable=False),
    sa.Column("firing", sa.LargeBinary, nullable=False),  # fingerprints, 8 bytes each
    sa.Column("told_at", sa.BigInteger),  # null: not yet
    sa.Column("telling_since", sa.BigInteger),  # null: nothing is on its way
)

log = logging.getLogger("notify")


class Key(NamedTuple):
    """A Key names what one destination of one receiver is told of one group."""

    receiver: str
    destination: str
    group: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An Entry is what a destination was last told: which alerts fired, and when that was (ms)."""

    firing: frozenset[int]
    told_at: int


class NotificationLog:
    """A NotificationLog remembers what was told, across restarts, for as long as its retention."""

    def __init__(self, database: Database, retention: int = RETENTION) -> None:
        self._database, self._retention = database, retention
        self._lock = threading.Lock()
        self._maintained = 0
        self._entries, interrupted = _load(database)
        for key in interrupted:
            self._write([_row(key, self._entries.get(key))])
            log.warning(
                "a message may arrive twice: the last run ended while it was on its way",
                extra=facts(receiver=key.receiver, group=key.group),
            )

    def find(self, key: Key) -> Entry | None:
        with self._lock:
            return self._entries.get(key)

    def intend(self, key: Key, now: int) -> None:
        """Note that a message is about to go out."""
        self._write([_row(key, self.find(key), telling_since=now)], wait=True)

    def withdraw(self, key: Key) -> None:
        """Note that the message did not go out. Does not wait: at worst a restart warns for nothing."""
        self._write([_row(key, self.find(key))])

    def record(self, key: Key, entry: Entry) -> None:
        """Note what was told."""
        with self._lock:
            self._entries[key] = entry
        self._write([_row(key, entry)], wait=True)

    def tick(self, now: int) -> None:
        """Forget, now and then, what is older than the retention. Never waits for the database."""
        if 0 <= now - self._maintained < MAINTENANCE:
            return
        self._maintained, limit = now, now - self._retention
        with self._lock:
            before = self._entries
            kept = sorted(before.items(), key=lambda each: each[1].told_at)[-MAX_ENTRIES:]
            self._entries = {key: entry for key, entry in kept if entry.told_at > limit}
            gone = before.keys() - self._entries.keys()
        for key in gone:
            self._write([TABLE.remove(_names(key))])

    def _write(self, changes: list[Change], *, wait: bool = False) -> None:
        try:
            written = self._database.write(changes)
            if wait:
                written.result(WRITE_SECONDS)
        except (Overfull, Postponed, FutureTimeout):
            pass  # the database says so; until it is written, a restart may repeat messages


def _names(key: Key) -> dict[str, str]:
    return {"receiver": key.receiver, "destination": key.destination, "group_key": key.group}


def _row(key: Key, entry: Entry | None, telling_since: int | None = None) -> Change:
    """What writes the row of a key; without anything to say, what removes it."""
    if entry is None and telling_since is None:
        return TABLE.remove(_names(key))
    firing, told_at = (b"", None) if entry is None else (_packed(entry.firing), entry.told_at)
    return TABLE.put({**_names(key), "firing": firing, "told_at": told_at, "telling_since": telling_since})


def _packed(fingerprints: Iterable[int]) -> bytes:
    return array("Q", sorted(fingerprints)).tobytes()


def _unpacked(packed: bytes) -> frozenset[int]:
    numbers = array("Q")
    numbers.frombytes(packed)
    return frozenset(numbers)


def _load(database: Database) -> tuple[dict[Key, Entry], list[Key]]:
    entries: dict[Key, Entry] = {}
    interrupted: list[Key] = []
    for row in database.rows(TABLE):
        key = Key(row["receiver"], row["destination"], row["group_key"])
        if row["told_at"] is not None:
            entries[key] = Entry(_unpacked(row["firing"]), row["told_at"])
        if row["telling_since"] is not None:
            interrupted.append(key)
    return entries, interrupted
