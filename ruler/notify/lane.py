"""A lane for each destination, so that a slow or dead one delays nobody else: the queue, the retries, the deadline.

A thread works on a lane only while something in it is due. Time comes in through `tick`; between two ticks it stands
still, so a retry happens at the first tick after its pause.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from common.durations import SECOND
from common.errors import DeliveryError
from common.logs import facts
from ruler.model.alert import Notification
from ruler.notify.metrics import FailureReason, NotifyMetrics
from ruler.notify.pipeline import Delivery, Pipeline
from ruler.notify.receiver import Destination

FIRST_PAUSE = SECOND // 2
LONGEST_PAUSE = 60 * SECOND
MAX_WAITING = 10_000
LATE_LINES = 10  # log lines for what one tick gives up

log = logging.getLogger("notify")


@dataclass(slots=True)
class Job:
    """A Job is a notification that this destination has yet to hear of; `settle` says, once, whether it has."""

    notification: Notification
    settle: Callable[[bool], None]
    due: int
    attempt: int = 1
    failure: FailureReason = FailureReason.DEADLINE
    problem: str = "no attempt was made in time"

    @property
    def deadline(self) -> int:
        return self.notification.now + self.notification.timeout


class Lane:
    """A Lane is the queue of one destination: at most one notification, the newest, for each group."""

    def __init__(
        self,
        receiver: str,
        destination: Destination,
        pipeline: Pipeline,
        metrics: NotifyMetrics,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.receiver, self.destination = receiver, destination
        self._pipeline, self._metrics, self._chance = pipeline, metrics, chance
        self._lock = threading.Lock()
        self._waiting: dict[str, Job] = {}  # by group key
        self._running: Job | None = None
        self._thread: threading.Thread | None = None
        self._now = 0
        self._closed = False

    def put(self, job: Job) -> None:
        """Queue a job; an older one for the same group has become moot."""
        group = job.notification.group_key
        with self._lock:
            self._now = max(self._now, job.notification.now)
            moot = self._waiting.get(group)
            refused = self._closed or (moot is None and len(self._waiting) >= MAX_WAITING)
            if not refused:
                self._waiting[group] = job
                self._work_if_due()
        if moot is not None and not refused:
            moot.settle(False)
        if refused:
            job.problem, job.failure = f"{MAX_WAITING} notifications are waiting", FailureReason.OTHER
            self._give_up(job)

    def tick(self, now: int) -> None:
        """Give up what is past its deadline, and work on what is due."""
        with self._lock:
            self._now = now
            late = [job for job in self._waiting.values() if job.deadline <= now]
            for job in late:
                del self._waiting[job.notification.group_key]
            stuck = self._running if self._running and self._running.deadline <= now else None
            self._work_if_due()
        for number, job in enumerate(late):
            self._give_up(job, quietly=number >= LATE_LINES)
        if len(late) > LATE_LINES:
            log.error("and %d more", len(late) - LATE_LINES, extra=facts(receiver=self.receiver))
        if stuck is not None:
            stuck.settle(False)  # its group goes on; should it arrive after all, that is recorded

    def close(self) -> threading.Thread | None:
        """Give up what is waiting; the thread that still works, if any."""
        with self._lock:
            self._closed = True
            left, self._waiting = list(self._waiting.values()), {}
            thread = self._thread
        for job in left:
            job.settle(False)
        return thread

    def _work_if_due(self) -> None:
        if self._thread is None and any(job.due <= self._now for job in self._waiting.values()):
            self._thread = threading.Thread(target=self._work, name=f"notify {self.receiver}", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._attempt(job)

    def _next(self) -> Job | None:
        with self._lock:
            self._running = next((job for job in self._waiting.values() if job.due <= self._now), None)
            if self._running is None:
                self._thread = None
            else:
                del self._waiting[self._running.notification.group_key]
            return self._running

    def _attempt(self, job: Job) -> None:
        delivery = Delivery(job.notification, self.destination, self._now, job.attempt)
        try:
            done = self._pipeline.run(delivery)
        except DeliveryError as error:
            job.problem = str(error)
            job.failure = FailureReason.of(error.status)
            if error.permanent or not self._again(job):
                self._give_up(job)
        except Exception as error:  # the lane's boundary: a fault of ours must not end it
            log.exception("a notification failed by a fault of the program")
            job.problem, job.failure = repr(error), FailureReason.OTHER
            self._give_up(job)
        else:
            if done is not None:
                self._report(done)
            job.settle(True)

    def _again(self, job: Job) -> bool:
        """Queue a job for another attempt; False when nobody waits for it any more."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE << min(job.attempt - 1, 20))
        with self._lock:
            if self._closed or job.deadline <= self._now or job.notification.group_key in self._waiting:
                return False
            job.attempt += 1
            job.due = self._now + int(pause * (0.5 + self._chance()))
            self._waiting[job.notification.group_key] = job
        if job.attempt == 2:
            log.warning("a notification was not sent, and will be tried again", extra=self._facts(job, attempts=1))
        return True

    def _give_up(self, job: Job, *, quietly: bool = False) -> None:
        labels = (self.destination.transport.integration, self.receiver, job.failure.value)
        self._metrics.failed.labels(*labels).inc()
        if not quietly:
            log.error("a notification was given up", extra=self._facts(job, job.attempt))
        job.settle(False)

    def _facts(self, job: Job, attempts: int) -> dict[str, dict[str, object]]:
        return facts(
            receiver=self.receiver,
            to=self.destination.shown,
            group=job.notification.group_key,
            attempts=attempts,
            error=job.problem,
        )

    def _report(self, done: Delivery) -> None:
        now = done.notification.now
        resolved = sum(1 for alert in done.notification.alerts if alert.resolved(now))
        log.info(
            "notification sent",
            extra=facts(
                receiver=self.receiver,
                to=self.destination.shown,
                group=done.notification.group_key,
                reason=done.reason.value,
                firing=len(done.notification.alerts) - resolved,
                resolved=resolved,
                attempts=done.attempt,
                answer=done.answer,
            ),
        )
