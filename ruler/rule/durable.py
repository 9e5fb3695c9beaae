"""Alert state that survives the ruler: one row for each alert, one for each group's last evaluation.

Written after an evaluation, in one transaction and without waiting, and only where more changed than a value: the next
evaluation brings that anew. After a crash the state is that of the last evaluation committed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import sqlalchemy as sa

from common.labels import Labels
from ruler.database import Database, Overfull
from ruler.database.rows import Row, StateTable
from ruler.rule.identity import RuleIdentity
from ruler.rule.state import ActiveAlert, AlertState

_GROUPS = StateTable(
    "rule_group",
    ("file", "group_name"),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("group_name", sa.Text, nullable=False),
    sa.Column("evaluated_at", sa.BigInteger, nullable=False),
)

_ALERTS = StateTable(
    "rule_alert",
    ("file", "group_name", "rule_name", "rule_labels", "rule_expr", "nth", "labels"),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("group_name", sa.Text, nullable=False),
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
    """A GroupStore keeps the rows of one group like its alerts."""

    def __init__(self, database: Database, file: str, name: str, saved: SavedGroup | None = None) -> None:
        self._database = database
        self._group = {"file": file, "group_name": name}
        self._written = {} if saved is None else _placed(saved.rules)

    def save(self, evaluated_at: int, rules: RuleAlerts) -> None:
        """Have written what has changed; what is refused for want of room is part of the next evaluation's change."""
        alerts, known = _placed(rules), self._written
        gone = [place for place in known if place not in alerts]
        changed = [place for place, alert in alerts.items() if not _same(known.get(place), alert)]
        if not alerts and not gone:
            return
        changes = [_ALERTS.remove(self._key(place)) for place in gone]
        changes += [_ALERTS.put(self._row(place, alerts[place])) for place in changed]
        changes.append(_GROUPS.put({**self._group, "evaluated_at": evaluated_at}))
        try:
            self._database.write(changes)
        except Overfull:  # which the database has counted
            return
        self._written = alerts

    def forget(self) -> None:
        """Drop everything of a group that is gone."""
        changes = [_ALERTS.remove(self._key(place)) for place in self._written]
        try:
            self._database.write([*changes, _GROUPS.remove(self._group)])
        except Overfull:  # the next start finds the group gone again
            return
        self._written = {}

    def _key(self, place: _Place) -> Row:
        rule = place.rule
        return {
            **self._group,
            "rule_name": rule.name,
            "rule_labels": rule.labels,
            "rule_expr": rule.expr,
            "nth": place.nth,
            "labels": dict(place.labels),
        }

    def _row(self, place: _Place, alert: ActiveAlert) -> Row:
        return {
            **self._key(place),
            "annotations": dict(alert.annotations),
            "value": repr(alert.value),
            "state": alert.state.value,
            "active_at": alert.active_at,
            "fired_at": alert.fired_at,
            "resolved_at": alert.resolved_at,
            "keep_firing_since": alert.keep_firing_since,
            "last_sent_at": alert.last_sent_at,
        }


def saved_groups(database: Database) -> dict[tuple[str, str], SavedGroup]:
    """All that was saved, by file and name of the group."""
    groups: dict[tuple[str, str], dict[RuleIdentity, list[dict[Labels, ActiveAlert]]]] = defaultdict(dict)
    for row in sorted(database.rows(_ALERTS), key=lambda row: row["nth"]):
        rule = RuleIdentity(row["rule_name"], row["rule_labels"], row["rule_expr"])
        labels = Labels(row["labels"])
        equals = groups[row["file"], row["group_name"]].setdefault(rule, [])
        while len(equals) <= row["nth"]:
            equals.append({})
        equals[row["nth"]][labels] = ActiveAlert(
            labels=labels,
            annotations=Labels(row["annotations"]),
            value=float(row["value"]),
            state=AlertState(row["state"]),
            active_at=row["active_at"],
            fired_at=row["fired_at"],
            resolved_at=row["resolved_at"],
            keep_firing_since=row["keep_firing_since"],
            last_sent_at=row["last_sent_at"],
        )
    evaluated = {(row["file"], row["group_name"]): row["evaluated_at"] for row in database.rows(_GROUPS)}
    saved: dict[tuple[str, str], SavedGroup] = {}
    for group in evaluated.keys() | groups.keys():
        alerts = tuple((rule, each) for rule, equals in groups[group].items() for each in equals)
        last = evaluated.get(group)  # its row alone can be lost to damage
        saved[group] = SavedGroup(_last_sign(alerts) if last is None else last, alerts)
    return saved


def _last_sign(rules: RuleAlerts) -> int:
    """The latest time at which an evaluation certainly took place."""
    alerts = [alert for _, each in rules for alert in each.values()]
    times = [(alert.active_at, alert.fired_at, alert.resolved_at, alert.last_sent_at) for alert in alerts]
    return max(time for each in times for time in each if time is not None)


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
