"""What a destination still has to hear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.alert import Alert, Notification, NotifyReason
from ruler.notify.dedup import news
from ruler.notify.log import Entry

NOW, REPEAT = 1_000_000, 60_000


def alert(name: str, *, resolved: bool) -> Alert:
    return Alert(Labels({"x": name}), Labels(), 0, NOW if resolved else NOW + 1, NOW)


def mark(names: str) -> frozenset[int]:
    return frozenset(Labels({"x": name}).fingerprint for name in names.split())


def notification(firing: str, resolved: str) -> Notification:
    alerts = [alert(each, resolved=False) for each in firing.split()]
    alerts += [alert(each, resolved=True) for each in resolved.split()]
    return Notification("r", "g", Labels(), tuple(alerts), NOW, REPEAT, 1)


@pytest.mark.parametrize(
    ("told", "ago", "firing", "resolved", "reason", "mentioned"),
    [
        (None, 0, "a", "", NotifyReason.FIRST, "a"),
        (None, 0, "", "a", NotifyReason.NOTHING_NEW, ""),
        ("", 1, "a", "", NotifyReason.FIRST, "a"),
        ("a", 1, "a b", "", NotifyReason.NEW_ALERTS, "a b"),
        ("a", 1, "b", "a", NotifyReason.NEW_ALERTS, "b a"),
        ("a b", 1, "a", "b", NotifyReason.NEW_RESOLVED, "a b"),
        ("a b", 1, "", "a b", NotifyReason.ALL_RESOLVED, "a b"),
        ("a", 1, "", "a b", NotifyReason.ALL_RESOLVED, "a"),
        ("", 1, "", "a", NotifyReason.NOTHING_NEW, ""),
        ("a", REPEAT - 1, "a", "", NotifyReason.NOTHING_NEW, "a"),
        ("a", REPEAT, "a", "", NotifyReason.REPEAT, "a"),
        ("a", REPEAT - 1, "a", "c", NotifyReason.NOTHING_NEW, "a"),
        ("a b", 1, "a", "", NotifyReason.NOTHING_NEW, "a"),
    ],
)
def test_reasons(told, ago, firing, resolved, reason, mentioned):
    """Each state of the log and the group has its reason, and mentions only what concerns the destination."""
    last = None if told is None else Entry(mark(told), NOW - ago)
    why, trimmed = news(notification(firing, resolved), last)
    assert (reason, mentioned.split()) == (why, [each.labels["x"] for each in trimmed.alerts])


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")))
def test_what_was_just_told_is_not_news(told, firing, resolved):
    """After a notification is recorded, the same state of the group gives nothing new."""
    group = notification(" ".join(sorted(firing)), " ".join(sorted(resolved - firing)))
    reason, _ = news(group, Entry(mark(" ".join(told)), NOW))
    if reason.sends:
        again, _ = news(group, Entry(mark(" ".join(firing)), NOW))
        assert NotifyReason.NOTHING_NEW is again
