"""The laws of alerting rules, from an expression to what is sent and shown."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from common.durations import MINUTE
from common.labels import Labels
from ruler.rule.status import RuleHealth
from tests.ruler.rule.street import Street

HOT = """
groups:
  - name: g
    rules:
      - alert: Hot
        expr: temperature > 50
        for: 2m
        labels: {severity: page}
        annotations: {summary: "{{ $labels.instance }} has {{ $value }}"}
"""


def test_an_alert_from_unknown_to_resolved(street: Street) -> None:
    """A rule is unknown until evaluated; its alert is pending, firing after `for`, and sent as such; then resolved."""
    street.rules(HOT)
    assert "unknown" == street.rule("Hot").state
    street.at(1).push("temperature", 20, instance="a").tick()
    assert ("inactive", {}) == (street.rule("Hot").state, street.alerts("Hot"))
    street.at(2).push("temperature", 60, instance="a").tick()
    street.at(3).push("temperature", 61, instance="a").tick()
    assert ("pending", {"a": "pending"}, []) == (street.rule("Hot").state, street.alerts("Hot"), street.sent())
    street.at(4).push("temperature", 62, instance="a").tick()
    fired, until = street.tick_time(4), street.tick_time(4) + 4 * MINUTE
    assert ("firing", [("Hot", "a", fired, until)]) == (street.rule("Hot").state, street.sent())
    street.at(5).push("temperature", 20, instance="a").tick()
    assert ("inactive", [("Hot", "a", fired, street.tick_time(5))]) == (street.rule("Hot").state, street.sent())


def test_what_an_alert_carries(street: Street) -> None:
    """An alert has the sample's labels without its name, the rule's, its own name, and the ruler's external ones."""
    street.rules(HOT.replace("for: 2m", "for: 0s"), site="north", severity="lost")
    street.at(1).push("temperature", 60.5, instance="a").tick()
    (alert,) = street.sink.take()
    assert {"alertname": "Hot", "instance": "a", "severity": "page", "site": "north"} == dict(alert.labels)
    assert ({"summary": "a has 60.5"}, 60.5) == (dict(alert.annotations), alert.value)
    assert "http://ruler/graph?g0.expr=temperature+%3E+50&g0.tab=1" == alert.generator_url
    (shown,) = street.rule("Hot").alerts
    assert Labels({"alertname": "Hot", "instance": "a", "severity": "page"}) == shown.labels


def test_an_alert_is_to_be_seen_as_series(street: Street) -> None:
    """ALERTS is 1 with the alert's state, ALERTS_FOR_STATE is when it became active; both end as the state does."""
    labels = '{alertname="Hot", instance="a", severity="page"}'
    pending, firing = (
        f'ALERTS{{alertname="Hot", alertstate="{state}", instance="a", severity="page"}}'
        for state in ("pending", "firing")
    )
    since = float(street.rules(HOT).tick_time(1) // 1000)
    street.at(1).push("temperature", 60, instance="a").tick()
    assert {pending: 1.0} == street.shows("ALERTS")
    assert {f"ALERTS_FOR_STATE{labels}": since} == street.shows("ALERTS_FOR_STATE")
    street.at(2).tick().at(3).tick()
    assert {firing: 1.0} == street.shows("ALERTS")
    assert {f"ALERTS_FOR_STATE{labels}": since} == street.shows("ALERTS_FOR_STATE")
    street.at(4).push("temperature", 0, instance="a").tick()
    assert ({}, {}) == (street.shows("ALERTS"), street.shows("ALERTS_FOR_STATE"))


def test_a_firing_alert_is_repeated_after_the_resend_delay(tmp_path: Path) -> None:
    """Between two sends of an unchanged alert lies more than a minute; its resolution is repeated too."""
    street = Street(tmp_path, interval=MINUTE // 2)
    street.rules(HOT.replace("for: 2m", "for: 0s")).push("temperature", 60, instance="a")
    counts = []
    for tick in range(1, 8):
        street.at(tick).push("temperature", 60 if tick < 5 else 0, instance="a").tick()
        counts.append(len(street.sent()))
    assert [1, 0, 0, 1, 1, 0, 0] == counts
    street.close()


def test_each_series_is_an_alert(street: Street) -> None:
    """Alerts of one rule live apart, told apart by their labels."""
    street.rules(HOT)
    street.at(1).push("temperature", 60, instance="a").tick()
    street.at(2).push("temperature", 60, instance="a").push("temperature", 60, instance="b").tick()
    street.at(3).push("temperature", 60, instance="a").push("temperature", 60, instance="b").tick()
    assert {"a": "firing", "b": "pending"} == street.alerts("Hot")


def test_the_limit_clears_all_alerts(street: Street) -> None:
    """A rule with more alerts than its group allows fails and loses all of them, firing ones too."""
    street.rules(HOT.replace("    rules:", "    limit: 1\n    rules:").replace("for: 2m", "for: 0s"))
    street.at(1).push("temperature", 60, instance="a").tick()
    assert {"a": "firing"} == street.alerts("Hot")
    street.at(2).push("temperature", 60, instance="b").tick()
    rule = street.rule("Hot")
    assert ({}, RuleHealth.ERR) == (street.alerts("Hot"), rule.health)
    assert "exceeded limit of 1 with 2 alerts" == rule.last_error
    street.at(3).push("temperature", 0, instance="b").tick()
    assert (RuleHealth.OK, "") == (street.rule("Hot").health, street.rule("Hot").last_error)


def test_alerts_with_the_same_labels_are_an_error(street: Street) -> None:
    """When the rule's labels make two alerts one, the rule fails and its alerts stay as they were."""
    street.rules(HOT.replace("severity: page", 'instance: ""'))
    street.at(1).push("temperature", 60, instance="a").tick()
    street.at(2).push("temperature", 60, instance="a").push("temperature", 60, instance="b").tick()
    assert "vector contains metrics with the same labelset after applying alert labels" == street.rule("Hot").last_error
    assert {"": "pending"} == street.alerts("Hot")


def test_a_failing_template_leaves_its_error(street: Street) -> None:
    """An alert whose annotation cannot be rendered is sent, with the error as the text."""
    street.rules(HOT.replace("{{ $labels.instance }} has {{ $value }}", "{{ $labels.instance | toTime }}"))
    street.at(1).push("temperature", 60, instance="a").tick()
    (alert,) = street.rule("Hot").alerts
    assert alert.annotations["summary"].startswith("<error expanding template: ")


def test_a_template_can_query(street: Street) -> None:
    """A template's query sees the samples of the evaluation's time."""
    text = """{{ with query "limit" }}{{ . | first | value }}{{ end }}"""
    street.rules(HOT.replace("{{ $labels.instance }} has {{ $value }}", text.replace('"', '\\"')))
    street.at(1).push("temperature", 60, instance="a").push("limit", 50).tick()
    assert {"summary": "50"} == dict(street.rule("Hot").alerts[0].annotations)


def test_a_query_offset_looks_back_but_counts_from_now(street: Street) -> None:
    """With `query_offset`, the expression and the recorded series are of that long ago; the alert is of the tick."""
    street.rules(HOT.replace("    rules:", "    query_offset: 1m\n    rules:"))
    street.at(1).push("temperature", 60, instance="a").tick()
    assert {} == street.alerts("Hot")
    street.at(2).push("temperature", 0, instance="a").tick()
    assert {"a": "pending"} == street.alerts("Hot")
    assert street.tick_time(2) == street.rule("Hot").alerts[0].active_at
    assert {"": float(street.tick_time(1) // 1000)} == {"": max(street.shows("timestamp(ALERTS)").values()) // 1}


def test_alerts_go_out_at_the_limit_of_series(tmp_path: Path) -> None:
    """Alerts have a reserve for the series that show them; beyond it they are sent unseen, and the rule says so."""
    with closing(Street(tmp_path, max_series=600)) as street:
        street.rules(HOT.replace("for: 2m", "for: 0s"))
        street.at(1)
        for number in range(600):
            street.push("temperature", 60, instance=str(number))
        street.tick()
        assert 600 == len(street.sent())
        assert ({"": 600.0}, {"": 400.0}) == (
            street.shows("scalar(count(ALERTS))"),
            street.shows("scalar(count(ALERTS_FOR_STATE))"),
        )
        assert "limit of 600 active series reached: new series left out: 200" == street.rule("Hot").last_error
        street.at(2).push("temperature", 0, instance="0").tick()
        assert (RuleHealth.ERR, {"": 599.0}) == (
            street.rule("Hot").health,
            street.shows("scalar(count(ALERTS))"),
        )
