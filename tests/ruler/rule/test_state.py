"""The laws of an alert's life."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.durations import MINUTE, SECOND
from common.labels import Labels
from ruler.rule.state import (
    LONGEST_GRACE,
    RESEND_DELAY,
    RESOLVED_RETENTION,
    ActiveAlert,
    AlertState,
    Policy,
    Seen,
    advance,
    needs_sending,
    not_counting,
    resumed,
    step,
    valid_until,
)

LABELS = Labels({"alertname": "Hot", "instance": "a"})
INACTIVE, PENDING, FIRING, GONE = AlertState.INACTIVE, AlertState.PENDING, AlertState.FIRING, None


class Life:
    """A Life is one alert evaluated at chosen minutes: `life.at(3).value(1).expect(FIRING)`."""

    def __init__(self, policy: Policy) -> None:
        self._policy, self._ts = policy, 0
        self.active: dict[Labels, ActiveAlert] = {}

    def at(self, minute: float) -> Life:
        self._ts = int(minute * MINUTE)
        return self

    def value(self, value: float) -> Life:
        self.active = advance(self.active, {LABELS: Seen(value, Labels())}, self._ts, self._policy)
        return self

    def nothing(self) -> Life:
        self.active = advance(self.active, {}, self._ts, self._policy)
        return self

    def expect(self, state: AlertState | None) -> Life:
        alert = self.active.get(LABELS)
        assert state == (None if alert is None else alert.state)
        return self

    @property
    def alert(self) -> ActiveAlert:
        return self.active[LABELS]


def test_fires_when_its_condition_has_held() -> None:
    """An alert is pending until its condition has held for `for`, and fires at that very evaluation."""
    life = Life(Policy(hold=5 * MINUTE))
    life.at(1).value(7).expect(PENDING)
    life.at(5.9).value(8).expect(PENDING)
    life.at(6).value(9).expect(FIRING)
    assert (9.0, MINUTE, 6 * MINUTE) == (life.alert.value, life.alert.active_at, life.alert.fired_at)


def test_fires_at_once_without_a_hold() -> None:
    """Without `for`, an alert fires at the evaluation that first sees it."""
    Life(Policy()).at(1).value(1).expect(FIRING)


def test_pending_starts_over_after_a_gap_in_its_condition() -> None:
    """A pending alert whose condition ends leaves nothing behind."""
    life = Life(Policy(hold=2 * MINUTE))
    life.at(1).value(1).at(2).nothing().expect(GONE)
    life.at(3).value(1).at(4).value(1).expect(PENDING).at(5).value(1).expect(FIRING)


def test_a_resolved_alert_is_kept_for_its_retention() -> None:
    """A fired alert that is over stays inactive for the retention, and then is gone."""
    life = Life(Policy())
    life.at(1).value(1).at(2).nothing().expect(INACTIVE)
    assert 2 * MINUTE == life.alert.resolved_at
    life.at(17).nothing().expect(INACTIVE)
    life.at(17.1).nothing().expect(GONE)


def test_a_resolved_alert_begins_anew() -> None:
    """An alert that comes back after it was over is a new one, pending again."""
    life = Life(Policy(hold=MINUTE))
    life.at(1).value(1).at(2).value(1).expect(FIRING).at(3).nothing().expect(INACTIVE)
    life.at(4).value(1).expect(PENDING)
    assert (4 * MINUTE, None, None) == (life.alert.active_at, life.alert.resolved_at, life.alert.last_sent_at)


def test_keeps_firing_as_long_as_told() -> None:
    """With `keep_firing_for`, a firing alert stays firing that long after its condition was last gone."""
    life = Life(Policy(keep_firing_for=3 * MINUTE))
    life.at(1).value(1).at(2).nothing().expect(FIRING).at(4).nothing().expect(FIRING)
    life.at(4.5).value(1).at(5).nothing().expect(FIRING).at(7.9).nothing().expect(FIRING)
    life.at(8).nothing().expect(INACTIVE)


def test_keep_firing_does_not_keep_pending() -> None:
    """`keep_firing_for` is for firing alerts only."""
    Life(Policy(MINUTE, 3 * MINUTE)).at(1).value(1).expect(PENDING).at(1.5).nothing().expect(GONE)


@given(
    hold=st.integers(1, 20),
    ticks=st.lists(st.tuples(st.integers(1, 7), st.booleans()), max_size=40),
)
def test_never_fires_before_its_hold(hold: int, ticks: list[tuple[int, bool]]) -> None:
    """However it is evaluated, an alert fires only after its condition held at every evaluation of `for`."""
    active: dict[Labels, ActiveAlert] = {}
    held_since: int | None = None
    now = 0
    for gap, present in ticks:
        now += gap
        held_since = (now if held_since is None else held_since) if present else None
        active = advance(active, {LABELS: Seen(1.0, Labels())} if present else {}, now, Policy(hold))
        firing = LABELS in active and active[LABELS].state is FIRING
        assert firing == (held_since is not None and now - held_since >= hold)


def test_a_clock_set_back_restarts_the_hold() -> None:
    """An alert never became active in the future: after the clock was set back, its hold begins anew."""
    life = Life(Policy(hold=5 * MINUTE)).at(100).value(1).at(50).value(1).expect(PENDING)
    assert 50 * MINUTE == life.alert.active_at
    life.at(55).value(1).expect(FIRING)


@pytest.mark.parametrize(
    ("state", "resolved_at", "last_sent_at", "now", "due"),
    [
        (PENDING, None, None, 0, False),
        (FIRING, None, None, 0, True),
        (FIRING, None, 0, RESEND_DELAY, False),
        (FIRING, None, 0, RESEND_DELAY + 1, True),
        (INACTIVE, 10, 5, 10, True),
        (INACTIVE, 10, 10, 20, False),
        (INACTIVE, 10, 10, 11 + RESEND_DELAY, True),
    ],
)
def test_when_an_alert_is_sent(
    state: AlertState, resolved_at: int | None, last_sent_at: int | None, now: int, due: bool
) -> None:
    """An alert is sent when it fires, when it is over, and again after the resend delay; a pending one never."""
    alert = ActiveAlert(LABELS, Labels(), 1.0, state, 0, None, resolved_at, None, last_sent_at)
    assert due == needs_sending(alert, now)


def test_the_end_of_a_sent_alert() -> None:
    """A firing alert ends, unless it is repeated, four intervals or resend delays later, whichever is longer."""
    assert (4 * RESEND_DELAY, 4 * 5 * MINUTE) == (valid_until(0, SECOND), valid_until(0, 5 * MINUTE))


def test_a_restart_does_not_count_towards_the_hold() -> None:
    """Between the last evaluation before a restart and the first after it, the pending clock stands still."""
    alert = ActiveAlert(LABELS, Labels(), 1.0, PENDING, active_at=MINUTE)
    after = resumed(alert, evaluated_at=3 * MINUTE, ts=63 * MINUTE, interval=MINUTE)
    assert 61 * MINUTE == after.active_at


def test_a_restart_leaves_firing_firing() -> None:
    """A firing alert is taken up as it was, and is sent again with the start that it had."""
    alert = ActiveAlert(LABELS, Labels(), 1.0, FIRING, active_at=0, fired_at=MINUTE, last_sent_at=2 * MINUTE)
    after = resumed(alert, evaluated_at=2 * MINUTE, ts=3 * MINUTE, interval=SECOND)
    assert (FIRING, 0, MINUTE, True) == (after.state, after.active_at, after.fired_at, needs_sending(after, 3 * MINUTE))


@pytest.mark.parametrize(
    ("down", "interval", "grace"),
    [
        (5 * SECOND, SECOND, 5 * SECOND),
        (5 * SECOND, MINUTE, 2 * MINUTE),
        (60 * MINUTE, SECOND, LONGEST_GRACE),
    ],
)
@pytest.mark.parametrize("state", [PENDING, FIRING])
def test_absence_is_excused_after_a_restart(state: AlertState, down: int, interval: int, grace: int) -> None:
    """Until its data can have come back, a restored alert that is not seen stays what it was; then it is over."""
    alert = ActiveAlert(LABELS, Labels(), 1.0, state, active_at=0)
    after = resumed(alert, evaluated_at=0, ts=down, interval=interval)
    assert after == step(after, None, down + grace - 1, Policy())
    ended = step(after, None, down + grace, Policy())
    assert (None if state is PENDING else INACTIVE) == (None if ended is None else ended.state)


def test_the_excuse_ends_when_the_alert_is_seen() -> None:
    """Once a restored alert has been seen, it ends like any other."""
    alert = ActiveAlert(LABELS, Labels(), 1.0, FIRING, active_at=0)
    seen = step(resumed(alert, 0, SECOND, MINUTE), Seen(2.0, Labels()), SECOND, Policy())
    assert seen is not None
    ended = step(seen, None, 2 * SECOND, Policy())
    assert replace(seen, state=INACTIVE, resolved_at=2 * SECOND) == ended


def test_a_pause_moves_only_pending_alerts() -> None:
    """A time in which the process stood still is added to a pending alert's start, and to nothing else."""
    pending, firing = (ActiveAlert(LABELS, Labels(), 1.0, state, active_at=5) for state in (PENDING, FIRING))
    assert (15, 5) == (not_counting(pending, 10).active_at, not_counting(firing, 10).active_at)
    assert RESOLVED_RETENTION > LONGEST_GRACE
