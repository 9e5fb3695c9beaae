"""The laws of reloading rules."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

import pytest

from common.errors import ConfigError
from ruler.loop import EventLoop
from ruler.rule.config import load_rules
from ruler.rule.manager import RuleManager
from tests.ruler.rule.street import Street

RULES = """
groups:
  - name: g
    rules:
      - {alert: Hot, expr: temperature > 50}
      - {record: double, expr: 2 * temperature}
"""


def running(street: Street, rules: str = RULES) -> Street:
    street.rules(rules)
    street.at(1).push("temperature", 60, instance="a").tick()
    assert [("Hot", "a")] == [sent[:2] for sent in street.sent()]
    return street


def test_an_unchanged_group_is_not_touched(street: Street) -> None:
    """A group that a reload does not change keeps its state, its health and its ticks."""
    before = running(street).group()
    assert before is street.rules(RULES).group()
    street.at(2).tick()
    assert 2.0 == street.metric("group_iterations_total", rule_group=street.key())


def test_a_changed_group_keeps_the_alerts_of_equal_rules(street: Street) -> None:
    """A rule that a reload leaves in a changed group goes on with its alerts, to be seen at once."""
    running(street).rules(RULES.replace("2 * temperature", "3 * temperature"))
    assert {"a": "firing"} == street.alerts("Hot")
    street.at(2).push("temperature", 60, instance="a").tick()
    assert ([], street.tick_time(1)) == (street.sent(), street.rule("Hot").alerts[0].fired_at)
    assert {'double{instance="a"}': 180.0} == street.shows("double")


def test_a_changed_label_makes_another_rule(street: Street) -> None:
    """A rule with other labels is another rule: the old one's alerts are over."""
    running(street).rules(RULES.replace("expr: temperature > 50", "expr: temperature > 50, labels: {x: y}"))
    street.at(2).push("temperature", 60, instance="a").tick()
    old, new = sorted(street.sent(), key=lambda sent: sent[3])
    assert (street.tick_time(2), street.tick_time(2)) == (old[3], new[2])


def test_series_of_a_removed_rule_end(street: Street) -> None:
    """After a reload without a rule, the series that it recorded end with the group's next evaluation."""
    running(street).rules(RULES.replace("record: double", "record: twice"))
    street.at(2).push("temperature", 60, instance="a").tick()
    assert ({}, ['twice{instance="a"}']) == (street.shows("double"), list(street.shows("twice")))


def test_a_removed_group_ends(street: Street) -> None:
    """A removed group is evaluated no more; after two intervals its series end and its alerts are over."""
    running(street).rules("groups: []")
    assert () == street.manager.groups()
    street.at(2).tick()
    assert ([], ['double{instance="a"}']) == (street.sent(), list(street.shows("double")))
    street.at(3).tick()
    assert [("Hot", "a", street.tick_time(1), street.tick_time(3))] == street.sent()
    assert ({}, {}) == (street.shows("double"), street.shows("ALERTS"))
    assert None is street.metric("group_rules", rule_group=street.key())
    street.at(4).restart().rules(RULES).tick()
    assert {} == street.alerts("Hot")


def test_a_group_that_moved_goes_on_with_its_series(street: Street) -> None:
    """Series that another group writes by then do not end with the group that wrote them before."""
    running(street).rules(RULES.replace("name: g", "name: moved"))
    for tick in (2, 3, 4):
        street.at(tick).push("temperature", 60, instance="a").tick()
        street.clock.advance(59_000)
        street.tick()
    assert ['double{instance="a"}'] == list(street.shows("double"))
    assert {"a": "firing"} == street.alerts("Hot")
    assert [] == [sent for sent in street.sent() if sent[3] <= street.clock.now()]


def test_a_group_that_comes_back_goes_on(street: Street) -> None:
    """A group that was removed by mistake and put back goes on where it was."""
    running(street).rules("groups: []")
    street.at(2).tick().rules(RULES)
    assert {"a": "firing"} == street.alerts("Hot")
    street.at(3).push("temperature", 60, instance="a").tick()
    street.at(4).push("temperature", 60, instance="a").tick()
    assert {street.tick_time(1)} == {sent[2] for sent in street.sent()}


def test_a_reload_while_a_group_runs(street: Street) -> None:
    """A group that is replaced while it runs hands over when it is done, and is not evaluated any further."""
    running(street)
    street.pool.hold()
    street.at(2).push("temperature", 70, instance="a").tick()
    street.rules(RULES.replace("2 * temperature", "3 * temperature"))
    street.pool.release()
    assert {"a": "firing"} == street.alerts("Hot")
    street.at(3).push("temperature", 60, instance="a").tick()
    assert {'double{instance="a"}': 180.0} == street.shows("double")


def test_loading_changes_nothing(street: Street) -> None:
    """Until they are applied, loaded rules have no effect; a bad file leaves everything as it is."""
    before = running(street).manager.groups()
    street.manager.load((), interval=1000)
    with pytest.raises(ConfigError, match="one of 'record' or 'alert' must be set"):
        street.rules("groups: [{name: g, rules: [{expr: up}]}]")
    assert before == street.manager.groups()


def test_new_external_labels_reach_the_alerts(street: Street) -> None:
    """A change of the external labels alone reaches the alerts that are sent."""
    running(street).rules(RULES, site="north")
    street.at(2).push("temperature", 60, instance="a").tick()
    street.at(3).push("temperature", 60, instance="a").tick()
    assert {"north"} == {alert.labels["site"] for alert in street.sink.take()}


def all_done(pool: ThreadPoolExecutor, workers: int) -> None:
    """Wait until all that the pool was given before is done: its workers meet behind it."""
    meeting = threading.Barrier(workers)
    wait([pool.submit(meeting.wait, 10) for _ in range(workers)])


def test_evaluation_in_a_pool_with_a_writer_thread(street: Street, tmp_path: Path) -> None:
    """Groups are evaluated in pool threads while ticks, reloads and writes go on in the writer thread."""
    writer, pool = EventLoop("writer"), ThreadPoolExecutor(2)
    street.at(0).push("temperature", 60, instance="a").tick()
    evaluated = threading.Semaphore(0)

    class Sink:
        def send(self, alerts: object) -> None:
            evaluated.release()

    manager = RuleManager(
        engine=street.engine, storage=street.db, in_writer=writer.call, sink=Sink(), database=street.database,
        scheduler=street.scheduler, registry=street.registry.__class__(), pool=pool, external_url="",
    )  # fmt: skip
    try:
        for round_ in range(1, 6):
            file = tmp_path / "pool.yml"
            file.write_text(RULES.replace("2 *", f"{round_} *") + RULES.replace("name: g", "name: h")[9:])
            loaded = manager.load(load_rules(file), interval=1000)
            writer.call(partial(manager.apply, loaded, street.clock.now()))
            all_done(pool, 2)  # a group that is busy at its tick leaves it out, and by this clock no other follows
            street.clock.advance(31_000)  # five of them stay within the lookback
            writer.call(street.scheduler.run_due)
            all_done(pool, 2)
        assert evaluated.acquire(timeout=10)
    finally:
        writer.call(manager.close)
        pool.shutdown()
        writer.stop()
    assert 'double{instance="a"}' in street.shows("double")
