"""The receivers block: each mistake has its file, line and sentence, and no secret in it."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from common.config import parse_yaml
from common.errors import ConfigError
from common.secrets import Secret
from ruler.notify.config import ReceiverSettings, build_receivers, receiver_of
from ruler.notify.receiver import LogTransport
from tests.ruler.notify.test_apprise import notification
from tests.webhook import Webhook


def built(text: str) -> Any:
    document = parse_yaml(text, "t.yml")
    return build_receivers(document.decode(tuple[ReceiverSettings, ...]), document, ())


def test_receivers_have_their_destinations():
    """Each URL is a destination of its own, shown without its secret, the same in every process."""
    text = """
- name: ops
  apprise_configs:
  - urls: [json://127.0.0.1/a, "json://127.0.0.1/b"]
    send_resolved: false
  - urls: [json://127.0.0.1/c]
- name: nobody
"""
    ops, nobody = built(text)
    assert [("json://<secret>", False)] * 2 + [("json://<secret>", True)] == [
        (each.shown, each.send_resolved) for each in ops.destinations
    ]
    assert [each.id for each in built(text)[0].destinations] == [each.id for each in ops.destinations]
    assert 3 == len({each.id for each in ops.destinations})
    assert LogTransport("nobody") == nobody.destinations[0].transport


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("- {}", "t.yml:1: [0]: missing key 'name'"),
        ("- name: ''", "t.yml:1: [0]: missing name"),
        ("- name: a\n- name: a", "t.yml:2: [1].name: receiver given twice: 'a'"),
        ("- name: a\n  slack_configs: []", "t.yml:2: [0].slack_configs: unknown key 'slack_configs'"),
        (
            "- name: a\n  apprise_configs:\n  - send_resolved: true",
            "t.yml:3: [0].apprise_configs[0]: missing key 'urls'",
        ),
        (
            "- name: a\n  apprise_configs:\n  - urls:\n    - json://h/\n    - nosuch://s3cret/",
            "t.yml:5: [0].apprise_configs[0].urls[1]: unknown schema: 'nosuch'",
        ),
        (
            "- name: a\n  apprise_configs:\n  - urls: [json://h/s3cret, json://h/s3cret]",
            "t.yml:3: [0].apprise_configs[0].urls[1]: URL given twice: json://<secret>",
        ),
        (
            "- name: a\n  apprise_configs:\n  - urls: [json://h/]\n    title: '{{ .Status }}'",
            "t.yml:4: [0].apprise_configs[0].title: templates are not supported here yet: write plain text",
        ),
    ],
)
def test_a_mistake_is_named(text, error):
    """Each mistake is an error with file, line and place, and the secret stays out of it."""
    with pytest.raises(ConfigError) as caught:
        built(text)
    assert str(caught.value).startswith(error)
    assert "s3cret" not in str(caught.value)


def test_settings_do_not_show_urls():
    """A printed config has no secret."""
    settings = parse_yaml("- {name: a, apprise_configs: [{urls: [json://h/s3cret]}]}").decode(list[ReceiverSettings])
    assert "s3cret" not in repr(settings) + repr(msgspec.structs.asdict(settings[0]))


def test_a_receiver_from_urls_alone(sink: Webhook, caplog: pytest.LogCaptureFixture):
    """TOCSIN_NOTIFY_URL makes a receiver; without a URL it writes one readable line for each alert."""
    receiver_of("default", [Secret(sink.url())]).destinations[0].transport.send(notification())
    assert 1 == len(sink.posts)
    caplog.set_level(logging.INFO, "alert")
    receiver_of("default", []).destinations[0].transport.send(notification())
    assert ["FIRING DiskFull on web-1: full <b>&</b> *bold* (value 93, for 0s)"] == [
        record.getMessage() for record in caplog.records if record.name == "alert"
    ]
