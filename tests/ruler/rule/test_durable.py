"""The laws of alert state in the database."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.labels import Labels
from ruler.database import Database
from ruler.rule.durable import _GROUPS, GroupStore, RuleAlerts, SavedGroup, saved_groups
from ruler.rule.identity import RuleIdentity
from ruler.rule.state import ActiveAlert, AlertState

HOT, COLD = RuleIdentity("hot", "{}", "1"), RuleIdentity("cold", "{}", "2")
TIMES = st.none() | st.integers(0, 1 << 50)
ALERTS = st.builds(
    ActiveAlert,
    labels=st.dictionaries(st.sampled_from("abc"), st.text(max_size=3)).map(Labels),
    annotations=st.dictionaries(st.text(max_size=3), st.text(max_size=3)).map(Labels),
    value=st.floats(allow_nan=False),
    state=st.sampled_from([AlertState.PENDING, AlertState.FIRING, AlertState.INACTIVE]),
    active_at=st.integers(0, 1 << 50),
    fired_at=TIMES,
    resolved_at=TIMES,
    keep_firing_since=TIMES,
    last_sent_at=TIMES,
)
RULES = st.lists(
    st.tuples(st.sampled_from([HOT, COLD]), st.lists(ALERTS, max_size=3).map(lambda each: {a.labels: a for a in each})),
    max_size=4,
).map(tuple)


def with_alerts(rules: RuleAlerts) -> dict[RuleIdentity, list[dict[Labels, ActiveAlert]]]:
    """The alerts of each rule, equal rules in order, without the empty ones at the end."""
    found: dict[RuleIdentity, list[dict[Labels, ActiveAlert]]] = {}
    for rule, alerts in rules:
        found.setdefault(rule, []).append(dict(alerts))
    for each in found.values():
        while each and not each[-1]:
            each.pop()
    return {rule: each for rule, each in found.items() if each}


def without_values(rules: RuleAlerts) -> RuleAlerts:
    """The alerts less what is not worth a write of its own."""
    return tuple(
        (rule, {labels: replace(alert, value=0.0, annotations=Labels()) for labels, alert in alerts.items()})
        for rule, alerts in rules
    )


def active(state: AlertState = AlertState.PENDING, value: float = 1.0, **labels: str) -> ActiveAlert:
    return ActiveAlert(Labels(labels), Labels(), value, state, 1)


def of(*alerts: ActiveAlert) -> RuleAlerts:
    return ((HOT, {alert.labels: alert for alert in alerts}),)


@settings(max_examples=50, deadline=None)
@given(first=RULES, second=RULES)
def test_what_is_saved_is_restored(first: RuleAlerts, second: RuleAlerts) -> None:
    """Restoring gives every alert that was saved, whole; after a further save, those of that one."""
    with closing(Database(None)) as database:
        check_what_is_saved_is_restored(database, first, second)


def check_what_is_saved_is_restored(database: Database, first: RuleAlerts, second: RuleAlerts) -> None:
    store = GroupStore(database, "f.yml", "g")
    nothing = SavedGroup(0, ())
    store.save(1, first)
    assert with_alerts(first) == with_alerts(saved_groups(database).get(("f.yml", "g"), nothing).rules)
    store.save(2, second)
    restored = saved_groups(database).get(("f.yml", "g"), nothing).rules
    assert with_alerts(without_values(second)) == with_alerts(without_values(restored))
    store.forget()
    assert {} == saved_groups(database)


def test_a_value_that_is_no_number_survives(database: Database) -> None:
    """NaN and the infinities are restored as such."""
    values = [math.nan, math.inf, -math.inf]
    GroupStore(database, "f", "g").save(1, of(*(active(value=each, n=repr(each)) for each in values)))
    restored = saved_groups(database)["f", "g"].rules[0][1]
    assert [repr(each) for each in values] == [repr(restored[Labels({"n": repr(each)})].value) for each in values]


def test_saving_goes_on_from_what_was_restored(database: Database) -> None:
    """A store that starts from restored alerts removes those that are gone since, of whichever equal rule."""
    alert = active(a="1")
    GroupStore(database, "f", "g").save(1, ((HOT, {}), (HOT, {alert.labels: alert}), (COLD, {alert.labels: alert})))
    restored = saved_groups(database)["f", "g"]
    GroupStore(database, "f", "g", restored).save(2, ((HOT, {}), (HOT, {}), (COLD, {alert.labels: alert})))
    assert {COLD: [{alert.labels: alert}]} == with_alerts(saved_groups(database)["f", "g"].rules)


def test_a_quiet_group_writes_nothing(database: Database) -> None:
    """A group without alerts, before as now, leaves the database alone."""
    GroupStore(database, "f", "g").save(1, of())
    assert {} == saved_groups(database)


def test_a_new_value_alone_is_not_written(database: Database) -> None:
    """When only the value moved, the time of the evaluation is saved and the alert's row stays as it is."""
    store = GroupStore(database, "f", "g")
    store.save(1, of(active(value=1.0)))
    store.save(2, of(active(value=2.0)))
    restored = saved_groups(database)["f", "g"]
    assert (2, [active(value=1.0)]) == (restored.evaluated_at, list(restored.rules[0][1].values()))


def test_what_is_refused_is_made_up_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a save that found no room, the next one writes what that should have written."""
    store = GroupStore(database, "f", "g")
    store.save(1, of(active(a="1"), active(a="2")))
    with monkeypatch.context() as full:
        full.setattr("ruler.database.database.MAX_WAITING", -1)
        store.save(2, of(active(a="2"), active(a="3")))
        store.forget()
    final = of(active(a="2"), replace(active(a="3"), fired_at=7))
    store.save(3, final)
    assert with_alerts(final) == with_alerts(saved_groups(database)["f", "g"].rules)


def test_alerts_whose_group_was_lost_are_restored(database: Database) -> None:
    """Without its row, a group's last evaluation is the last that its alerts know of."""
    GroupStore(database, "f", "g").save(9, of(replace(active(a="1"), fired_at=5), active(a="2")))
    database.write([_GROUPS.remove({"file": "f", "group_name": "g"})]).result()
    assert (5, 2) == (saved_groups(database)["f", "g"].evaluated_at, len(saved_groups(database)["f", "g"].rules[0][1]))


def test_groups_do_not_mix(database: Database) -> None:
    """Two groups with the same rules and alerts are saved apart."""
    stores = {(file, name): GroupStore(database, file, name) for file, name in (("f", "g"), ("f", "h"), ("e", "g"))}
    for (file, name), store in stores.items():
        store.save(1, of(active(a=file + name)))
    stores["f", "g"].forget()
    assert {("f", "h"), ("e", "g")} == saved_groups(database).keys()
