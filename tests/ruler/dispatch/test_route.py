"""Route trees: tables after Alertmanager's route_test.go, and laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.labels import Labels
from ruler.dispatch.route import Timing
from tests.ruler.dispatch.conftest import routes_of

TREE = """
receiver: a
routes:
- match: {owner: team-A}
  receiver: b
  group_by: [foo, bar]
  routes:
  - match: {env: testing}
    receiver: c
    group_by: ['...']
  - match: {env: production}
    receiver: d
    group_wait: 1m
    continue: true
  - match_re: {env: "produ.*"}
    receiver: e
    group_wait: 2m
    group_interval: 3m
    repeat_interval: 1h
- matchers: ['owner =~ "team-(B|C)"', 'env != "testing"']
  group_by: [foo]
  group_wait: 2m
  receiver: c
"""


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"owner": "team-A"}, "b"),
        ({"owner": "team-A", "env": "unset"}, "b"),
        ({"owner": "team-A", "env": "testing"}, "c"),
        ({"owner": "team-A", "env": "production"}, "d e"),
        ({"owner": "team-C"}, "c"),
        ({"owner": "team-C", "env": "testing"}, "a"),
        ({"owner": "team-D"}, "a"),
        ({}, "a"),
    ],
)
def test_where_alerts_stop(labels, receivers):
    """An alert stops at the deepest routes that match, the first one of siblings unless it continues."""
    assert receivers == " ".join(route.receiver for route in routes_of(TREE).match(Labels(labels)))


def test_a_route_has_from_above_what_it_leaves_out():
    """Receiver, grouping and timing are inherited; a child's own replace them."""
    root = routes_of(TREE)
    by_env = {env: root.match(Labels({"owner": "team-A", "env": env}))[-1] for env in ("x", "testing", "production")}
    assert frozenset(("foo", "bar")) == by_env["x"].group_by
    assert by_env["testing"].group_by is None
    assert Timing(120_000, 180_000, 3_600_000) == by_env["production"].timing
    assert frozenset(("foo", "bar")) == by_env["production"].group_by


def test_group_key_is_alertmanagers():
    """The group key is what Alertmanager would use, so that open incidents survive a change of system."""
    route = routes_of(TREE).match(Labels({"owner": "team-C"}))[0]
    labels = route.group_labels(Labels({"owner": "team-C", "foo": 'q"x', "other": "y"}))
    assert '{}/{env!="testing",owner=~"team-(B|C)"}:{foo="q\\"x"}' == route.group_key(labels)


def test_group_by_all_labels():
    """`...` makes every set of labels a group of its own."""
    route = routes_of("{receiver: a, group_by: ['...']}")
    labels = Labels({"x": "1", "y": "2"})
    assert labels == route.group_labels(labels)


def test_ids_are_unique():
    """Siblings with the same matchers share a key but not an id."""
    root = routes_of("{receiver: a, routes: [{match: {x: y}, continue: true}, {match: {x: y}}]}")
    assert ['{}/{x="y"}'] * 2 == [route.key for route in root.routes]
    assert 3 == len({route.id for route in root.walk()})


some_labels = st.dictionaries(
    st.sampled_from(["owner", "env", "foo"]),
    st.sampled_from(["team-A", "team-B", "testing", "production", "produce", ""]),
)
ROOT = routes_of(TREE)


@given(some_labels, some_labels)
def test_match_is_pure(labels, others):
    """The same labels always stop at the same routes, whatever was matched in between; and always somewhere."""
    first = ROOT.match(Labels(labels))
    ROOT.match(Labels(others))
    assert first == ROOT.match(Labels(labels))
    assert first
