"""The route block: each mistake has its file, line and sentence."""

from __future__ import annotations

import pytest

from common.config import parse_yaml
from common.errors import ConfigError
from ruler.dispatch.config import GlobalSettings, RouteSettings, build_route


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("group_wait: 1s", "t.yml:1: the root route must name a receiver"),
        (
            "receiver: a\nmatchers: [x=y]",
            "t.yml:2: matchers: the root route takes every alert and must not have matchers",
        ),
        ("receiver: a\nmatch: {x: y}", "t.yml:2: match: the root route takes every alert and must not have matchers"),
        ("receiver: a\ncontinue: true", "t.yml:2: continue: the root route cannot continue: nothing comes after it"),
        ("receiver: z", "t.yml:1: receiver: undefined receiver: 'z'"),
        (
            "receiver: a\nroutes:\n- receiver: a\n  routes:\n  - receiver: z",
            "t.yml:5: routes[0].routes[0].receiver: undefined receiver: 'z'",
        ),
        ("receiver: a\ngroup_by: [x, y, x]", "t.yml:2: group_by[2]: label given twice: 'x'"),
        ("receiver: a\ngroup_by: [x, '...']", "t.yml:2: group_by: '...' already stands for all labels: name no others"),
        ("receiver: a\ngroup_interval: 0s", "t.yml:2: group_interval: cannot be zero"),
        ("receiver: a\nrepeat_interval: 0s", "t.yml:2: repeat_interval: cannot be zero"),
        (
            "receiver: a\nroutes:\n- matchers:\n  - x=y\n  - oops",
            "t.yml:5: routes[0].matchers[1]: bad matcher format: oops",
        ),
        (
            "receiver: a\nroutes:\n- match_re: {x: '('}",
            "t.yml:3: routes[0].match_re.x: error parsing regexp: missing closing ): `(`",
        ),
        (
            "receiver: a\nmute_time_intervals: [night]",
            "t.yml:2: mute_time_intervals: unknown key 'mute_time_intervals'",
        ),
        ("receiver: a\ngroup_wait: soon", "t.yml:2: group_wait: not a valid duration string: 'soon'"),
    ],
)
def test_a_mistake_is_named(text, error):
    """Each mistake of a route is an error with file, line, place and value."""
    document = parse_yaml(text, "t.yml")
    with pytest.raises(ConfigError) as caught:
        build_route(document.decode(RouteSettings), ["a"], document, ())
    assert str(caught.value).startswith(error)


def test_resolve_timeout_has_alertmanagers_default():
    """Five minutes, unless the global block says otherwise."""
    assert 300_000 == GlobalSettings().resolve_timeout
    assert 60_000 == parse_yaml("resolve_timeout: 1m").decode(GlobalSettings).resolve_timeout
