"""The laws of recording rules and of the groups that they are evaluated in."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from ruler.rule.status import RuleHealth
from tests.ruler.rule.street import Street


def group(*rules: str, **keys: str) -> str:
    """A rule file with one group of recording rules, each `name = expr`, with `; label: value` for its labels."""
    text = "groups:\n  - name: g\n" + "".join(f"    {key}: {value}\n" for key, value in keys.items()) + "    rules:\n"
    for rule in rules:
        head, *labels = rule.split("; ")
        name, _, expr = head.partition(" = ")
        text += f"      - record: {name}\n        expr: {expr}\n        labels: {{{', '.join(labels)}}}\n"
    return text


def test_a_result_is_stored_under_the_rules_name(street: Street) -> None:
    """Each series of the result is recorded with its labels, the rule's written over them, and the rule's name."""
    street.rules(group("double = 2 * m; b: new; c: ''"))
    street.at(1).push("m", 3, a="1", b="old", c="gone").push("m", 4, a="2").tick()
    assert {'double{a="1", b="new"}': 6.0, 'double{a="2", b="new"}': 8.0} == street.shows("double")


def test_a_scalar_is_stored_as_one_series(street: Street) -> None:
    """A scalar is recorded as a series without labels."""
    assert {"answer": 42.0} == street.rules(group("answer = 42")).at(1).tick().shows("answer")


def test_a_rule_sees_what_the_rules_before_it_recorded(street: Street) -> None:
    """Rule 2 of a group sees what rule 1 recorded at the same tick; rule 0, before it, sees that of the tick before."""
    street.rules(group("late = count_over_time(first[1h])", "first = m + 1", "second = first + 1"))
    street.at(1).push("m", 1).tick()
    assert ({}, {"second": 3.0}) == (street.shows("late"), street.shows("second"))
    street.at(2).push("m", 5).tick()
    assert ({"late": 1.0}, {"second": 7.0}) == (street.shows("late"), street.shows("second"))


def test_a_series_that_vanishes_ends(street: Street) -> None:
    """A series that the result no longer has is gone at once, the others go on; it can come back."""
    street.rules(group("hot = m > 10"))
    street.at(1).push("m", 11, a="1").push("m", 12, a="2").tick()
    assert ['hot{a="1"}', 'hot{a="2"}'] == list(street.shows("hot"))
    street.at(2).push("m", 11, a="1").push("m", 2, a="2").tick()
    assert ['hot{a="1"}'] == list(street.shows("hot"))
    street.at(3).push("m", 1, a="1").push("m", 2, a="2").tick()
    assert {} == street.shows("hot")
    street.at(4).push("m", 1, a="1").push("m", 20, a="2").tick()
    assert {'hot{a="2"}': 20.0} == street.shows("hot")


def test_a_failed_evaluation_ends_no_series(street: Street) -> None:
    """When a rule fails, what it recorded last stays as long as any series does."""
    street.rules(group("total = m + on() group_left() n"))
    street.at(1).push("m", 1).push("n", 1).tick()
    street.at(2).push("m", 1).push("n", 1, a="1").push("n", 1, a="2").tick()
    rule = street.rule("total")
    assert (RuleHealth.ERR, True) == (rule.health, "many-to-many" in rule.last_error or "multiple" in rule.last_error)
    assert {"total": 2.0} == street.shows("total")


@pytest.mark.parametrize(
    ("rule", "keys", "error"),
    [
        ("n = m; a: ''", {}, "vector contains metrics with the same labelset after applying rule labels"),
        ("n = m", {"limit": "1"}, "exceeded limit of 1 with 2 series"),
        ("n = '\"text\"'", {}, "rule result is not a vector or scalar"),
    ],
)
def test_a_result_that_cannot_be_stored(street: Street, rule: str, keys: dict[str, str], error: str) -> None:
    """A rule whose result cannot be stored says why, stores nothing, and lets the next rule be evaluated."""
    street.rules(group(rule, "after = 1", **keys))
    street.at(1).push("m", 1, a="1").push("m", 1, a="2").tick()
    assert (error, RuleHealth.ERR) == (street.rule("n").last_error, street.rule("n").health)
    assert ({}, {"after": 1.0}) == (street.shows("n"), street.shows("after"))
    assert 1.0 == street.metric("evaluation_failures_total", rule_group=street.key())


def test_not_a_number_is_recorded(street: Street) -> None:
    """NaN, of whatever bits, is recorded as a value: the series goes on."""
    street.rules(group("undefined = m / 0", "counted = count(undefined)"))
    street.at(1).push("m", 0).tick()
    assert {"counted": 1.0} == street.shows("counted")


def test_labels_that_a_query_mints(street: Street) -> None:
    """Series whose labels a query makes up are told apart from tick to tick."""
    street.rules(group("values = count_values('value', m)"))
    street.at(1).push("m", 1).tick()
    street.at(2).push("m", 2).tick()
    assert {'values{value="2"}': 1.0} == street.shows("values")


def test_what_is_shown_of_a_group(street: Street) -> None:
    """A group shows its file, times and rules; its metrics exist from its start and tell what it did."""
    street.rules(group("one = 1", "two = one + missing", interval="1m", limit="5", query_offset="1s"))
    key = street.key()
    assert (0.0, 60.0, 2.0) == tuple(
        street.metric(name, rule_group=key) for name in ("evaluations_total", "group_interval_seconds", "group_rules")
    )
    shown = street.group()
    assert ("g", 60_000, 5, 1_000, None) == (
        shown.name, shown.interval, shown.limit, shown.query_offset, shown.last_evaluation,
    )  # fmt: skip
    street.at(1).tick()
    shown = street.group()
    assert street.tick_time(1) == shown.last_evaluation == shown.rules[0].last_evaluation
    assert ["1", "one + missing"] == [rule.query for rule in shown.rules]
    assert shown.evaluation_time >= sum(rule.evaluation_time for rule in shown.rules) > 0
    assert (2.0, 1.0, 1.0, 0.0, street.tick_time(1) / 1000) == tuple(
        street.metric(name, rule_group=key)
        for name in (
            "evaluations_total", "group_last_evaluation_samples", "group_iterations_total",
            "group_iterations_missed_total", "group_last_evaluation_timestamp_seconds",
        )
    )  # fmt: skip


def test_a_group_that_still_runs_skips_its_tick(street: Street) -> None:
    """A tick that finds the group at work is skipped and counted; the evaluation is of the tick it was started for."""
    street.rules(group("now = time()"))
    street.at(1).tick()
    street.pool.hold()
    street.at(2).tick().at(3).tick().at(4).tick()
    street.pool.release()
    assert {"now": street.tick_time(2) / 1000} == street.shows("now")
    street.at(5).tick()
    assert {"now": street.tick_time(5) / 1000} == street.shows("now")
    key = street.key()
    assert (5.0, 2.0) == (
        street.metric("group_iterations_total", rule_group=key),
        street.metric("group_iterations_missed_total", rule_group=key),
    )


def test_a_pause_is_no_burst(street: Street) -> None:
    """After a pause of the process there is one evaluation, and the ticks that never came are counted as missed."""
    street.rules(group("now = time()"))
    street.at(1).tick()
    street.at(61).tick()
    key = street.key()
    assert (2.0, 61.0, 59.0) == tuple(
        street.metric(name, rule_group=key)
        for name in ("evaluations_total", "group_iterations_total", "group_iterations_missed_total")
    )


def test_a_rule_that_records_too_many_series_says_so_and_goes_on_with_the_old(tmp_path: Path) -> None:
    """At the limit of active series what was recorded before goes on, and the rule's error names the limit."""
    with closing(Street(tmp_path, max_series=4)) as street:
        street.rules(group("twice = 2 * m", "none = 2 * absent"))
        street.at(1).push("m", 1, a="1").tick()
        street.at(2).push("m", 2, a="1").push("m", 3, a="2").push("m", 4, a="3").tick()
        assert {'twice{a="1"}': 4.0} == street.shows("twice")
        rule = street.rule("twice")
        assert (RuleHealth.ERR, "limit of 4 active series reached: new series left out: 2") == (
            rule.health,
            rule.last_error,
        )
        assert RuleHealth.OK == street.rule("none").health
        street.at(3).push("m", 5, a="1").push("m", None, a="2").push("m", None, a="3").tick()
        assert (RuleHealth.OK, {'twice{a="1"}': 10.0}) == (street.rule("twice").health, street.shows("twice"))
