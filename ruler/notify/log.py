"""The notification log: what each destination was last told of each group. In SQL, with a copy in memory.

The intent is written before a message goes out and the result after it, so a message that was recorded is never sent
again, and one that a crash interrupted is sent at most once more. A database that cannot be written never stops a
message. One lock guards the copy; it is not held while the database works.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from array import array
from collections.abc import Callable, Iterable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from common.durations import HOUR
from common.logs import facts
from ruler.database import METADATA, Database

RETENTION = 120 * HOUR
MAX_ENTRIES = 200_000
MAINTENANCE = HOUR // 4
WRITE_SECONDS = 5

TABLE = sa.Table(
    "notification_log",
    METADATA,
    sa.Column("receiver", sa.String(255), primary_key=True),
    sa.Column("destination", sa.String(16), primary_key=True),
    sa.Column("group_hash", sa.String(32), primary_key=True),  # group keys are too long for an index
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
        self._entries, interrupted = database.read(_load)
        for key in interrupted:
            log.warning(
                "a message may arrive twice: the last run ended while it was on its way",
                extra=facts(receiver=key.receiver, group=key.group),
            )

    def find(self, key: Key) -> Entry | None:
        with self._lock:
            return self._entries.get(key)

    def intend(self, key: Key, now: int) -> None:
        """Note that a message is about to go out."""

        def write(connection: sa.Connection) -> None:
            if not connection.execute(sa.update(TABLE).where(_is(key)).values(telling_since=now)).rowcount:
                connection.execute(sa.insert(TABLE).values(**_names(key), firing=b"", telling_since=now))

        self._written(write)

    def withdraw(self, key: Key) -> None:
        """Note that the message did not go out. Does not wait: at worst a restart warns for nothing."""
        self._database.submit(
            lambda connection: connection.execute(sa.update(TABLE).where(_is(key)).values(telling_since=None))
        )

    def record(self, key: Key, entry: Entry) -> None:
        """Note what was told."""
        with self._lock:
            self._entries[key] = entry

        def write(connection: sa.Connection) -> None:
            values = {"firing": _packed(entry.firing), "told_at": entry.told_at, "telling_since": None}
            if not connection.execute(sa.update(TABLE).where(_is(key)).values(**values)).rowcount:
                connection.execute(sa.insert(TABLE).values(**_names(key), **values))

        self._written(write)

    def tick(self, now: int) -> None:
        """Forget, now and then, what is older than the retention. Never waits for the database."""
        if 0 <= now - self._maintained < MAINTENANCE:
            return
        self._maintained, limit = now, now - self._retention
        with self._lock:
            kept = sorted(self._entries.items(), key=lambda each: each[1].told_at)[-MAX_ENTRIES:]
            self._entries = {key: entry for key, entry in kept if entry.told_at > limit}
        last = sa.func.coalesce(TABLE.c.telling_since, TABLE.c.told_at, 0)
        self._database.submit(lambda connection: connection.execute(sa.delete(TABLE).where(last <= limit)))

    def _written(self, write: Callable[[sa.Connection], None]) -> None:
        try:
            self._database.submit(write).result(WRITE_SECONDS)
        except (sa.exc.SQLAlchemyError, OSError, FutureTimeout) as error:
            log.error("the notification log cannot be written; a restart may repeat messages", extra=facts(error=error))


def _is(key: Key) -> sa.ColumnElement[bool]:
    return sa.and_(
        TABLE.c.receiver == key.receiver, TABLE.c.destination == key.destination, TABLE.c.group_hash == _hash(key.group)
    )


def _names(key: Key) -> dict[str, str]:
    return {
        "receiver": key.receiver,
        "destination": key.destination,
        "group_hash": _hash(key.group),
        "group_key": key.group,
    }


def _hash(group: str) -> str:
    return hashlib.blake2b(group.encode(), digest_size=16).hexdigest()


def _packed(fingerprints: Iterable[int]) -> bytes:
    return array("Q", sorted(fingerprints)).tobytes()


def _unpacked(packed: bytes) -> frozenset[int]:
    numbers = array("Q")
    numbers.frombytes(packed)
    return frozenset(numbers)


def _load(connection: sa.Connection) -> tuple[dict[Key, Entry], list[Key]]:
    entries: dict[Key, Entry] = {}
    interrupted: list[Key] = []
    for row in connection.execute(sa.select(TABLE)):
        key = Key(row.receiver, row.destination, row.group_key)
        if row.told_at is not None:
            entries[key] = Entry(_unpacked(row.firing), row.told_at)
        if row.telling_since is not None:
            interrupted.append(key)
    return entries, interrupted
