"""What the ruler shows of its rules: frozen, replaced whole after each evaluation, read by any thread; times in ms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from common.labels import Labels
from ruler.rule.state import AlertState


class RuleHealth(StrEnum):
    """What became of a rule's last evaluation."""

    UNKNOWN = "unknown"
    OK = "ok"
    ERR = "err"


class RuleKind(StrEnum):
    """The two kinds of rules, in the API's words."""

    ALERTING = "alerting"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """An AlertStatus shows a pending or firing alert."""

    labels: Labels
    annotations: Labels
    state: AlertState
    active_at: int
    value: float
    fired_at: int | None = None
    keep_firing_since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStatus:
    """A RuleStatus shows a rule; what only an alerting rule has is empty in a recording one.

    `evaluation_time` is how many seconds its last evaluation took; `last_evaluation` is None before the first.
    """

    kind: RuleKind
    name: str
    query: str
    labels: Labels
    health: RuleHealth = RuleHealth.UNKNOWN
    last_error: str = ""
    evaluation_time: float = 0.0
    last_evaluation: int | None = None
    state: AlertState = AlertState.UNKNOWN
    duration: int = 0
    keep_firing_for: int = 0
    annotations: Labels = Labels()  # noqa: RUF009  (immutable)
    alerts: tuple[AlertStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A GroupStatus shows a group and its rules, in the order of their evaluation."""

    name: str
    file: str
    interval: int
    limit: int
    query_offset: int
    rules: tuple[RuleStatus, ...]
    evaluation_time: float = 0.0
    last_evaluation: int | None = None
