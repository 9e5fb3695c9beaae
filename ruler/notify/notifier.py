"""The notifier: takes notifications, and tells every destination of their receiver, each in its own lane."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from prometheus_client import CollectorRegistry

from common.logs import facts
from ruler.database import Database
from ruler.model.alert import Muter, Notification
from ruler.notify.lane import Job, Lane
from ruler.notify.log import NotificationLog
from ruler.notify.metrics import NotifyMetrics
from ruler.notify.pipeline import Pipeline
from ruler.notify.receiver import Destination, Receiver

CLOSE_SECONDS = 3.0

log = logging.getLogger("notify")


class Notifier:
    """A Notifier delivers notifications without ever making who hands them over wait."""

    def __init__(
        self,
        receivers: Sequence[Receiver],
        muters: Sequence[Muter],
        database: Database,
        registry: CollectorRegistry,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._metrics = NotifyMetrics(registry)
        self._log = NotificationLog(database)
        self._pipeline = Pipeline(muters, self._log, self._metrics)
        self._chance = chance
        self._lock = threading.Lock()  # orders apply and close; readers take the tuple and the dict as they are
        self._receivers: tuple[Receiver, ...] = ()
        self._lanes: dict[str, dict[str, Lane]] = {}  # by receiver, then by destination
        self.apply(receivers)

    @property
    def receivers(self) -> tuple[Receiver, ...]:
        return self._receivers

    def notify(self, notification: Notification) -> Future[bool]:
        """Tell the receiver; returns at once. The future says whether every destination was told."""
        lanes = self._lanes.get(notification.receiver, {})
        outcome: Future[bool] = Future()
        if not lanes:
            log.error("no such receiver", extra=facts(receiver=notification.receiver, group=notification.group_key))
            outcome.set_result(False)
            return outcome
        tally = _Tally(len(lanes), outcome)
        for lane in lanes.values():
            lane.put(Job(notification, tally.teller(), due=notification.now))
        return outcome

    def tick(self, now: int) -> None:
        """Let time pass: retries fall due, deadlines end. Returns at once."""
        for lanes in self._lanes.values():
            for lane in lanes.values():
                lane.tick(now)
        self._log.tick(now)

    def apply(self, receivers: Sequence[Receiver]) -> None:
        """Tell these receivers from now on; what waits for a destination that stays goes on waiting."""
        with self._lock:
            before, lanes = self._lanes, {}
            for receiver in receivers:
                known = before.get(receiver.name, {})
                lanes[receiver.name] = {
                    each.id: self._lane(receiver.name, each, known) for each in receiver.destinations
                }
            self._receivers, self._lanes = tuple(receivers), lanes
        kept = {id(lane) for by_id in lanes.values() for lane in by_id.values()}
        for by_id in before.values():
            for lane in by_id.values():
                if id(lane) not in kept:
                    lane.close()
        self._metrics.show(self._receivers)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Give up what waits, and wait this long for what is on its way."""
        with self._lock:
            lanes = [lane for by_id in self._lanes.values() for lane in by_id.values()]
        threads = [thread for lane in lanes if (thread := lane.close()) is not None]
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _lane(self, receiver: str, destination: Destination, known: dict[str, Lane]) -> Lane:
        lane = known.get(destination.id)
        if lane is None:
            return Lane(receiver, destination, self._pipeline, self._metrics, self._chance)
        lane.destination = destination
        return lane


class _Tally:
    """Turns the outcomes of all lanes into one."""

    def __init__(self, lanes: int, outcome: Future[bool]) -> None:
        self._lock = threading.Lock()
        self._left, self._all_told, self._outcome = lanes, True, outcome

    def teller(self) -> Callable[[bool], None]:
        """What one lane calls; its first word counts."""
        spoken = False

        def settle(told: bool) -> None:
            nonlocal spoken
            with self._lock:
                if spoken:
                    return
                spoken = True
                self._left -= 1
                self._all_told = self._all_told and told
                last = self._left == 0
            if last:
                self._outcome.set_result(self._all_told)

        return settle
