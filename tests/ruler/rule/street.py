"""The rules of a ruler over a real database and engine, on a manual clock, and words to say what is expected of them.

Ticks are numbered: `street.at(3)` is the third tick of the group under test, however its offset falls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from prometheus_client import CollectorRegistry

from common.clock import ManualClock
from common.durations import MINUTE
from common.labels import Labels
from ruler.database import Database, open_database
from ruler.model.alert import Alert
from ruler.model.arrays import STALE, FloatArray, IntArray
from ruler.model.result import Scalar, Vector
from ruler.promql.engine import Engine
from ruler.rule.config import load_rules
from ruler.rule.manager import RuleManager
from ruler.rule.status import GroupStatus, RuleStatus
from ruler.schedule import Scheduler, offset
from ruler.tsdb.db import DB

T = TypeVar("T")
START = 1_700_000_040_000  # a whole number of minutes


class Pool(Executor):
    """A Pool runs work at once in the calling thread, or when it is let go after `hold`."""

    def __init__(self) -> None:
        self._held: list[Callable[[], None]] | None = None

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            future.set_result(fn(*args, **kwargs))

        if self._held is None:
            run()
        else:
            self._held.append(run)
        return future

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for run in held:
            run()


class Outgoing:
    """Outgoing is a sink that keeps what it was sent until it is asked."""

    def __init__(self) -> None:
        self._alerts: list[Alert] = []

    def send(self, alerts: Sequence[Alert]) -> None:
        self._alerts += alerts

    def take(self) -> list[Alert]:
        taken, self._alerts = self._alerts, []
        return taken


class Street:
    """A Street is one ruler's rules with all that they work with."""

    def __init__(self, directory: Path, interval: int = MINUTE, max_series: int = 0) -> None:
        self._directory, self.interval = directory, interval
        self.clock = ManualClock(START)
        self.db = DB.open(None, max_series=max_series)
        self.engine = Engine(self.db)
        self.pool, self.sink = Pool(), Outgoing()
        self._pushed: dict[str, tuple[Labels, float]] = {}
        self._pushes = self.db.stream("push", None)
        self._dead: list[Database] = []
        self._begin()

    def _begin(self) -> None:
        self.registry = CollectorRegistry()
        self.database = open_database(self._directory / "state.db")
        self.scheduler = Scheduler(self.clock)
        self.manager = RuleManager(
            engine=self.engine,
            storage=self.db,
            in_writer=lambda call: call(),
            sink=self.sink,
            database=self.database,
            scheduler=self.scheduler,
            registry=self.registry,
            pool=self.pool,
            external_url="http://ruler",
        )

    def close(self) -> None:
        self.manager.close()
        for database in (self.database, *self._dead):
            database.close()
        self._dead.clear()

    def restart(self) -> Street:
        """Begin anew with what was saved: samples and state."""
        self.close()
        self._begin()
        return self

    def crash(self) -> Street:
        """Begin anew with what was on the disk: the old life does not get to its end."""
        self._dead.append(self.database)
        self._begin()
        return self

    def rules(self, text: str, file: str = "rules.yml", **labels: str) -> Street:
        """Let the groups of this file, and no others, run; `labels` are the external ones."""
        path = self._directory / file
        path.write_text(text)
        loaded = self.manager.load(load_rules(path), interval=self.interval, external_labels=Labels(labels))
        self.manager.apply(loaded, self.clock.now())
        return self

    def key(self, group: str = "g", file: str = "rules.yml") -> str:
        """The name of a group in metrics."""
        return f"{self._directory / file};{group}"

    def tick_time(self, tick: float) -> int:
        """When the tick of that number is (ms)."""
        phase = offset(self.key(), self.interval)
        return int(START + phase + tick * self.interval)

    def at(self, tick: float) -> Street:
        """Stand at the tick of this number; groups are evaluated once `tick` is called."""
        self.clock.set(self.tick_time(tick))
        return self

    def push(self, name: str, value: float | None, **labels: str) -> Street:
        """Let a series have this value from just before this tick on; None ends it."""
        self._pushed[f"{name}{labels}"] = (Labels({"__name__": name, **labels}), STALE if value is None else value)
        return self

    def hold_back(self, name: str, **labels: str) -> Street:
        """Let a series get nothing from this tick on, as when its scrape is late."""
        self._pushed.pop(f"{name}{labels}", None)
        return self

    def tick(self) -> Street:
        """Write what was pushed, and evaluate what is due."""
        if self._pushed:
            ids: IntArray = self.db.series([labels for labels, _ in self._pushed.values()])
            values: FloatArray = np.array([value for _, value in self._pushed.values()], dtype=np.float64)
            now = self.clock.now()
            self._pushes.append(now, now - 1, ids, values)
            self._pushed = {key: pair for key, pair in self._pushed.items() if pair[1] == pair[1]}
        self.scheduler.run_due()
        self.database.write([]).result()
        return self

    def shows(self, query: str) -> dict[str, float]:
        """What a query gives now: each series as text, with its value."""
        value = self.engine.instant(query, self.clock.now()).value
        if isinstance(value, Scalar):
            return {"": value.value}
        assert isinstance(value, Vector)
        labels = [str(each) for each in value.table.all_labels()]
        return dict(sorted(zip(labels, value.values.tolist(), strict=True)))

    def group(self, name: str = "g") -> GroupStatus:
        return next(group for group in self.manager.groups() if group.name == name)

    def rule(self, name: str) -> RuleStatus:
        return next(rule for group in self.manager.groups() for rule in group.rules if rule.name == name)

    def alerts(self, name: str) -> dict[str, str]:
        """The state of each active alert of a rule, by its label `instance`."""
        return {alert.labels.get("instance", ""): alert.state.value for alert in self.rule(name).alerts}

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"prometheus_rule_{name}", labels or None)

    def sent(self) -> list[tuple[str, str, int, int]]:
        """What went to the sink since it was last asked: name, instance, start and end (ms)."""
        taken = self.sink.take()
        return [(each.name, each.labels.get("instance", ""), each.starts_at, each.ends_at) for each in taken]
