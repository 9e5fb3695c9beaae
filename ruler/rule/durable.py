"""Alert state that survives the ruler: one row for each alert, one for each group's last evaluation.

Written after an evaluation, in one transaction and without waiting, and only where more changed than a value: the next
evaluation brings that anew. After a crash the state is that of the last evaluation committed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from common.labels import Labels
from ruler.database import METADATA, Database
from ruler.rule.identity import RuleIdentity
from ruler.rule.state import ActiveAlert, AlertState

_GROUPS = sa.Table(
    "rule_group",
    METADATA,
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("group_name", sa.Text, primary_key=True),
    sa.Column("evaluated_at", sa.BigInteger, nullable=False),
)

_ALERTS = sa.Table(
    "rule_alert",
    METADATA,
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("group_name", sa.Text, primary_key=True),
    sa.Column("rule_key", sa.Text, primary_key=True),
    sa.Column("alert_key", sa.Text, primary_key=True),
    sa.Column("rule_name", sa.Text, nullable=False),
    sa.Column("rule_labels", sa.Text, nullable=False),
    sa.Column("rule_expr", sa.Text, nullable=False),
    sa.Column("nth", sa.Integer, nullable=False),  # among equal rules of the group
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("annotations", sa.JSON, nullable=False),
    sa.Column("value", sa.Text, nullable=False),  # text: SQLite has no NaN
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("active_at", sa.BigInteger, nullable=False),
    sa.Column("fired_at", sa.BigInteger),
    sa.Column("resolved_at", sa.BigInteger),
    sa.Column("keep_firing_since", sa.BigInteger),
    sa.Column("last_sent_at", sa.BigInteger),
)

_ROW: TypeAlias = dict[str, Any]
Alerts: TypeAlias = Mapping[Labels, ActiveAlert]
RuleAlerts: TypeAlias = tuple[tuple[RuleIdentity, Alerts], ...]


@dataclass(frozen=True, slots=True)
class SavedGroup:
    """A SavedGroup is the alerts of a group's rules as they were after its last evaluation."""

    evaluated_at: int
    rules: RuleAlerts


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an alert belongs: the n-th of equal rules, and its labels."""

    rule: RuleIdentity
    nth: int
    labels: Labels


class GroupStore:
    """A GroupStore keeps the rows of one group like its alerts, one write at a time."""

    def __init__(self, database: Database, file: str, name: str, saved: SavedGroup | None = None) -> None:
        self._database = database
        self._group = {"file": file, "group_name": name}
        self._written = {} if saved is None else _placed(saved.rules)
        self._write: Future[None] | None = None

    def save(self, evaluated_at: int, rules: RuleAlerts) -> None:
        """Write what has changed. While a write is still under way none is queued: the next one covers both."""
        anew = False
        if self._write is not None:
            if not self._write.done():
                return
            anew = self._write.exception() is not None
        alerts = _placed(rules)
        known = {} if anew else self._written
        gone = [place for place in known if place not in alerts]
        changed = [place for place, alert in alerts.items() if not _same(known.get(place), alert)]
        if not alerts and not gone and not anew:
            return
        group = {**self._group, "evaluated_at": evaluated_at}
        outdated = [self._key(place) for place in gone] + [self._key(place) for place in changed if place in known]
        rows = [self._row(place, alerts[place]) for place in changed]
        self._written = alerts

        def write(connection: sa.Connection) -> None:
            if anew:
                connection.execute(_of_group(_ALERTS, self._group))
            if outdated:
                connection.execute(_DELETE_ALERT, outdated)
            if rows:
                connection.execute(sa.insert(_ALERTS), rows)
            connection.execute(_of_group(_GROUPS, self._group))
            connection.execute(sa.insert(_GROUPS), [group])

        self._write = self._database.submit(write)

    def forget(self) -> None:
        """Drop everything of a group that is gone."""

        def write(connection: sa.Connection) -> None:
            connection.execute(_of_group(_ALERTS, self._group))
            connection.execute(_of_group(_GROUPS, self._group))

        self._written = {}
        self._write = self._database.submit(write)

    def _key(self, place: _Place) -> _ROW:
        rule = place.rule
        return {
            **self._group,
            "rule_key": _digest([rule.name, rule.labels, rule.expr, place.nth]),
            "alert_key": _digest(list(place.labels.items())),
        }

    def _row(self, place: _Place, alert: ActiveAlert) -> _ROW:
        return {
            **self._key(place),
            "rule_name": place.rule.name,
            "rule_labels": place.rule.labels,
            "rule_expr": place.rule.expr,
            "nth": place.nth,
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "value": repr(alert.value),
            "state": alert.state.value,
            "active_at": alert.active_at,
            "fired_at": alert.fired_at,
            "resolved_at": alert.resolved_at,
            "keep_firing_since": alert.keep_firing_since,
            "last_sent_at": alert.last_sent_at,
        }


def saved_groups(connection: sa.Connection) -> dict[tuple[str, str], SavedGroup]:
    """All that was saved, by file and name of the group."""
    groups: dict[tuple[str, str], dict[RuleIdentity, list[dict[Labels, ActiveAlert]]]] = defaultdict(dict)
    for row in connection.execute(sa.select(_ALERTS).order_by(_ALERTS.c.nth)):
        rule = RuleIdentity(row.rule_name, row.rule_labels, row.rule_expr)
        labels = Labels(row.labels)
        equals = groups[row.file, row.group_name].setdefault(rule, [])
        while len(equals) <= row.nth:
            equals.append({})
        equals[row.nth][labels] = ActiveAlert(
            labels=labels,
            annotations=Labels(row.annotations),
            value=float(row.value),
            state=AlertState(row.state),
            active_at=row.active_at,
            fired_at=row.fired_at,
            resolved_at=row.resolved_at,
            keep_firing_since=row.keep_firing_since,
            last_sent_at=row.last_sent_at,
        )
    saved: dict[tuple[str, str], SavedGroup] = {}
    for row in connection.execute(sa.select(_GROUPS)):
        rules = groups[row.file, row.group_name].items()
        alerts = tuple((rule, each) for rule, equals in rules for each in equals)
        saved[row.file, row.group_name] = SavedGroup(row.evaluated_at, alerts)
    return saved


def _placed(rules: RuleAlerts) -> dict[_Place, ActiveAlert]:
    count: Counter[RuleIdentity] = Counter()
    placed: dict[_Place, ActiveAlert] = {}
    for rule, alerts in rules:
        nth = count[rule]
        count[rule] += 1
        placed.update((_Place(rule, nth, labels), alert) for labels, alert in alerts.items())
    return placed


def _same(written: ActiveAlert | None, alert: ActiveAlert) -> bool:
    return written is alert or (written is not None and _lasting(written) == _lasting(alert))


def _lasting(alert: ActiveAlert) -> tuple[object, ...]:
    return (
        alert.state, alert.active_at, alert.fired_at,
        alert.resolved_at, alert.keep_firing_since, alert.last_sent_at,
    )  # fmt: skip


def _digest(of: Sequence[object]) -> str:
    return hashlib.blake2b(json.dumps(of).encode(), digest_size=16).hexdigest()


def _of_group(table: sa.Table, group: Mapping[str, str]) -> sa.Delete:
    return sa.delete(table).where(table.c.file == group["file"], table.c.group_name == group["group_name"])


_DELETE_ALERT = sa.delete(_ALERTS).where(
    *(_ALERTS.c[name] == sa.bindparam(name) for name in ("file", "group_name", "rule_key", "alert_key"))
)
