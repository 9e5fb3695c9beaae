"""Which rule of one time is which rule of another, across a reload or a restart."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from ruler.rule.config import Pairs, RuleConfig


@dataclass(frozen=True, slots=True)
class RuleIdentity:
    """A RuleIdentity is what a rule is recognised by: name and labels, and the expression where several share them."""

    name: str  # after its kind and a colon
    labels: str
    expr: str

    @property
    def recorded_or_alert(self) -> str:
        """The name as the file has it."""
        return self.name.partition(":")[2]


def identity(config: RuleConfig) -> RuleIdentity:
    """What this rule will be recognised by."""
    digest = hashlib.blake2b(str(config.expr).encode(), digest_size=16).hexdigest()
    return RuleIdentity(f"{type(config).__name__}:{config.name}", _written(config.labels), digest)


def matches(old: Sequence[RuleIdentity], new: Sequence[RuleIdentity]) -> list[int | None]:
    """For each new rule, the place of the old one that it continues.

    The same rule first; then one of the same name and labels with another expression (Prometheus goes by these alone).
    Among equals, the first continues the first, the second the second.
    """
    found: list[int | None] = [None] * len(new)
    free = dict(enumerate(old))
    for key in (_exactly, _loosely):
        places: dict[RuleIdentity | tuple[str, str], deque[int]] = defaultdict(deque)
        for place, candidate in free.items():
            places[key(candidate)].append(place)
        for place, wanted in enumerate(new):
            if found[place] is None and places[key(wanted)]:
                found[place] = places[key(wanted)].popleft()
        taken = set(found)
        free = {place: candidate for place, candidate in free.items() if place not in taken}
    return found


def _exactly(rule: RuleIdentity) -> RuleIdentity | tuple[str, str]:
    return rule


def _loosely(rule: RuleIdentity) -> RuleIdentity | tuple[str, str]:
    return rule.name, rule.labels


def _written(labels: Pairs) -> str:
    return json.dumps(labels, ensure_ascii=False)
