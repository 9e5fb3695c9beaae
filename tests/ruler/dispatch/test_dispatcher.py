"""The clocks of alert groups, in the words of Alertmanager's own acceptance tests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from tests.ruler.dispatch.conftest import World, alert_of, routes_of

ROUTE = """
receiver: a
group_by: [alertname]
group_wait: 1s
group_interval: 10s
repeat_interval: 60s
"""


def test_first_notification_waits_for_the_group(world):
    """A new group speaks group_wait after its first alert, with all that came by then."""
    street = world(ROUTE)
    street.at(1).firing("disk", x="1")
    street.at(1.5).firing("disk", x="2")
    street.between(2, 2.5).want("a", firing="1 2")
    street.run(5)


def test_change_waits_for_the_interval(world):
    """What joins a group that has spoken is told group_interval after it spoke."""
    street = world(ROUTE)
    street.at(1).firing("disk", x="1")
    street.at(4).firing("disk", x="2")
    street.between(2, 2.5).want("a", firing="1")
    street.between(12, 12.5).want("a", firing="1 2")
    street.run(15)


def test_old_alert_is_told_at_once(world):
    """An alert that has fired for longer than group_wait does not wait again (a restart, a reload)."""
    street = world(ROUTE)
    street.at(100).firing("disk", since=1, x="1")
    street.between(100, 100.5).want("a", firing="1")
    street.run(105)


def test_resolved_leaves_after_it_was_told(world):
    """A resolved alert is told once, then its group is empty and silent."""
    street = world(ROUTE)
    street.at(1).firing("disk", x="1")
    street.at(5).resolved("disk", since=1, x="1")
    street.between(2, 2.5).want("a", firing="1")
    street.between(12, 12.5).want("a", resolved="1")
    street.run(60)
    assert () == street.dispatcher.groups()


def test_resolved_stays_while_it_was_not_told(world):
    """A resolved alert that could not be delivered is handed over again at the next interval."""
    street = world(ROUTE)
    street.fails = lambda notification: notification.now < 20_000
    street.at(1).firing("disk", x="1")
    street.at(5).resolved("disk", since=1, x="1")
    street.between(2, 2.5).want("a", firing="1")
    street.between(12, 12.5).want("a", resolved="1")
    street.between(22, 22.5).want("a", resolved="1")
    street.run(50)


def test_resolved_that_fires_again_meanwhile_stays(world):
    """A resolved alert that fired again before its delivery ended is not taken out of the group."""
    street = world(ROUTE)
    street.fails = lambda notification: None if notification.now > 10_000 else False
    street.at(1).firing("disk", x="1")
    street.at(5).resolved("disk", since=1, x="1")
    street.at(13).firing("disk", x="1")
    street.at(14).does(lambda _now: street.pending[0].set_result(True))
    street.between(2, 2.5).want("a", firing="1")
    street.between(12, 12.5).want("a", resolved="1")
    street.between(22, 22.5).want("a", firing="1")
    street.run(30)


def test_a_group_never_has_two_deliveries_under_way(world):
    """While a delivery is under way, the group's next flush waits for it."""
    street = world(ROUTE)
    street.fails = lambda _notification: None
    street.at(1).firing("disk", x="1")
    street.at(25).does(lambda _now: street.pending[0].set_result(False))
    street.between(2, 2.5).want("a", firing="1")
    street.between(25, 25.5).want("a", firing="1")
    street.run(30)


def test_alert_without_an_end_resolves_by_itself(world):
    """An alert posted without endsAt fires until resolve_timeout (5m) after it was last posted."""
    street = world(ROUTE.replace("10s", "100s"))
    street.at(1).posted("disk", x="1")
    street.at(150).posted("disk", x="1")
    for start in (2, 102, 202, 302, 402):
        street.between(start, start + 0.5).want("a", firing="1")
    street.between(502, 502.5).want("a", resolved="1")
    street.run(620)
    assert 1_000 == street.handed[-1].alerts[0].starts_at


def test_alert_goes_to_every_route_that_takes_it(world):
    """With `continue`, one alert is in a group of each route, each with its own clock."""
    street = world(
        ROUTE
        + """
routes:
- {receiver: b, matchers: ['x="1"'], continue: true, group_wait: 3s}
- {receiver: c, matchers: ['x=~"1|2"'], group_by: ['...']}
"""
    )
    street.at(1).firing("disk", x="1")
    street.at(1).firing("disk", x="3")
    street.between(2, 2.5).want("c", firing="1").want("a", firing="3")
    street.between(4, 4.5).want("b", firing="1")
    street.run(6)


def test_reload_keeps_the_clock_of_an_unchanged_route(world):
    """After a reload, a group whose route is as before speaks when it would have spoken anyway."""
    street = world(ROUTE + "routes: [{receiver: b, matchers: ['x=\"2\"']}]")
    street.at(1).firing("disk", x="1")
    street.at(1).firing("disk", x="2")
    street.at(5).routes(ROUTE + "routes: [{receiver: c, matchers: ['x=\"2\"']}]")
    street.between(2, 2.5).want("a", firing="1").want("b", firing="2")
    street.between(5, 5.5).want("c", firing="2")
    street.between(12, 12.5).want("a", firing="1")
    street.run(14)


def test_reload_does_not_bring_back_what_was_told_resolved(world):
    """A reload right after a resolved alert was told does not tell it again."""
    street = world(ROUTE)
    street.at(1).firing("disk", x="1")
    street.at(1).firing("disk", x="2")
    street.at(5).resolved("disk", since=1, x="1")
    street.at(14).routes(ROUTE + "routes: [{receiver: b, matchers: ['x=\"9\"']}]")
    street.between(2, 2.5).want("a", firing="1 2")
    street.between(12, 12.5).want("a", firing="2", resolved="1")
    street.between(22, 22.5).want("a", firing="2")
    street.run(25)


def test_clock_stepping_back_does_not_silence_a_group():
    """When the wall clock is set back by hours, a group speaks within its interval all the same."""
    world = World(ROUTE)
    world.dispatcher.send([alert_of("disk", 9_000_000, 99_000_000, 9_000_000)])
    for now in (9_000_000, 9_001_000):
        world.dispatcher.tick(now)
    for now in range(1_000, 13_000, 500):
        world.dispatcher.tick(now)
    assert [9001.0, 11.0] == [told.at for told in world.told]


def test_the_newest_of_an_alert_counts(world):
    """Of two messages about one alert that wait together, the newer wins, in whichever order they came."""
    street = world(ROUTE)
    new = alert_of("disk", 0, 50_000, 3_000, x="1")
    old = alert_of("disk", 0, 10, 2_000, x="1")
    street.at(3).does(lambda _now: street.dispatcher.send([new, old]))
    street.between(3, 3.5).want("a", firing="1")
    street.run(5)


def test_overlapping_spans_of_an_alert_are_one(world):
    """An alert sent again with a later start, while it still fires, keeps its first start."""
    street = world(ROUTE)
    street.at(1).firing("disk", lasts=60, x="1")
    street.at(5).firing("disk", since=4, lasts=60, x="1")
    street.between(2, 2.5).want("a", firing="1")
    street.between(12, 12.5).want("a", firing="1")
    street.run(15)
    assert (1_000, 65_000) == (street.handed[1].alerts[0].starts_at, street.handed[1].alerts[0].ends_at)


def test_overflow_is_counted_and_known_alerts_still_change():
    """When too many different alerts wait, new ones are dropped and counted; those that wait can still resolve."""
    registry = CollectorRegistry()
    world = World(ROUTE)
    dispatcher = type(world.dispatcher)(routes_of(ROUTE), world._notify, registry, max_alerts=2)
    dispatcher.send([alert_of("disk", 0, 90_000, 1, x=str(number)) for number in range(5)])
    dispatcher.send([alert_of("disk", 0, 2, 2, x="0")])
    dispatcher.tick(2_000)
    assert 3 == registry.get_sample_value("tocsin_dispatcher_alerts_dropped_total")
    assert [("1",), ("0",)] == [world.told[0].firing, world.told[0].resolved]


def test_groups_are_bounded():
    """Alerts beyond the limit of groups are counted, as Alertmanager counts them."""
    registry = CollectorRegistry()
    world = World(ROUTE)
    dispatcher = type(world.dispatcher)(routes_of(ROUTE), world._notify, registry, max_groups=1)
    dispatcher.send([alert_of("disk", 0, 90_000, 1), alert_of("cpu", 0, 90_000, 1)])
    dispatcher.tick(2_000)
    name = "alertmanager_dispatcher_aggregation_group_limit_reached_total"
    assert (1, 1) == (registry.get_sample_value(name), len(dispatcher.groups()))


def test_alerts_are_counted_by_state(world):
    """alertmanager_alerts has what fires, and how much of it is silenced."""

    class Muted:
        def muted_by(self, labels, now):
            return ("id",) if labels.get("x") == "1" else ()

    street = world(ROUTE)
    registry = CollectorRegistry()
    dispatcher = type(street.dispatcher)(routes_of(ROUTE), street._notify, registry, muters=[Muted()])
    dispatcher.send([alert_of("disk", 0, 900_000, 1, x=str(number)) for number in range(3)])
    dispatcher.tick(60_000)
    states = [registry.get_sample_value("alertmanager_alerts", {"state": state}) for state in ("active", "suppressed")]
    assert [2, 1] == states


def test_timeout_lasts_until_the_group_speaks_again(world):
    """A delivery may take until the next flush, and never less than ten seconds."""
    street = world(ROUTE.replace("group_interval: 10s", "group_interval: 2s"))
    street.at(1).firing("disk", x="1")
    street.between(2, 2.5).want("a", firing="1")
    street.run(3)
    assert 10_000 == street.handed[0].timeout


@settings(max_examples=60, deadline=None)
@given(
    wait=st.integers(0, 8),
    interval=st.integers(1, 12),
    births=st.lists(st.integers(0, 80), min_size=1, max_size=6),
)
def test_group_timers(wait, interval, births):
    """Whenever alerts come, a group first speaks group_wait after the first, then once every group_interval."""
    world = World(f"{{receiver: a, group_wait: {wait}s, group_interval: {interval}s}}")
    for number, birth in enumerate(births):
        world.at(birth).firing("disk", x=str(number))
    for now in range(0, 100_001, 500):
        for time, action in world._script:
            if now - 500 < time <= now:
                action(now)
        world.dispatcher.tick(now)
    first = min(births) + wait
    assert [float(at) for at in range(first, 101, interval)] == [told.at for told in world.told]
    for told in world.told:
        assert sum(1 for birth in births if birth <= told.at) == len(told.firing)


@pytest.mark.parametrize("count", [10_000])
def test_ten_thousand_alerts_at_once(count):
    """Ten thousand alerts of one group make one notification."""
    world = World(ROUTE)
    world.dispatcher.send([alert_of("disk", 0, 900_000, 1, x=f"{number:05}") for number in range(count)])
    world.dispatcher.tick(60_000)
    assert [count] == [len(told.firing) for told in world.told]
