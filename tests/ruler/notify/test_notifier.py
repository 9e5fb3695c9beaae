"""From alerts to people: what is told, to whom, how often, and what a restart or a dead receiver changes (nothing)."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from common.errors import DeliveryError
from ruler.notify.receiver import Receiver
from tests.ruler.notify.conftest import ROUTE, Recorder, destination

LATER = DeliveryError("busy", status=503)
NEVER = DeliveryError("gone", permanent=True, status=404)


def ops(*transports, **others):
    return Receiver("ops", tuple(destination(each, f"d{number}", **others) for number, each in enumerate(transports)))


def test_each_change_is_told_once(street):
    """First alert, new alert, one resolved, all resolved: one message each; in between, silence."""
    heard = Recorder()
    town = street(ops(heard))
    town.fire("1", at=0)
    town.run(0, 5)
    town.fire("2", at=5, since=5)
    town.run(5.5, 15)
    town.resolve("1", at=15)
    town.run(15.5, 25)
    town.resolve("2", at=25, since=5)
    town.run(25.5, 60)
    assert [(1, ("1",), ()), (11, ("1", "2"), ()), (21, ("2",), ("1",)), (31, (), ("2",))] == heard.heard


def test_an_unchanged_group_is_told_again_after_the_repeat_interval(street):
    """Nothing new is told once every repeat_interval."""
    heard = Recorder()
    town = street(ops(heard))
    town.fire("1", at=0)
    town.run(0, 130)
    assert [(1, ("1",), ()), (61, ("1",), ()), (121, ("1",), ())] == heard.heard


def test_an_end_is_told_only_to_who_heard_of_the_beginning(street):
    """An alert that fired and resolved between two flushes is never mentioned."""
    heard = Recorder()
    town = street(ops(heard))
    town.fire("1", at=0)
    town.run(0, 5)
    town.fire("2", at=5, since=5)
    town.run(5.5, 6)
    town.resolve("2", at=7, since=5)
    town.run(7, 30)
    assert [(1, ("1",), ())] == heard.heard


def test_nothing_is_sent_twice_across_a_restart(street):
    """A killed ruler that comes back with the same alerts says nothing that was said before."""
    before, after = Recorder(), Recorder()
    town = street(ops(before))
    town.fire("1", "2", at=0)
    town.run(0, 5)
    reborn = street(ops(after))
    reborn.fire("1", "2", at=8)
    reborn.run(8, 40)
    assert ([(1, ("1", "2"), ())], []) == (before.heard, after.heard)
    reborn.resolve("1", "2", at=41)
    reborn.run(41, 60)
    assert [((), ("1", "2"))] == [(firing, resolved) for _, firing, resolved in after.heard]


def test_what_was_not_recorded_is_sent_after_a_restart(street):
    """A message that a kill interrupted is sent again: lost never, twice at most."""
    stuck, after = Recorder(gate=threading.Event()), Recorder()
    town = street(ops(stuck))
    town.fire("1", at=0)
    for now in (0, 1_000):
        town.tick(now)
    assert stuck.entered.wait(10)
    reborn = street(ops(after))
    reborn.fire("1", at=8)
    reborn.run(8, 12)
    stuck.gate.set()
    assert [("1",)] == [firing for _, firing, _ in after.heard]


def test_a_failed_delivery_is_tried_again(street):
    """After a failure, the same notification is tried again with growing pauses, and told once."""
    heard = Recorder(answers=[LATER, LATER])
    town = street(ops(heard))
    town.fire("1", at=0)
    town.run(0, 2.5)
    assert (3, [(1, ("1",), ())]) == (heard.attempts, heard.heard)
    assert (1, 3, 2) == (
        town.value("alertmanager_notifications_total"),
        town.value("alertmanager_notification_requests_total"),
        town.value("alertmanager_notification_requests_failed_total"),
    )


def test_a_permanent_refusal_is_not_tried_again(street):
    """A 404 is counted as the client's error and left until the group speaks again."""
    heard = Recorder(answers=[NEVER])
    town = street(ops(heard))
    town.fire("1", at=0)
    town.run(0, 10.5)
    assert (1, 1) == (heard.attempts, town.value("alertmanager_notifications_failed_total", reason="clientError"))
    town.run(11, 12)
    assert [(11, ("1",), ())] == heard.heard


def test_trying_ends_when_the_group_speaks_again(street):
    """Retries stop at the deadline, and the next flush tells the newest state, once."""
    heard = Recorder(answers=[LATER] * 5)
    town = street(ops(heard))
    town.fire("1", at=0)
    town.run(0, 5)
    town.fire("2", at=5, since=5)
    town.run(5.5, 30)
    assert [("1", "2")] == [firing for _, firing, _ in heard.heard]
    assert 1 == town.value("alertmanager_notifications_failed_total", reason="serverError")


def test_a_bad_destination_does_not_repeat_the_good_one(street):
    """While one URL of a receiver fails, the other is told each change once."""
    bad, good = Recorder(answers=[LATER] * 100), Recorder()
    town = street(ops(bad, good))
    town.fire("1", at=0)
    town.run(0, 35)
    assert [(1, ("1",), ())] == good.heard
    assert bad.attempts > 4


def test_a_dead_receiver_delays_nobody(street):
    """A destination that hangs for ever holds up neither another destination nor the caller."""
    dead, well = Recorder(gate=threading.Event()), Recorder()
    town = street(ops(dead, well))
    town.fire("1", at=0)
    town.run(0, 1)
    assert [(1, ("1",), ())] == well.heard
    town.run(1.5, 12)
    dead.gate.set()


def test_a_hanging_delivery_lets_its_group_go_on(street):
    """Past its deadline, a delivery that hangs counts as failed for the group, whose next flush queues behind it."""
    slow = Recorder(gate=threading.Event())
    town = street(ops(slow))
    town.fire("1", at=0)
    town.run(0, 1)
    assert slow.entered.wait(10)
    town.run(1.5, 5)
    town.fire("2", at=5, since=5)
    town.run(5.5, 12)
    gate, slow.gate = slow.gate, None
    gate.set()
    town.rest()
    assert [(1, ("1",), ()), (11.5, ("1", "2"), ())] == slow.heard


def test_a_silenced_alert_is_not_told_until_the_silence_ends(street):
    """A muted alert is left out; when nothing is left, nothing is said; afterwards it is news."""

    class Night:
        def muted_by(self, labels, now):
            return ("id",) if labels["x"] == "1" and now < 15_000 else ()

    heard = Recorder()
    town = street(ops(heard), muters=(Night(),))
    town.fire("1", at=0)
    town.run(0, 30)
    assert [(21, ("1",), ())] == heard.heard


def test_send_resolved_false(street):
    """Who does not want to hear of ends hears none, and hears of an alert that fires again."""
    heard = Recorder()
    town = street(ops(heard, send_resolved=False))
    town.fire("1", "2", at=0)
    town.run(0, 5)
    town.resolve("1", at=5)
    town.run(5.5, 15)
    town.fire("1", at=16, since=16)
    town.run(16, 25)
    town.resolve("1", "2", at=26, since=0)
    town.run(26, 60)
    assert [(1, ("1", "2"), ()), (21, ("1", "2"), ())] == heard.heard


def test_a_reload_keeps_what_waits(street):
    """A retry that waits survives a reload that leaves its receiver in place; a removed receiver's is dropped."""
    heard = Recorder(answers=[LATER])
    town = street(ops(heard))
    town.fire("1", at=0)
    town.run(0, 1)
    town.notifier.apply([ops(heard), Receiver("other", (destination(Recorder()),))])
    town.run(1.5, 3)
    assert [(1, ("1",), ())] == heard.heard
    town.notifier.apply([Receiver("other", (destination(Recorder()),))])
    town.fire("2", at=4, since=4)
    town.run(4, 15)
    assert 1 == len(heard.heard)


def test_metrics_exist_before_the_first_notification(street):
    """A rate over a counter needs its zero."""
    town = street(ops(Recorder()))
    assert [0, 0, 0] == [
        town.value("alertmanager_notifications_total"),
        town.value("alertmanager_notifications_failed_total", reason="other"),
        town.value("alertmanager_notification_latency_seconds_count"),
    ]


def test_a_fault_of_a_transport_is_contained(street, caplog):
    """An exception that nobody foresaw is logged and counted; the lane goes on."""

    class Broken(Recorder):
        def send(self, notification):
            if not self.attempts:
                self.attempts += 1
                msg = "a fault"
                raise ZeroDivisionError(msg)
            return super().send(notification)

    heard = Broken()
    town = street(ops(heard))
    town.fire("1", at=0)
    town.run(0, 12)
    assert [(11, ("1",), ())] == heard.heard
    assert "a notification failed by a fault of the program" in caplog.text


def test_a_database_that_takes_nothing_stops_no_message(street, tmp_path, caplog):
    """While another program holds the database every message goes out, and once it lets go what was told is known."""
    heard, after = Recorder(), Recorder()
    town = street(ops(heard))
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        town.fire("1", at=0)
        town.run(0, 15)
        town.fire("2", at=16, since=16)
        town.run(16, 30)
    assert [(1, ("1",), ()), (21, ("1", "2"), ())] == heard.heard
    town.close()
    assert 1 == caplog.text.count("the database takes no writes")
    reborn = street(ops(after))
    reborn.fire("1", "2", at=31)
    reborn.run(31, 45)
    assert [] == after.heard


def test_results_are_in_the_log(street, caplog):
    """Each message leaves one line that says to whom, why and what came back."""
    caplog.set_level("INFO", "notify")
    town = street(ops(Recorder()))
    town.fire("1", at=0)
    town.run(0, 2)
    (line,) = [record for record in caplog.records if record.getMessage() == "notification sent"]
    assert {"reason": "first notification", "firing": 1, "resolved": 0, "attempts": 1, "answer": "heard"} == {
        key: line.facts[key] for key in ("reason", "firing", "resolved", "attempts", "answer")
    }


@pytest.mark.parametrize("groups", [300])
def test_many_groups_at_once(street, groups):
    """Groups of one destination are told one after the other, all within one round."""
    heard = Recorder()
    by_all = type(ROUTE)("{}", "{}", "ops", None, ROUTE.timing)
    town = street(ops(heard), route=by_all)
    town.fire(*map(str, range(groups)), at=0)
    town.run(0, 1)
    assert groups == len(heard.heard)
