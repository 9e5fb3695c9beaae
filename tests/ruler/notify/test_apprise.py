"""The door to Apprise, with a real HTTP server on the other side."""

from __future__ import annotations

import hashlib
import logging

import pytest

from common.errors import DeliveryError
from common.labels import Labels
from common.secrets import Secret
from ruler.model.alert import Alert, Notification
from ruler.notify.apprise import AppriseTransport, _mapping, _secrets, scrubbed, send_test

CANARY = "c4n4ryS3cr3t"


def notification(*, resolved=False, severity="critical"):
    labels = Labels({"alertname": "DiskFull", "instance": "web-1", "severity": severity})
    alert = Alert(labels, Labels({"summary": "full <b>&</b> *bold*"}), 0, 50 if resolved else 900, 1, value=93.0)
    return Notification("ops", "{}:{}", Labels(), (alert,), 100, 1, 1)


def test_a_notification_arrives(sink):
    """What json:// posts has our title, our text and Apprise's word for the tone."""
    assert "Sent JSON POST notification." == AppriseTransport(Secret(sink.url("/hook"))).send(notification())
    ((path, posted),) = sink.posts
    assert ("/hook", "[FIRING] DiskFull on web-1", "failure") == (path, posted["title"], posted["type"])
    assert posted["message"].startswith("full <b>&</b> *bold*\nValue: 93\n")


@pytest.mark.parametrize(
    ("given", "tone"),
    [({"severity": "warning"}, "warning"), ({"resolved": True}, "success")],
)
def test_the_tone_follows_the_alerts(sink, given, tone):
    """Warnings warn, and an end is a success."""
    AppriseTransport(Secret(sink.url())).send(notification(**given))
    assert tone == sink.posts[0][1]["type"]


def test_words_of_ones_own(sink):
    """A configured title or body replaces ours."""
    AppriseTransport(Secret(sink.url()), title="T", body="B").send(notification())
    assert ("T", "B") == (sink.posts[0][1]["title"], sink.posts[0][1]["message"])


@pytest.mark.parametrize(
    ("status", "permanent"), [(400, True), (404, True), (408, False), (429, False), (500, False), (503, False)]
)
def test_a_refusal_says_whether_to_try_again(sink, status, permanent):
    """A 4xx is for good, except those that ask to come back; a 5xx is not."""
    with pytest.raises(DeliveryError) as caught:
        AppriseTransport(Secret(sink.url(f"/status/{status}"))).send(notification())
    assert (permanent, status) == (caught.value.permanent, caught.value.status)
    assert f"error={status}" in str(caught.value)


def test_nobody_there_is_worth_another_attempt():
    """A refused connection has no status and is tried again."""
    with pytest.raises(DeliveryError) as caught:
        AppriseTransport(Secret("json://127.0.0.1:1/")).send(notification())
    assert (False, 0) == (caught.value.permanent, caught.value.status)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"nosuch://{CANARY}", "unknown schema: 'nosuch'"),
        (CANARY, "not an Apprise URL (write it like slack://… or mailto://…)"),
        (f"slack://{CANARY}", "slack://<secret>: not accepted: "),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_secret(url, problem):
    """The schema is named, the rest is not."""
    with pytest.raises(DeliveryError) as caught:
        AppriseTransport(Secret(url))
    assert str(caught.value).startswith(problem)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("place", ["u:{}@127.0.0.1:{port}/status/500", "127.0.0.1:{port}/status/500/{}?x={}"])
def test_no_secret_reaches_an_error_or_a_log(sink, caplog, place):
    """Nothing that fails or succeeds prints a part of a URL that may be secret."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DeliveryError) as caught:
        send_test("json://" + place.format(CANARY, CANARY, port=sink.port))
    transport = AppriseTransport(Secret("json://" + place.format(CANARY, CANARY, port=sink.port)))
    shown = [str(caught.value), repr(transport), *(record.getMessage() for record in caplog.records)]
    assert [] == [text for text in shown if CANARY in text]


def test_secrets_are_scrubbed_in_every_form():
    """Quoted or not, whole or in part: what may be secret is taken out, host and schema stay where a plugin has one."""
    secrets = _secrets("tgram://123:ab%2Fcd-ef/chat1?x=p4ss+word", None)
    text = "POST https://api/bot123:ab/cd-ef/send?chat1 p4ss word p4ss+word tgram://123:ab%2Fcd-ef/"
    assert [] == [word for word in ("ab/cd-ef", "ab%2Fcd-ef", "chat1", "p4ss") if word in scrubbed(text, secrets)]


@pytest.mark.parametrize(
    ("url", "kept"),
    [("json://u:pw@alerts.example/x", True), ("json://localhost:99/", True), ("ntfy://my-topic", False)],
)
def test_only_what_is_a_host_is_shown(url, kept):
    """An error may name the host that it failed to reach; a topic or token in its place is a secret."""
    place = url.partition("://")[2].rpartition("@")[2].partition("/")[0]
    secrets = _secrets(url, AppriseTransport(Secret(url))._plugin(url))
    assert kept == (place in scrubbed(f"connecting to {place} failed", secrets))


def test_send_test_gives_the_answer(sink):
    """`tocsin notify test` shows what came back, with the HTTP status."""
    assert "json://<secret>: Sent JSON POST notification. (HTTP 200)" == send_test(sink.url(f"/{CANARY}"))
    assert "Tocsin test" == sink.posts[0][1]["title"]


class _Plugin:
    def __init__(self, **arguments):
        self.template_args = arguments


@pytest.mark.parametrize(
    ("url", "added"),
    [
        ("pagerduty://A1B2C3D4E5F6G7H8I9J0@KEY1234567890", {"action": "map", "dedup": ""}),
        ("pagerduty://A1B2C3D4E5F6G7H8I9J0@KEY1234567890?dedup=mine", {"action": "map"}),
        ("opsgenie://apikey-apikey-apikey", {"action": "map", "alias": ""}),
        ("json://127.0.0.1", {}),
    ],
)
def test_pagers_close_what_they_opened(url, added):
    """A pager gets a key made from the group key, unless the URL has one; others are left alone."""
    transport = AppriseTransport(Secret(url))
    assert added == transport._mapped
    if "dedup" in added:
        digest = hashlib.sha256(b"{}:{}").hexdigest()
        (plugin,) = transport._keyed("{}:{}")
        assert ("map", digest) == (plugin.action, plugin.dedup)


def test_a_service_that_knows_no_keys_is_left_alone():
    """Only `action=map` says that a service can close by key."""
    assert {} == _mapping(_Plugin(action={"values": ("trigger",)}), "x://y")
