"""A rule's alerts on their way to the sink: with the ruler's external labels, a link to the expression, and an end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote_plus

from common.labels import Labels
from ruler.model.alert import Alert, AlertSink
from ruler.rule.state import ActiveAlert, AlertState, valid_until


@dataclass(frozen=True, slots=True)
class Outbox:
    """An Outbox knows where alerts go and what every alert of this ruler says of it."""

    sink: AlertSink
    external_labels: Labels
    external_url: str

    def url_of(self, expr: str) -> str:
        """Where the ruler shows this expression."""
        return f"{self.external_url}/graph?g0.expr={quote_plus(expr)}&g0.tab=1"

    def send(self, alerts: Iterable[ActiveAlert], ts: int, interval: int, url: str) -> None:
        """Say that these alerts fire, for as long as a group of this interval may need to say it again, or are over."""
        self._send(alerts, ts, valid_until(ts, interval), url)

    def resolve(self, alerts: Iterable[ActiveAlert], ts: int) -> None:
        """Say that those of these alerts that fire are over: their rule is gone."""
        self._send((alert for alert in alerts if alert.state is AlertState.FIRING), ts, ts, "")

    def _send(self, alerts: Iterable[ActiveAlert], ts: int, ends_at: int, url: str) -> None:
        outgoing = [
            Alert(
                labels=Labels({**self.external_labels, **alert.labels}),
                annotations=alert.annotations,
                starts_at=alert.active_at if alert.fired_at is None else alert.fired_at,
                ends_at=ends_at if alert.resolved_at is None else alert.resolved_at,
                updated_at=ts,
                generator_url=url,
                value=alert.value,
            )
            for alert in alerts
        ]
        if outgoing:
            self.sink.send(outgoing)
