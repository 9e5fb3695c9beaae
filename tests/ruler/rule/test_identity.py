"""The laws of recognising rules across a reload."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ruler.rule.identity import RuleIdentity, matches

IDENTITIES = st.builds(RuleIdentity, *(st.sampled_from("ab") for _ in range(3)))


def rules(*texts: str) -> list[RuleIdentity]:
    return [RuleIdentity(*text.split()) for text in texts]


def test_the_same_rule_wins_over_a_like_one() -> None:
    """A rule continues the one with its expression, wherever that stood, before one with only its name and labels."""
    assert [1, 0] == matches(rules("up {} a", "up {} b"), rules("up {} b", "up {} a"))


def test_a_changed_expression_continues_the_rule() -> None:
    """A rule whose expression was edited goes on as the same rule."""
    assert [0, None] == matches(rules("up {} a"), rules("up {} b", "up {x} a"))


def test_equal_rules_pair_in_order() -> None:
    """Of equal rules, the first continues the first."""
    assert [0, 1, None] == matches(rules("up {} a", "up {} a"), rules("up {} a", "up {} a", "up {} a"))


@given(st.lists(IDENTITIES), st.lists(IDENTITIES))
def test_no_rule_is_continued_twice(old: list[RuleIdentity], new: list[RuleIdentity]) -> None:
    """Each old rule is continued at most once, by a rule of its name and labels; none that could be is left."""
    found = matches(old, new)
    taken = [place for place in found if place is not None]
    assert len(set(taken)) == len(taken)
    for wanted, place in zip(new, found, strict=True):
        like = {at for at, rule in enumerate(old) if (rule.name, rule.labels) == (wanted.name, wanted.labels)}
        assert place in like if place is not None else like <= set(taken)


@given(st.lists(IDENTITIES))
def test_an_unchanged_group_continues_itself(group: list[RuleIdentity]) -> None:
    """A group that did not change continues rule by rule."""
    assert list(range(len(group))) == matches(group, group)
