"""The laws of restarts: alert state survives whole, and the time without evaluations counts for nothing."""

from __future__ import annotations

from common.durations import MINUTE
from tests.ruler.rule.street import Street

HOT = """
groups:
  - name: g
    rules:
      - alert: Hot
        expr: temperature > 50
        for: 3m
        keep_firing_for: 2m
        labels: {severity: page}
        annotations: {summary: hot}
"""
COLD = HOT.replace("Hot", "Cold").replace("> 50", "< 0")


def until_firing(street: Street) -> Street:
    """An alert that became pending at tick 1 and fired at tick 4, which the sink has heard."""
    for tick in (1, 2, 3, 4):
        street.at(tick).push("temperature", 60, instance="a").tick()
    assert ({"a": "firing"}, 1) == (street.alerts("Hot"), len(street.sent()))
    return street


def test_a_pending_alert_goes_on_waiting(street: Street) -> None:
    """After a restart, a pending alert needs as many more evaluations as it needed before, however long it took."""
    street.rules(HOT)
    street.at(1).push("temperature", 60, instance="a").tick().at(2).tick()
    street.at(60).restart().rules(HOT)
    assert ("pending", {"a": "pending"}) == (street.rule("Hot").state, street.alerts("Hot"))
    street.at(61).push("temperature", 60, instance="a").tick()
    (alert,) = street.rule("Hot").alerts
    assert ("pending", street.tick_time(60)) == (alert.state, alert.active_at)
    street.at(62).push("temperature", 60, instance="a").tick()
    assert {"a": "pending"} == street.alerts("Hot")
    street.at(63).push("temperature", 60, instance="a").tick()
    assert {"a": "firing"} == street.alerts("Hot")


def test_a_firing_alert_stays_firing(street: Street) -> None:
    """After a restart, a firing alert fires on without a new wait; it is told again with the start that it had."""
    until_firing(street.rules(HOT))
    street.at(30).restart().rules(HOT)
    assert {"a": "firing"} == street.alerts("Hot")
    street.at(31).push("temperature", 60, instance="a").tick()
    street.at(32).push("temperature", 60, instance="a").tick()
    expected = ("Hot", "a", street.tick_time(4), street.tick_time(31) + 4 * MINUTE)
    assert [expected] == street.sent()
    assert street.tick_time(1) == street.rule("Hot").alerts[0].active_at


def test_an_alert_is_not_resolved_for_want_of_data(street: Street) -> None:
    """While its data has not come back after a restart, a firing alert fires on; it ends if the data stays away."""
    until_firing(street.rules(HOT))
    street.at(30).restart().rules(HOT)
    street.at(31).push("temperature", None, instance="a").tick().at(32).tick()
    assert {"a": "firing"} == street.alerts("Hot")
    for tick in (33, 34):
        street.at(tick).tick()
    assert "firing" == street.rule("Hot").state  # keep_firing_for has begun
    street.at(35).tick()
    assert "inactive" == street.rule("Hot").state


def test_keep_firing_goes_on(street: Street) -> None:
    """An alert that fires on only because of keep_firing_for still ends when that is over."""
    until_firing(street.rules(HOT))
    street.at(5).push("temperature", 1, instance="a").tick()
    since = street.rule("Hot").alerts[0].keep_firing_since
    street.restart().rules(HOT)
    assert street.tick_time(5) == since == street.rule("Hot").alerts[0].keep_firing_since
    for tick in (6, 7):
        street.at(tick).tick()
        assert {"a": "firing"} == street.alerts("Hot")
    street.at(8).tick()
    assert {} == street.alerts("Hot")


def test_a_resolution_that_nobody_heard_is_sent(street: Street) -> None:
    """A resolved alert is sent again after a restart, as long as it is retained."""
    until_firing(street.rules(HOT.replace("keep_firing_for: 2m", "keep_firing_for: 0s")))
    street.at(5).push("temperature", 1, instance="a").tick()
    ended = street.sent()
    street.restart().rules(HOT)
    street.at(6).tick()
    assert [("Hot", "a", street.tick_time(4), street.tick_time(5))] == ended == street.sent()


def test_an_alert_whose_rule_is_gone_is_resolved(street: Street) -> None:
    """An alert whose rule or group was removed while the ruler was down is over, once, and forgotten."""
    both = HOT + COLD.replace("name: g", "name: h").partition("groups:\n")[2]
    street.rules(both)
    for tick in (1, 2, 3, 4, 5):
        street.at(tick).push("temperature", 60, instance="a").push("temperature", -1, instance="b").tick()
    street.sent()
    street.at(6).restart().rules(HOT.replace("alert: Hot", "alert: Other"))
    assert [("Cold", "b")] == [sent[:2] for sent in street.sent()]
    street.at(7).tick()
    assert [("Hot", "a")] == [sent[:2] for sent in street.sent()]
    street.restart().rules(HOT).at(8).tick()
    assert ([], {"a": "pending"}) == (street.sent(), street.alerts("Hot"))


def test_an_edited_expression_keeps_its_alerts(street: Street) -> None:
    """A rule whose expression was edited while the ruler was down goes on with its alerts."""
    until_firing(street.rules(HOT)).restart().rules(HOT.replace("> 50", "> 40"))
    street.at(5).push("temperature", 45, instance="a").tick()
    assert {"a": "firing"} == street.alerts("Hot")


def test_a_crash_costs_one_evaluation_at_most(street: Street) -> None:
    """What one evaluation has committed is there after a crash: nothing is written at the end of a life."""
    until_firing(street.rules(HOT))
    street.crash().rules(HOT)
    (alert,) = street.rule("Hot").alerts
    assert ("firing", street.tick_time(4), 60.0) == (alert.state, alert.fired_at, alert.value)


def test_a_pause_does_not_count_towards_the_hold(street: Street) -> None:
    """Time in which the process stood still does not make a pending alert fire."""
    street.rules(HOT)
    street.at(1).push("temperature", 60, instance="a").tick()
    street.at(61).push("temperature", 60, instance="a").tick()
    street.at(62).push("temperature", 60, instance="a").tick()
    assert {"a": "pending"} == street.alerts("Hot")
    street.at(63).push("temperature", 60, instance="a").tick()
    assert {"a": "firing"} == street.alerts("Hot")
