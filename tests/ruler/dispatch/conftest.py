"""A dispatcher on a clock of its own, and a test's words for it: `at(1).firing(…)`, `between(2, 3).want(…)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from common.config import parse_yaml
from common.labels import Labels
from ruler.dispatch.config import RouteSettings, build_route
from ruler.dispatch.dispatcher import Dispatcher
from ruler.dispatch.route import Route
from ruler.model.alert import Alert, Notification

STEP = 500  # ms between two ticks


def routes_of(text: str, receivers: str = "a b c d e") -> Route:
    """The tree that a `route:` block describes."""
    document = parse_yaml(text, "tocsin.yml")
    return build_route(document.decode(RouteSettings), receivers.split(), document, ())


def alert_of(name: str, starts_at: int, ends_at: int, now: int, **labels: str) -> Alert:
    return Alert(Labels({"alertname": name, **labels}), Labels(), starts_at, ends_at, now)


@dataclass(frozen=True)
class Told:
    """What a receiver was told: the `x` labels of what fires and of what resolved."""

    at: float
    receiver: str
    firing: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()


class World:
    """A World runs a dispatcher through a script; times are seconds."""

    def __init__(self, routes: str) -> None:
        self.told: list[Told] = []
        self.handed: list[Notification] = []
        self.fails: Callable[[Notification], bool | None] = lambda _notification: False  # None: no answer yet
        self.pending: list[Future[bool]] = []
        self.registry = CollectorRegistry()
        self.dispatcher = Dispatcher(routes_of(routes), self._notify, self.registry)
        self._script: list[tuple[int, Callable[[int], None]]] = []
        self._wanted: list[tuple[float, float, tuple[Told, ...]]] = []

    def at(self, seconds: float) -> Moment:
        return Moment(self._script, self.dispatcher, round(seconds * 1000))

    def between(self, start: float, end: float) -> Interval:
        return Interval(self._wanted, start, end)

    def run(self, seconds: float) -> None:
        """Play the script, and check that what was told is what was wanted, and nothing else."""
        for now in range(0, round(seconds * 1000) + 1, STEP):
            for time, action in self._script:
                if now - STEP < time <= now:
                    action(now)
            self.dispatcher.tick(now)
        wanted = [told for _, _, all_told in self._wanted for told in all_told]
        assert [(each.receiver, each.firing, each.resolved) for each in wanted] == [
            (each.receiver, each.firing, each.resolved) for each in self.told
        ], self.told
        late = [
            told
            for (start, end, all_told), told in zip(self._spread(), self.told, strict=True)
            if not start <= told.at <= end
        ]
        assert [] == late

    def _spread(self) -> Iterator[tuple[float, float, Told]]:
        for start, end, all_told in self._wanted:
            for told in all_told:
                yield start, end, told

    def _notify(self, notification: Notification) -> Future[bool]:
        names: dict[bool, list[str]] = {False: [], True: []}
        for alert in notification.alerts:
            names[alert.resolved(notification.now)].append(alert.labels.get("x", alert.name))
        at = notification.now / 1000
        self.told.append(Told(at, notification.receiver, tuple(names[False]), tuple(names[True])))
        self.handed.append(notification)
        future: Future[bool] = Future()
        failed = self.fails(notification)
        if failed is None:
            self.pending.append(future)
        else:
            future.set_result(not failed)
        return future


@dataclass
class Moment:
    script: list[tuple[int, Callable[[int], None]]]
    dispatcher: Dispatcher
    time: int

    def firing(self, name: str, since: float | None = None, lasts: float = 3600, **labels: str) -> None:
        starts_at = self.time if since is None else round(since * 1000)
        self._send(alert_of(name, starts_at, self.time + round(lasts * 1000), self.time, **labels))

    def resolved(self, name: str, since: float = 0, **labels: str) -> None:
        self._send(alert_of(name, round(since * 1000), self.time, self.time, **labels))

    def posted(self, name: str, **labels: str) -> None:
        """As a client of the API sends it: without an end."""
        self._send(alert_of(name, self.time, 0, self.time, **labels))

    def routes(self, text: str) -> None:
        self.script.append((self.time, lambda _now: self.dispatcher.apply(routes_of(text))))

    def does(self, action: Callable[[int], None]) -> None:
        self.script.append((self.time, action))

    def _send(self, alert: Alert) -> None:
        self.script.append((self.time, lambda _now: self.dispatcher.send([alert])))


@dataclass
class Interval:
    wanted: list[tuple[float, float, tuple[Told, ...]]]
    start: float
    end: float

    def want(self, receiver: str, firing: str = "", resolved: str = "") -> Interval:
        told = Told(0, receiver, tuple(firing.split()), tuple(resolved.split()))
        self.wanted.append((self.start, self.end, (told,)))
        return self


@pytest.fixture
def world() -> Callable[[str], World]:
    return World


@pytest.fixture
def routes() -> Callable[..., Route]:
    return routes_of
