"""The notification log: durable, bounded, and honest about what a crash interrupted."""

from __future__ import annotations

from ruler.notify.log import RETENTION, Entry, Key, NotificationLog

KEY = Key("ops", "d1", "{}:{" + "x" * 5_000 + "}")
ENTRY = Entry(frozenset((1, 2**64 - 1)), 1_000)


def test_what_was_recorded_is_found_after_a_restart(database):
    """An entry is in the database before record returns, whatever the length of its group's key."""
    NotificationLog(database).record(KEY, ENTRY)
    assert ENTRY == NotificationLog(database).find(KEY)


def test_the_last_record_counts(database):
    """A destination's entry for a group is replaced, not added to."""
    log = NotificationLog(database)
    log.record(KEY, ENTRY)
    log.record(KEY, Entry(frozenset(), 2_000))
    assert Entry(frozenset(), 2_000) == NotificationLog(database).find(KEY)


def test_an_intent_is_no_record(database, caplog):
    """A message that was on its way counts as not sent; the next run says that it may come twice."""
    NotificationLog(database).intend(KEY, 500)
    assert NotificationLog(database).find(KEY) is None
    assert ["a message may arrive twice: the last run ended while it was on its way"] == [
        record.getMessage() for record in caplog.records
    ]


def test_a_withdrawn_intent_leaves_no_warning(database, caplog):
    """A message that certainly did not go out is not suspected of having gone out."""
    log = NotificationLog(database)
    log.intend(KEY, 500)
    log.withdraw(KEY)
    NotificationLog(database)
    assert [] == caplog.records


def test_an_intent_keeps_the_last_record(database):
    """What was told before stays known while the next message is on its way."""
    log = NotificationLog(database)
    log.record(KEY, ENTRY)
    log.intend(KEY, 5_000)
    assert ENTRY == NotificationLog(database).find(KEY)


def test_old_entries_are_forgotten(database):
    """After the retention an entry is gone, from memory and from the database."""
    log = NotificationLog(database)
    log.record(KEY, ENTRY)
    log.tick(RETENTION + 999)
    assert ENTRY == log.find(KEY)
    log.tick(RETENTION + 999 + 3_600_000)
    assert log.find(KEY) is None
    assert NotificationLog(database).find(KEY) is None
