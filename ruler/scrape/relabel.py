"""Relabelling: Prometheus's eleven actions as one pure function, labels in, labels or nothing out.

Expressions are RE2 and anchored; templates are Go's (`$1`, `${1}`, `$name`, `$$`). A rule that is malformed never gets
here: config.py checks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from common.config import Settings
from common.labels import is_label_name
from ruler.model.golang import expand
from ruler.model.matcher import compile_regex

EVERYTHING = "(.*)"
WHOLE_MATCH = "$1"


class Action(StrEnum):
    """What a rule does; upper and lower case are the same."""

    REPLACE = "replace"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"
    KEEP = "keep"
    DROP = "drop"
    KEEPEQUAL = "keepequal"
    DROPEQUAL = "dropequal"
    HASHMOD = "hashmod"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"

    @classmethod
    def _missing_(cls, value: object) -> Action | None:
        lower = str(value).lower()
        return next((action for action in cls if action.value == lower), None)


_WRITERS = frozenset(
    (Action.REPLACE, Action.HASHMOD, Action.LOWERCASE, Action.UPPERCASE, Action.KEEPEQUAL, Action.DROPEQUAL)
)
_LEGACY_TARGET = re.compile(r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+\Z")


class RelabelRule(Settings, frozen=True):
    """A RelabelRule changes one label set, or drops it."""

    action: Action = Action.REPLACE
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = EVERYTHING
    modulus: int = 0
    target_label: str = ""
    replacement: str = WHOLE_MATCH

    def problem(self, *, legacy: bool = False) -> str:
        """What is wrong with this rule, in Prometheus's words; empty when it can be applied.

        `legacy` is for jobs whose names must be of the classic kind.
        """
        action = self.action
        if self.modulus < 0:
            return f"'modulus' must not be negative: {self.modulus}"
        if action is Action.HASHMOD and not self.modulus:
            return "relabel configuration for hashmod requires non-zero modulus"
        if action in _WRITERS and not self.target_label:
            return f"relabel configuration for {action} action requires 'target_label' value"
        if legacy and action in _WRITERS and not self._is_legacy_target(self.target_label):
            return f"{self.target_label!r} is invalid 'target_label' for {action} action"
        default = RelabelRule()
        fixed = action in (Action.LOWERCASE, Action.UPPERCASE, Action.KEEPEQUAL, Action.DROPEQUAL)
        if fixed and self.replacement != default.replacement:
            return f"'replacement' can not be set for {action} action"
        if action is Action.LABELMAP and (
            not self.replacement or (legacy and not _LEGACY_TARGET.match(self.replacement))
        ):
            return f"{self.replacement!r} is invalid 'replacement' for {action} action"
        extra = self.modulus or self.separator != default.separator or self.replacement != default.replacement
        if action in (Action.KEEPEQUAL, Action.DROPEQUAL) and (extra or self.regex != default.regex):
            return f"{action} action requires only 'source_labels' and `target_label`, and no other fields"
        if action in (Action.LABELDROP, Action.LABELKEEP) and (extra or self.source_labels or self.target_label):
            return f"{action} action requires only 'regex', and no other fields"
        return ""

    def _is_legacy_target(self, target: str) -> bool:
        if self.action is Action.REPLACE and "$" in target:
            return _LEGACY_TARGET.match(target) is not None
        return is_label_name(target)


def relabel(labels: Mapping[str, str], rules: Sequence[RelabelRule], *, legacy: bool = False) -> dict[str, str] | None:
    """`labels` after all `rules`, or None when one of them drops the set. A label set to nothing is removed.

    With `legacy`, `replace` does nothing where the name that it makes is not of the classic kind.
    """
    result = dict(labels)
    for rule in rules:
        if not _apply(rule, result, legacy=legacy):
            return None
    return {name: value for name, value in result.items() if value}


def _apply(rule: RelabelRule, labels: dict[str, str], *, legacy: bool) -> bool:
    """Apply one rule in place; False drops the set."""
    value = rule.separator.join(labels.get(name, "") for name in rule.source_labels)
    match rule.action:
        case Action.KEEP:
            return _match(rule, value) is not None
        case Action.DROP:
            return _match(rule, value) is None
        case Action.KEEPEQUAL:
            return labels.get(rule.target_label, "") == value
        case Action.DROPEQUAL:
            return labels.get(rule.target_label, "") != value
        case Action.REPLACE:
            _replace(rule, labels, value, legacy=legacy)
        case Action.LOWERCASE:
            labels[rule.target_label] = value.lower()
        case Action.UPPERCASE:
            labels[rule.target_label] = value.upper()
        case Action.HASHMOD:
            digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
            labels[rule.target_label] = str(int.from_bytes(digest[8:], "big") % rule.modulus)
        case Action.LABELMAP:
            for name, mapped in sorted(labels.items()):
                if mapped and (match := _match(rule, name)):
                    labels[expand(rule.replacement, match)] = mapped
        case Action.LABELDROP | Action.LABELKEEP:
            gone = rule.action is Action.LABELDROP
            for name in [name for name in labels if (_match(rule, name) is not None) is gone]:
                del labels[name]
    return True


def _replace(rule: RelabelRule, labels: dict[str, str], value: str, *, legacy: bool) -> None:
    match = _match(rule, value)
    if match is None:
        return
    target = expand(rule.target_label, match)
    if target and (not legacy or is_label_name(target)):
        labels[target] = expand(rule.replacement, match)


def _match(rule: RelabelRule, value: str) -> Any:
    return compile_regex(rule.regex).match(value)
