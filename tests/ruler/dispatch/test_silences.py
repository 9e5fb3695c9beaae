"""Silences: Alertmanager's life cycle, in a database that outlives the process."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from common.labels import Labels
from ruler.database import open_database
from ruler.dispatch.matchers import parse_matchers
from ruler.dispatch.silences import RETENTION, Silence, SilenceError, Silences, SilenceState, UnknownSilence

NOW, HOUR = 1_000_000_000_000, 3_600_000
DISK = Labels({"alertname": "disk", "instance": "a"})


def silence(matchers="alertname=disk", starts_at=NOW, ends_at=NOW + HOUR, **others):
    return Silence(parse_matchers(matchers), starts_at, ends_at, "me", "because", **others)


@pytest.fixture
def silences(database):
    return Silences(database, CollectorRegistry())


def test_an_active_silence_mutes_what_it_matches(silences):
    """A silence mutes from its start to its end those alerts that fulfil all its matchers."""
    known = silences.set(silence("alertname=disk,instance=~a|b"), NOW)
    other = Labels({"alertname": "disk", "instance": "c"})
    assert [(known,), (), ()] == [
        silences.muted_by(DISK, NOW),
        silences.muted_by(other, NOW),
        silences.muted_by(DISK, NOW + HOUR),
    ]


def test_a_pending_silence_mutes_later(silences):
    """A silence that starts later mutes nothing before."""
    known = silences.set(silence(starts_at=NOW + 1_000), NOW)
    assert [(), (known,)] == [silences.muted_by(DISK, NOW), silences.muted_by(DISK, NOW + 1_000)]


def test_the_past_cannot_be_silenced(silences):
    """A new silence starts now at the earliest."""
    known = silences.set(silence(starts_at=NOW - HOUR), NOW)
    assert NOW == silences.get(known).starts_at


def test_expiring_ends_at_once_and_twice_is_once(silences):
    """A silence that is expired mutes nothing from that moment; expiring it again changes nothing."""
    known = silences.set(silence(), NOW)
    silences.expire(known, NOW + 5)
    ended = silences.get(known)
    silences.expire(known, NOW + 9)
    assert (SilenceState.EXPIRED, NOW + 5) == (ended.state(NOW + 5), ended.ends_at)
    assert ended == silences.get(known)


def test_a_pending_silence_expires_before_it_began(silences):
    """Expiring what has not begun leaves a silence that never muted anything."""
    known = silences.set(silence(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR), NOW)
    silences.expire(known, NOW + 5)
    assert [SilenceState.EXPIRED] * 2 == [silences.get(known).state(NOW + offset) for offset in (5, HOUR + 5)]


def test_an_active_silence_may_end_later(silences):
    """Changing only the end of an active silence keeps its id."""
    known = silences.set(silence(), NOW)
    longer = replace(silences.get(known), ends_at=NOW + 2 * HOUR)
    assert known == silences.set(longer, NOW + 5)
    assert NOW + 2 * HOUR == silences.get(known).ends_at


def test_changing_matchers_ends_the_old_silence(silences):
    """An active silence with other matchers becomes a new one; the old one stays as history."""
    old = silences.set(silence(), NOW)
    new = silences.set(replace(silences.get(old), matchers=parse_matchers("alertname=cpu")), NOW + 5)
    assert old != new
    assert [SilenceState.EXPIRED, SilenceState.ACTIVE] == [silences.get(each).state(NOW + 5) for each in (old, new)]


def test_an_unknown_id_is_refused(silences):
    """Changing or ending what is not there is an error of its own kind."""
    with pytest.raises(UnknownSilence, match="silence not found"):
        silences.set(silence(id="nope"), NOW)
    with pytest.raises(UnknownSilence):
        silences.expire("nope", NOW)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (silence(""), "invalid silence: matcher set 0: at least one matcher required"),
        (silence("a="), "invalid silence: matcher set 0: at least one matcher must not match the empty string"),
        (silence('a=~".*"'), "invalid silence: matcher set 0: at least one matcher must not match the empty string"),
        (silence(ends_at=NOW - 1), "invalid silence: end time must not be before start time"),
    ],
)
def test_a_silence_for_everything_is_refused(silences, bad, problem):
    """A silence must be able to spare something, and to end."""
    with pytest.raises(SilenceError) as caught:
        silences.set(bad, NOW)
    assert problem == str(caught.value)


def test_limits(database):
    """Neither many silences nor a huge one can fill the memory."""
    silences = Silences(database, CollectorRegistry(), max_silences=1, max_bytes=500)
    with pytest.raises(SilenceError, match="silence exceeded maximum size"):
        silences.set(replace(silence(), comment="x" * 500), NOW)
    silences.set(silence(), NOW)
    with pytest.raises(SilenceError, match=r"exceeded maximum number of silences: 1 \(limit: 1\)"):
        silences.set(silence(), NOW)


def test_silences_outlive_the_process(tmp_path):
    """What was answered is there after a restart, without any goodbye."""
    path = tmp_path / "state.db"
    first = open_database(path)
    known = Silences(first, CollectorRegistry()).set(
        silence('{a=~"x.*","ü b"!=c}', annotations=Labels({"k": "v"})), NOW
    )
    second = open_database(path)
    try:
        again = Silences(second, CollectorRegistry())
        assert (parse_matchers('{a=~"x.*","ü b"!=c}'), {"k": "v"}) == (
            again.get(known).matchers,
            dict(again.get(known).annotations),
        )
    finally:
        first.close()
        second.close()


def test_ended_silences_are_forgotten_after_the_retention(database):
    """An ended silence is history for 120 h, then it is gone, from the database too."""
    silences = Silences(database, CollectorRegistry())
    known = silences.set(silence(), NOW)
    silences.tick(NOW + HOUR + RETENTION - 1)
    assert known == silences.get(known).id
    silences.tick(NOW + HOUR + RETENTION)
    assert () == silences.all()
    assert () == Silences(database, CollectorRegistry()).all()


def test_states_are_counted(database):
    """alertmanager_silences has one value for each state."""
    registry = CollectorRegistry()
    silences = Silences(database, registry)
    silences.set(silence(), NOW)
    silences.set(silence(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR), NOW)
    silences.tick(NOW)
    counts = {
        state.value: registry.get_sample_value("alertmanager_silences", {"state": state}) for state in SilenceState
    }
    assert {"pending": 1, "active": 1, "expired": 0} == counts
