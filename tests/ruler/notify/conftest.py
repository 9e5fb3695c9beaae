"""The way from alerts to people on a clock of its own, and a webhook at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common.errors import DeliveryError
from common.labels import Labels
from ruler.database import open_database
from ruler.dispatch.dispatcher import Dispatcher
from ruler.dispatch.route import Route, Timing
from ruler.model.alert import Alert, Notification
from ruler.notify.notifier import Notifier
from ruler.notify.receiver import Destination, Receiver
from tests.webhook import Webhook

ROUTE = Route("{}", "{}", "ops", frozenset(("alertname",)), Timing(1_000, 10_000, 60_000))


@dataclass
class Recorder:
    """A transport whose other side is this list; it answers as `answers` says, in turn, then well."""

    answers: list[DeliveryError | None] = field(default_factory=list)
    heard: list[tuple[float, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    attempts: int = 0
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)
    integration: str = "apprise"

    def send(self, notification: Notification) -> str:
        self.attempts += 1
        self.entered.set()
        if self.gate is not None:
            self.gate.wait(10)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        now = notification.now
        firing = tuple(alert.labels["x"] for alert in notification.alerts if not alert.resolved(now))
        resolved = tuple(alert.labels["x"] for alert in notification.alerts if alert.resolved(now))
        self.heard.append((now / 1000, firing, resolved))
        return "heard"


def destination(transport: Any, name: str = "one", *, send_resolved: bool = True) -> Destination:
    return Destination(name, name, transport, send_resolved)


class Street:
    """A Street runs dispatcher and notifier over one database file; times are seconds."""

    def __init__(
        self, path: Path, receivers: list[Receiver], muters: tuple[Any, ...] = (), route: Route = ROUTE
    ) -> None:
        self.database = open_database(path)
        self.registry = CollectorRegistry()
        self.notifier = Notifier(receivers, muters, self.database, self.registry, chance=lambda: 0.5)
        self.dispatcher = Dispatcher(route, self.notifier.notify, self.registry)
        self.now = 0

    def fire(self, *names: str, at: float, since: float = 0) -> None:
        """Alerts named by their label x, sent at one moment."""
        self._send(names, at, since, at + 3600)

    def resolve(self, *names: str, at: float, since: float = 0) -> None:
        self._send(names, at, since, at)

    def _send(self, names: tuple[str, ...], at: float, since: float, until: float) -> None:
        times = round(since * 1000), round(until * 1000), round(at * 1000)
        self.dispatcher.send([Alert(Labels({"alertname": "disk", "x": name}), Labels(), *times) for name in names])

    def run(self, start: float, end: float) -> None:
        """Let time pass, and wait at each tick for what it set going."""
        for now in range(round(start * 1000), round(end * 1000) + 1, 500):
            self.tick(now)

    def tick(self, now: int) -> None:
        self.dispatcher.tick(now)
        self.notifier.tick(now)
        self.rest()

    def rest(self) -> None:
        for lanes in self.notifier._lanes.values():
            for lane in lanes.values():
                if lane._thread is not None and getattr(lane.destination.transport, "gate", None) is None:
                    lane._thread.join(10)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"integration": "apprise", "receiver_name": "ops", **labels})

    def close(self) -> None:
        self.notifier.close()
        self.database.close()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Callable[..., Street]]:
    """Makes streets; all of a test share one database file, so making a second one is a restart."""
    made: list[Street] = []

    def make(*receivers: Receiver, **others: Any) -> Street:
        made.append(Street(tmp_path / "state.db", list(receivers), **others))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def sink() -> Iterator[Webhook]:
    webhook = Webhook()
    yield webhook
    webhook.close()
