"""Relabelling: the cases that Prometheus documents and tests, and the laws of the function."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruler.scrape.relabel import Action, RelabelRule, relabel

ABC = {"a": "foo", "b": "bar", "c": "baz"}


def rules(*given: dict[str, Any]) -> list[RelabelRule]:
    return [msgspec.convert(each, RelabelRule, strict=False) for each in given]


@pytest.mark.parametrize(
    ("labels", "given", "expected"),
    [
        (
            ABC,
            [
                {
                    "source_labels": ["a"],
                    "regex": "f(.*)",
                    "target_label": "d",
                    "separator": ";",
                    "replacement": "ch${1}-ch${1}",
                }
            ],
            {**ABC, "d": "choo-choo"},
        ),
        (
            ABC,
            [{"source_labels": ["a", "b"], "regex": "f(.*);(.*)r", "target_label": "a", "replacement": "b${1}${2}m"}],
            {**ABC, "a": "boobam"},
        ),
        (ABC, [{"source_labels": ["a"], "regex": ".*o.*", "action": "drop"}], None),
        (ABC, [{"source_labels": ["a"], "regex": "no-match", "action": "drop"}], ABC),
        (ABC, [{"source_labels": ["a"], "regex": "f|o", "action": "drop"}], ABC),  # anchored on both sides
        (ABC, [{"source_labels": ["a"], "regex": "no-match", "action": "keep"}], None),
        (ABC, [{"source_labels": ["a"], "regex": "f.*", "action": "keep"}], ABC),
        (ABC, [{"source_labels": ["a"], "regex": "no-match", "target_label": "a", "replacement": "x"}], ABC),
        (
            {"a": "foo"},
            [{"source_labels": ["a"], "regex": "(f).*", "target_label": "b", "replacement": "$2"}],
            {"a": "foo"},
        ),
        (
            {"a": "foo", "b": "x"},
            [{"source_labels": ["a"], "regex": "nope()|foo", "target_label": "b", "replacement": "$1"}],
            {"a": "foo"},
        ),
        (
            {"a": "foo"},
            [{"source_labels": ["a"], "regex": "(f)oo", "target_label": "${1}_x", "replacement": "y"}],
            {"a": "foo", "f_x": "y"},
        ),
        (
            {"a": "foo"},
            [{"source_labels": ["a"], "regex": "(f)oo", "target_label": "b", "replacement": "$1x"}],
            {"a": "foo"},
        ),  # $1x is a name
        (
            {"a": "foo"},
            [{"source_labels": ["a"], "regex": "(?P<first>f)oo", "target_label": "b", "replacement": "${first}$$"}],
            {"a": "foo", "b": "f$"},
        ),
        ({"a": "foo"}, [{"target_label": "b", "replacement": "set"}], {"a": "foo", "b": "set"}),
        ({"a": "foo", "b": "x"}, [{"target_label": "b", "replacement": ""}], {"a": "foo"}),
        ({"a": "x\ny"}, [{"source_labels": ["a"], "regex": "x.y", "action": "drop"}], None),  # . matches a line end
        (
            {"a": "FooBar"},
            [
                {"source_labels": ["a"], "target_label": "b", "action": "lowercase"},
                {"source_labels": ["a"], "target_label": "c", "action": "uppercase"},
            ],
            {"a": "FooBar", "b": "foobar", "c": "FOOBAR"},
        ),
        (
            {"a": "foo", "b": "foo"},
            [{"source_labels": ["a"], "target_label": "b", "action": "keepequal"}],
            {"a": "foo", "b": "foo"},
        ),
        ({"a": "foo", "b": "bar"}, [{"source_labels": ["a"], "target_label": "b", "action": "keepequal"}], None),
        ({"a": "foo", "b": "foo"}, [{"source_labels": ["a"], "target_label": "b", "action": "dropequal"}], None),
        (
            {"a": "foo", "b": "bar"},
            [{"source_labels": ["a"], "target_label": "b", "action": "dropequal"}],
            {"a": "foo", "b": "bar"},
        ),
        (
            ABC,
            [{"source_labels": ["c"], "target_label": "d", "modulus": 1000, "action": "hashmod"}],
            {**ABC, "d": "976"},
        ),
        (
            {"a": "foo\nbar"},
            [{"source_labels": ["a"], "target_label": "b", "modulus": 1000, "action": "hashmod"}],
            {"a": "foo\nbar", "b": "734"},
        ),
        (
            {"a": "foo", "b1": "bar", "b2": "baz"},
            [{"regex": "(b.*)", "replacement": "bar_${1}", "action": "labelmap"}],
            {"a": "foo", "b1": "bar", "b2": "baz", "bar_b1": "bar", "bar_b2": "baz"},
        ),
        (
            {"__meta_my_bar": "aaa", "__meta_my_baz": "bbb"},
            [{"regex": "__meta_(my.*)", "replacement": "${1}", "action": "labelmap"}],
            {"__meta_my_bar": "aaa", "__meta_my_baz": "bbb", "my_bar": "aaa", "my_baz": "bbb"},
        ),
        (ABC, [{"regex": "(b|c)", "action": "labeldrop"}], {"a": "foo"}),
        (ABC, [{"regex": "(b|c)", "action": "labelkeep"}], {"b": "bar", "c": "baz"}),
        (ABC, [{"source_labels": ["a"], "regex": ".*", "action": "Drop"}], None),  # an action's case is free
        (
            ABC,
            [{"source_labels": ["x"], "regex": "", "target_label": "d", "replacement": "none"}],
            {**ABC, "d": "none"},
        ),
    ],
)
def test_an_action_does_what_prometheus_documents(
    labels: dict[str, str], given: list[dict[str, Any]], expected: dict[str, str] | None
) -> None:
    """Each action gives what Prometheus's own tests expect of it."""
    before = dict(labels)
    assert expected == relabel(labels, rules(*given))
    assert before == labels


@given(st.text(), st.integers(1, 10_000))
def test_hashmod_shards_as_prometheus_does(value: str, modulus: int) -> None:
    """A target's shard is the last eight bytes of its MD5, so that a fleet of both divides targets alike."""
    rule = rules({"source_labels": ["a"], "target_label": "shard", "modulus": modulus, "action": "hashmod"})
    shard = int(hashlib.md5(value.encode()).hexdigest()[16:], 16) % modulus
    assert str(shard) == (relabel({"a": value}, rule) or {}).get("shard")


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_no_rules_change_nothing_but_empty_labels(labels: dict[str, str]) -> None:
    """An empty label is no label, whatever the rules."""
    assert {name: value for name, value in labels.items() if value} == relabel(labels, [])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"action": "hashmod", "target_label": "a"}, "relabel configuration for hashmod requires non-zero modulus"),
        ({"action": "replace"}, "relabel configuration for replace action requires 'target_label' value"),
        (
            {"action": "lowercase", "target_label": "a", "replacement": "x"},
            "'replacement' can not be set for lowercase action",
        ),
        ({"action": "labelmap", "replacement": ""}, "'' is invalid 'replacement' for labelmap action"),
        (
            {"action": "labeldrop", "source_labels": ["a"]},
            "labeldrop action requires only 'regex', and no other fields",
        ),
        (
            {"action": "keepequal", "target_label": "a", "regex": "x"},
            "keepequal action requires only 'source_labels' and `target_label`, and no other fields",
        ),
    ],
)
def test_a_malformed_rule_says_what_is_wrong(given: dict[str, Any], problem: str) -> None:
    """A rule that Prometheus refuses is refused in its words."""
    assert problem == rules(given)[0].problem()


def test_every_action_is_applied() -> None:
    """No action falls through to doing nothing without being tested here."""
    assert 11 == len(Action)


def test_classic_names_alone_are_made_where_only_they_are_taken() -> None:
    """In a job of the legacy scheme, a rule whose target is no classic name does nothing."""
    rule = RelabelRule(source_labels=("a",), target_label="x-${1}")
    assert {"a": "b", "x-b": "b"} == relabel({"a": "b"}, [rule])
    assert {"a": "b"} == relabel({"a": "b"}, [rule], legacy=True)
