"""Alerting rules: the result of an expression → alerts with a life of their own (state.py) and the series that show it.

The templates of labels and annotations are parsed once; one that fails when rendered leaves its error as the text.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from common.errors import TocsinError
from common.labels import METRIC_NAME, Labels
from common.logs import facts
from ruler.model.alert import ALERT_NAME
from ruler.model.arrays import IntArray
from ruler.model.table import LabelTable
from ruler.rule.config import AlertConfig, Pairs
from ruler.rule.errors import RuleError
from ruler.rule.outbox import Outbox
from ruler.rule.output import Output
from ruler.rule.rows import Ask, vector_of
from ruler.rule.state import ActiveAlert, AlertState, Policy, Seen, advance, needs_sending
from ruler.rule.status import AlertStatus, RuleKind, RuleStatus
from ruler.storage import REFUSED, Claim
from ruler.template import Template, TemplateData

log = logging.getLogger("rule")

_WORST_FIRST = (AlertState.FIRING, AlertState.PENDING, AlertState.INACTIVE)


class AlertingRule:
    """An AlertingRule owns the alerts that its expression gives. Evaluated by one thread at a time."""

    def __init__(self, config: AlertConfig, ask: Ask, output: Output, outbox: Outbox, interval: int) -> None:
        self.config, self.output = config, output
        self.active: dict[Labels, ActiveAlert] = {}
        self._ask, self._outbox, self._interval = ask, outbox, interval
        self._policy = Policy(config.hold, config.keep_firing_for)
        self._labels = self._templates(config.labels)
        self._annotations = self._templates(config.annotations)
        self._query = str(config.expr)
        self._url = outbox.url_of(self._query)
        self._shown: list[tuple[Labels, AlertState]] = []
        self._shown_ids: IntArray = np.zeros(0, dtype=np.int64)
        self._ids: dict[tuple[Labels, AlertState | None], int] = {}
        self._refused_at: int | None = None  # how often room for series had appeared when some were refused

    def evaluate(self, due: int, time: int, limit: int) -> int:
        """Evaluate at `time`, the data's time of the tick `due`: alerts step on, are sent and shown; samples shown."""
        table, values = vector_of(self._ask(self.config.expr, time).value)
        if not len(table) and not self.active:
            self.output.clear(due, time)
            return 0
        self.active = advance(self.active, self._seen(table, values.tolist(), due), due, self._policy)
        current = [alert for alert in self.active.values() if alert.state is not AlertState.INACTIVE]
        if 0 < limit < len(current):
            self.active = {}
            raise RuleError(f"exceeded limit of {limit} with {len(current)} alerts")
        self._send(due)
        self._show(current, due, time)
        return 2 * len(current)

    def _seen(self, table: LabelTable, values: list[float], ts: int) -> dict[Labels, Seen]:
        seen: dict[Labels, Seen] = {}
        for sample, value in zip(table.all_labels(), values, strict=True):
            data = TemplateData(
                labels=sample,
                value=value,
                external_labels=self._outbox.external_labels,
                external_url=self._outbox.external_url,
                query=lambda text: self._ask(text, ts),
                now=ts,
            )
            rendered = {name: self._rendered(template, data) for name, template in self._labels}
            labels = sample.replacing({METRIC_NAME: "", **rendered, ALERT_NAME: self.config.name})
            if labels in seen:
                raise RuleError("vector contains metrics with the same labelset after applying alert labels")
            annotations = {name: self._rendered(template, data) for name, template in self._annotations}
            seen[labels] = Seen(value, Labels(annotations))
        return seen

    def _rendered(self, template: Template, data: TemplateData) -> str:
        try:
            return template.render(data)
        except TocsinError as error:
            log.warning("expanding alert template failed", extra=facts(alert=self.config.name, error=error))
            return f"<error expanding template: {error}>"

    def _templates(self, texts: Pairs) -> list[tuple[str, Template]]:
        return [(key, Template(f"__alert_{self.config.name}", text)) for key, text in texts]

    def _send(self, ts: int) -> None:
        due = [alert for alert in self.active.values() if needs_sending(alert, ts)]
        for alert in due:
            self.active[alert.labels] = replace(alert, last_sent_at=ts)
        self._outbox.send(due, ts, self._interval, self._url)

    def _show(self, current: list[ActiveAlert], due: int, time: int) -> None:
        """Write ALERTS and ALERTS_FOR_STATE of the pending and firing alerts."""
        shown = [(alert.labels, alert.state) for alert in current]
        if shown != self._shown or (self._refused_at is not None and self.output.openings() != self._refused_at):
            self._shown, self._shown_ids = shown, self._series_of(shown)
        values = np.ones(2 * len(current))
        values[len(current) :] = [alert.active_at // 1000 for alert in current]
        self.output.write(due, time, self._shown_ids, values)

    def _series_of(self, shown: list[tuple[Labels, AlertState]]) -> IntArray:
        wanted: list[tuple[Labels, AlertState | None]] = [*shown, *((labels, None) for labels, _ in shown)]
        new = [key for key in wanted if key not in self._ids]
        if new:
            minted = self.output.mint([_series(labels, state) for labels, state in new], Claim.ALERT).tolist()
            self._ids.update(zip(new, minted, strict=True))
        ids = np.array([self._ids[key] for key in wanted], dtype=np.int64)
        self._ids = {key: self._ids[key] for key in wanted if self._ids[key] != REFUSED}
        self._refused_at = None if len(self._ids) == len(wanted) else self.output.openings()
        return ids

    def describe(self) -> RuleStatus:
        """The rule as it was written, with the alerts that it has now."""
        config = self.config
        alerts = tuple(
            AlertStatus(
                labels=alert.labels,
                annotations=alert.annotations,
                state=alert.state,
                active_at=alert.active_at,
                value=alert.value,
                fired_at=alert.fired_at,
                keep_firing_since=alert.keep_firing_since,
            )
            for alert in self.active.values()
            if alert.state is not AlertState.INACTIVE
        )
        states = {alert.state for alert in alerts}
        return RuleStatus(
            kind=RuleKind.ALERTING,
            name=config.name,
            query=self._query,
            labels=Labels(config.labels),
            state=next((state for state in _WORST_FIRST if state in states), AlertState.INACTIVE),
            duration=config.hold,
            keep_firing_for=config.keep_firing_for,
            annotations=Labels(config.annotations),
            alerts=alerts,
        )


def _series(labels: Labels, state: AlertState | None) -> Labels:
    if state is None:
        return labels.replacing({METRIC_NAME: "ALERTS_FOR_STATE"})
    return labels.replacing({METRIC_NAME: "ALERTS", "alertstate": state.value})
