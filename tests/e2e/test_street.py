"""The main path with the real programs: a host and an application at one end, a delivered message at the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.street import Street
from tests.waiting import until
from tests.webhook import Webhook

pytestmark = pytest.mark.e2e

RULES = """
groups:
  - name: laravel
    rules:
      - alert: ManyExceptions
        expr: laravel_telescope_recent_entries_by_type{type="exception"} > 5
        for: 3s
        labels: {severity: warning}
        annotations:
          summary: '{{ $value }} exceptions on {{ $labels.server }}'
      - alert: SlowToFire
        expr: laravel_telescope_recent_entries_by_type{type="exception"} > 5
        for: 12s
      - record: exceptions:sum
        expr: sum(laravel_telescope_recent_entries_by_type{type="exception"})
"""


@pytest.fixture
def hook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


@pytest.fixture
def street(tmp_path: Path, hook: Webhook) -> Iterator[Street]:
    street = Street(tmp_path, rules=RULES, hook=hook)
    yield street
    street.close()


def messages(hook: Webhook, name: str) -> list[str]:
    return [text for text in hook.texts() if name in text]


def test_host_metrics_are_queryable(street: Street) -> None:
    """What the exporter reads of this host can be asked of the ruler, with the target's labels."""
    until("two scrapes of the host", lambda: street.query("count_over_time(node_load1[1m]) > 1"))
    [(labels, load)] = street.query("node_load1")
    assert {"__name__": "node_load1", "instance": f"127.0.0.1:{street.exporter_port}", "job": "node"} == labels
    assert load >= 0
    [(_, memory)] = street.query("node_memory_MemTotal_bytes")
    with Path("/proc/meminfo").open(encoding="ascii") as lines:
        assert int(next(lines).split()[1]) * 1024 == memory
    assert [1.0, 1.0] == [value for _, value in street.query("up")]
    assert 0 == street.ruler.stop()


def test_a_push_becomes_an_alert_that_is_delivered_and_resolved(street: Street, hook: Webhook) -> None:
    """Six pushed exceptions are pending, fire after `for`, reach a webhook; a healthy push resolves them there."""
    until(
        "the receiver answers", lambda: requests.get(f"http://127.0.0.1:{street.receiver_port}/-/ready", timeout=1).ok
    )
    street.push(exceptions=6)
    until("the alert is pending", lambda: street.states("ManyExceptions") == ["pending"])
    pending_at = time.monotonic()
    until("the alert fires", lambda: street.states("ManyExceptions") == ["firing"])
    assert time.monotonic() - pending_at > 1.5
    [fired] = until("the webhook hears of it", lambda: messages(hook, "ManyExceptions"))
    assert "6 exceptions on web1" in fired
    assert "laravel_app" in fired
    assert [6.0] == [value for _, value in street.query("exceptions:sum")]
    street.push(exceptions=0)
    fired_and_resolved = until("the webhook hears of the end", lambda: len(messages(hook, "ManyExceptions")) == 2)
    assert fired_and_resolved
    assert "resolved" in messages(hook, "ManyExceptions")[1].lower()
    assert [] == street.states("ManyExceptions")


def test_a_killed_ruler_goes_on_where_it_was(street: Street, hook: Webhook) -> None:
    """After kill -9 the samples are there, the pending clock goes on, and the firing alert is not sent twice."""
    until(
        "the receiver answers", lambda: requests.get(f"http://127.0.0.1:{street.receiver_port}/-/ready", timeout=1).ok
    )
    street.push(exceptions=6)
    until("the first message", lambda: len(messages(hook, "ManyExceptions")) == 1)
    [slow] = street.alerts("SlowToFire")
    assert "pending" == slow["state"]
    [(_, samples)] = until("three samples", lambda: street.query("count_over_time(node_load1[10m]) >= 3"))
    killed_at = time.time()
    street.ruler.kill()
    street.start_ruler()
    until("the ruler is back", lambda: street.states("SlowToFire") == ["pending"])
    [after] = street.alerts("SlowToFire")
    down = time.time() - killed_at
    shifted = _seconds(after["activeAt"]) - _seconds(slow["activeAt"])
    assert 0 <= shifted <= down + 2, "the downtime alone is added to the pending clock"
    assert street.query("count_over_time(node_load1[10m])")[0][1] >= samples
    assert ["firing"] == street.states("ManyExceptions")
    until("the pending alert fires in its turn", lambda: street.states("SlowToFire") == ["firing"], seconds=20)
    until("its message", lambda: messages(hook, "SlowToFire"))
    assert 1 == len(messages(hook, "ManyExceptions"))


def test_a_bad_config_changes_nothing_but_a_metric_and_a_log_line(street: Street) -> None:
    """On reload a bad config is refused with file and line; the old one stays in force."""
    until("scrapes", lambda: street.query("node_load1"))
    assert [1.0] == [_own(street, "prometheus_config_last_reload_successful")]
    good = street.config.read_text(encoding="utf-8")
    before = street.get("/api/v1/status/config")
    street.config.write_text(good + "  - job_name: bad\n    scrape_intervall: 5s\n", encoding="utf-8")
    response = requests.post(f"http://127.0.0.1:{street.ruler_port}/-/reload", timeout=5)
    assert 500 == response.status_code
    line = len(good.splitlines()) + 2
    assert f"prometheus.yml:{line}: scrape_configs[2].scrape_intervall: unknown key 'scrape_intervall'" in response.text
    assert 0.0 == _own(street, "prometheus_config_last_reload_successful")
    assert before == street.get("/api/v1/status/config")
    street.ruler.hang_up()
    until("the log says so twice", lambda: street.ruler.log.count("scrape_intervall") >= 2)
    scraped = street.query("count_over_time(node_load1[5m])")[0][1]
    until("scraping goes on", lambda: street.query("count_over_time(node_load1[5m])")[0][1] > scraped)
    street.config.write_text(good, encoding="utf-8")
    assert requests.post(f"http://127.0.0.1:{street.ruler_port}/-/reload", timeout=5).ok
    assert 1.0 == _own(street, "prometheus_config_last_reload_successful")


def _own(street: Street, name: str) -> float:
    page = requests.get(f"http://127.0.0.1:{street.ruler_port}/metrics", timeout=5).text
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
