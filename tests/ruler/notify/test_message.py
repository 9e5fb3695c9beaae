"""Messages for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.alert import Alert, Notification
from ruler.notify.message import MAX_BODY, MAX_TITLE, Tone, compose, one_line

START = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC
NOW = START + 754_000


def alert(name="DiskFull", *, ended=None, value=93.24567, annotations=(), url="", **labels):
    until = NOW + 60_000 if ended is None else ended
    return Alert(Labels({"alertname": name, **labels}), Labels(annotations), START, until, NOW, url, value)


def notification(*alerts):
    return Notification("ops", "{}:{}", Labels(), alerts, NOW, 1, 1)


def test_a_firing_alert_in_full():
    """One alert: the title names it, the text says what, how much, since when and where."""
    one = alert(
        instance="web-1:9100",
        severity="warning",
        annotations={"summary": "Disk / is nearly full", "description": "Clean up.", "runbook_url": "https://r/1"},
        url="http://ruler/graph?g0.expr=1",
    )
    message = compose(notification(one))
    assert "[FIRING] DiskFull on web-1:9100" == message.title
    assert Tone.WARNING is message.tone
    assert (
        "Disk / is nearly full\n"
        "Clean up.\n"
        "Value: 93.2457\n"
        "Since: 2023-11-14 22:13:20 UTC (for 12m34s)\n"
        "Labels: instance=web-1:9100, severity=warning\n"
        "runbook_url: https://r/1\n"
        "http://ruler/graph?g0.expr=1"
    ) == message.body


def test_a_resolved_alert_says_how_long_it_lasted():
    """The end of an alert tells its length."""
    message = compose(notification(alert(ended=START + 630_000, severity="critical")))
    assert ("[RESOLVED] DiskFull", Tone.SUCCESS) == (message.title, message.tone)
    assert (
        "Last value: 93.2457\n"
        "Lasted: 10m30s, from 2023-11-14 22:13:20 UTC to 2023-11-14 22:23:50 UTC\n"
        "Labels: severity=critical"
    ) == message.body


def test_a_group_counts_and_has_a_block_for_each():
    """Firing ones come first, each under its own heading."""
    message = compose(notification(alert(instance="a", value=None), alert("Load", ended=NOW), alert(instance="b")))
    assert "[FIRING:2, RESOLVED:1] DiskFull, Load" == message.title
    assert ["FIRING DiskFull on a", "FIRING DiskFull on b", "RESOLVED Load"] == [
        block.split("\n")[0] for block in message.body.split("\n\n")
    ]
    assert Tone.FAILURE is message.tone


@pytest.mark.parametrize(
    ("severities", "tone"),
    [
        (["warning"], Tone.WARNING),
        (["info"], Tone.WARNING),
        ([""], Tone.FAILURE),
        (["warning", "critical"], Tone.FAILURE),
    ],
)
def test_the_worst_severity_sets_the_tone(severities, tone):
    """A message is as loud as the loudest alert that fires; no severity is loud."""
    alerts = [alert(severity=severity, x=str(number)) for number, severity in enumerate(severities)]
    assert tone is compose(notification(*alerts)).tone


@pytest.mark.parametrize("limit", [500, 2_000, MAX_BODY])
def test_ten_thousand_alerts_fit(limit):
    """Ten thousand alerts make a message within the limit that says how many it leaves out."""
    alerts = [alert(instance=f"web-{number}") for number in range(10_000)]
    message = compose(notification(*alerts), limit)
    shown = sum(1 for line in message.body.splitlines() if line.startswith("FIRING"))
    assert "[FIRING:10000] DiskFull" == message.title
    assert len(message.body) <= limit
    assert f"… and {10_000 - shown:,} more" == message.body.splitlines()[-1]


hostile = st.text(max_size=3_000)


@given(hostile, hostile, st.integers(1, 3), st.integers(60, 4_000))
def test_hostile_text_is_tamed(name, text, count, limit):
    """Whatever a label holds, the title is one short line, the body fits, and no control character is left."""
    alerts = [alert(name, annotations={"summary": text}, instance=text, x=str(each)) for each in range(count)]
    message = compose(notification(*alerts), limit)
    assert (True, True) == (len(message.title) <= MAX_TITLE, len(message.body) <= limit)
    assert "\n" not in message.title
    assert [] == [char for char in message.title + message.body if ord(char) < 32 and char not in "\n\t"]
    assert "\n" not in one_line(alerts[0], NOW)


def test_one_line():
    """The log has an alert in one line."""
    line = one_line(alert(instance="web-1", annotations={"summary": "Disk\nis full"}), NOW)
    assert "FIRING DiskFull on web-1: Disk is full (value 93.2457, for 12m34s)" == line
    ended = one_line(alert(value=None, ended=START + 90_061_000 - 86_400_000), NOW + 90_000_000)
    assert "RESOLVED DiskFull (lasted 1h1m)" == ended
