"""Silences: who asked that which alerts be not told, and for how long. A Muter, kept in SQL.

One lock orders the writers; a change is handed to the database before it is published, and published by replacing the
whole state, so that readers take no lock and never see half a change. While the database takes nothing, silences are
taken nonetheless: a full disk is when they are needed.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from enum import StrEnum

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from common.durations import HOUR
from common.errors import TocsinError
from common.labels import Labels
from ruler.database import Database, Overfull, Postponed
from ruler.database.rows import StateTable
from ruler.dispatch.matchers import matches_all
from ruler.dispatch.metrics import SilenceMetrics
from ruler.model.matcher import Matcher, MatchOp

RETENTION = 120 * HOUR
MAX_SILENCES = 10_000
MAX_BYTES = 64 << 10
MAX_REMEMBERED = 50_000  # alerts whose silences are remembered between two changes
WRITE_SECONDS = 10

TABLE = StateTable(
    "silences",
    ("id",),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("matchers", sa.JSON, nullable=False),
    sa.Column("starts_at", sa.BigInteger, nullable=False),
    sa.Column("ends_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("annotations", sa.JSON, nullable=False),
)


class SilenceState(StrEnum):
    """Where a silence stands in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class SilenceError(TocsinError):
    """A silence that is refused."""


class UnknownSilence(SilenceError):  # noqa: N818  (a lookup that found nothing, not a fault)
    """A silence that is not there."""

    def __init__(self) -> None:
        super().__init__("silence not found")


class UnstoredSilence(SilenceError):  # noqa: N818
    """A silence that the database did not take."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"silence not stored: {cause or type(cause).__name__}")


@dataclass(frozen=True, slots=True)
class Silence:
    """A Silence mutes the alerts that fulfil all its matchers, from `starts_at` to `ends_at` (ms)."""

    matchers: tuple[Matcher, ...]
    starts_at: int
    ends_at: int
    created_by: str
    comment: str
    annotations: Labels = field(default_factory=Labels)
    id: str = ""
    updated_at: int = 0

    def state(self, now: int) -> SilenceState:
        if now < self.starts_at:
            return SilenceState.PENDING
        return SilenceState.EXPIRED if now >= self.ends_at else SilenceState.ACTIVE


@dataclass(frozen=True, slots=True)
class _State:
    """All silences at one moment, and what was found out about alerts since then."""

    silences: Mapping[str, Silence]
    asked: tuple[tuple[Silence, tuple[Matcher, ...]], ...]  # matchers, the cheap ones first
    found: dict[Labels, tuple[Silence, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, silences: Mapping[str, Silence]) -> _State:
        return cls(silences, tuple((each, tuple(sorted(each.matchers, key=_cost))) for each in silences.values()))

    def matching(self, labels: Labels) -> tuple[Silence, ...]:
        """The silences, of any state, that an alert with these labels fulfils."""
        found = self.found.get(labels)
        if found is None:
            found = tuple(silence for silence, matchers in self.asked if matches_all(matchers, labels))
            if len(self.found) < MAX_REMEMBERED:
                self.found[labels] = found
        return found


class Silences:
    """Silences are all silences of a ruler: pending, active, and those that ended within the retention."""

    def __init__(
        self,
        database: Database,
        registry: CollectorRegistry,
        *,
        retention: int = RETENTION,
        max_silences: int = MAX_SILENCES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._database = database
        self._retention, self._max_silences, self._max_bytes = retention, max_silences, max_bytes
        self._metrics = SilenceMetrics(registry, [state.value for state in SilenceState])
        self._writing = threading.Lock()
        self._state = _State.of(_load(database))

    def muted_by(self, labels: Labels, now: int) -> tuple[str, ...]:
        """The ids of the active silences for an alert with these labels."""
        state = self._state
        if not state.silences:
            return ()
        return tuple(sorted(each.id for each in state.matching(labels) if each.state(now) is SilenceState.ACTIVE))

    def all(self) -> tuple[Silence, ...]:
        return tuple(self._state.silences.values())

    def get(self, silence_id: str) -> Silence:
        """The silence with this id; raises UnknownSilence."""
        silence = self._state.silences.get(silence_id)
        if silence is None:
            raise UnknownSilence
        return silence

    def set(self, silence: Silence, now: int) -> str:
        """Add a silence, or change the one whose id it has; the id under which it now stands. Raises SilenceError.

        A change that would rewrite what was muted in the past ends the old silence and adds a new one.
        """
        _validate(silence)
        with self._writing:
            silences = self._state.silences
            previous = silences.get(silence.id) if silence.id else None
            if silence.id and previous is None:
                raise UnknownSilence
            if previous is not None and _may_change(previous, silence, now):
                changed = [replace(silence, updated_at=now)]
            else:
                if len(silences) + 1 > self._max_silences:
                    msg = f"exceeded maximum number of silences: {len(silences)} (limit: {self._max_silences})"
                    raise SilenceError(msg)
                starts_at = max(silence.starts_at, now)
                changed = [replace(silence, id=str(uuid.uuid4()), starts_at=starts_at, updated_at=now)]
                if previous is not None and previous.state(now) is not SilenceState.EXPIRED:
                    changed.append(_ended(previous, now))
            size = len(json.dumps(_row(changed[0])))
            if size > self._max_bytes:
                raise SilenceError(f"silence exceeded maximum size: {size} bytes (limit: {self._max_bytes} bytes)")
            self._publish(changed)
            return changed[0].id

    def expire(self, silence_id: str, now: int) -> None:
        """End a silence now; one that has ended stays as it is. Raises UnknownSilence."""
        with self._writing:
            silence = self.get(silence_id)
            if silence.state(now) is not SilenceState.EXPIRED:
                self._publish([_ended(silence, now)])

    def tick(self, now: int) -> None:
        """Forget what ended before the retention, and count the rest. Never waits for the database."""
        counts = dict.fromkeys(SilenceState, 0)
        for silence in self._state.silences.values():
            counts[silence.state(now)] += 1
        self._metrics.count({state.value: count for state, count in counts.items()})
        limit = now - self._retention
        if any(silence.ends_at <= limit for silence in self._state.silences.values()):
            self._forget(limit)

    def _forget(self, limit: int) -> None:
        if not self._writing.acquire(blocking=False):
            return  # a writer waits for the database: next time
        try:
            silences = self._state.silences
            kept = {each.id: each for each in silences.values() if each.ends_at > limit}
            self._database.write(TABLE.remove({"id": each}) for each in silences.keys() - kept.keys())
            self._state = _State.of(kept)
        except Overfull:
            return  # next time
        finally:
            self._writing.release()

    def _publish(self, changed: list[Silence]) -> None:
        """Write, wait until it is written or has to wait, then show it."""
        try:
            self._database.write(TABLE.put(_row(silence)) for silence in changed).result(WRITE_SECONDS)
        except Overfull as error:
            raise UnstoredSilence(error) from None
        except (Postponed, FutureTimeout):
            pass  # the database says so, and writes it as soon as it can
        self._state = _State.of({**self._state.silences, **{silence.id: silence for silence in changed}})


def _cost(matcher: Matcher) -> bool:
    return matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX)


def _may_change(old: Silence, new: Silence, now: int) -> bool:
    """Whether `old` can become `new` without changing what was muted before now (silence.go canUpdate)."""
    if old.matchers != new.matchers:
        return False
    match old.state(now):
        case SilenceState.ACTIVE:
            return new.starts_at // 1000 == old.starts_at // 1000 and new.ends_at >= now
        case SilenceState.PENDING:
            return new.starts_at >= now
        case SilenceState.EXPIRED:
            return False


def _ended(silence: Silence, now: int) -> Silence:
    return replace(silence, starts_at=min(silence.starts_at, now), ends_at=now, updated_at=now)


def _validate(silence: Silence) -> None:
    if not silence.matchers:
        raise SilenceError("invalid silence: matcher set 0: at least one matcher required")
    for index, matcher in enumerate(silence.matchers):
        if not matcher.name:
            raise SilenceError(f'invalid silence: invalid label matcher {index} in set 0: invalid label name ""')
    if all(matcher.op in (MatchOp.EQUAL, MatchOp.REGEX) and matcher.matches_empty for matcher in silence.matchers):
        raise SilenceError("invalid silence: matcher set 0: at least one matcher must not match the empty string")
    if silence.ends_at < silence.starts_at:
        raise SilenceError("invalid silence: end time must not be before start time")


def _row(silence: Silence) -> dict[str, object]:
    return {
        "id": silence.id,
        "matchers": [[each.name, each.op.value, each.value] for each in silence.matchers],
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "updated_at": silence.updated_at,
        "created_by": silence.created_by,
        "comment": silence.comment,
        "annotations": dict(silence.annotations),
    }


def _load(database: Database) -> dict[str, Silence]:
    return {
        row["id"]: Silence(
            matchers=tuple(Matcher(name, MatchOp(op), value) for name, op, value in row["matchers"]),
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
            created_by=row["created_by"],
            comment=row["comment"],
            annotations=Labels(row["annotations"]),
            id=row["id"],
            updated_at=row["updated_at"],
        )
        for row in database.rows(TABLE)
    }
