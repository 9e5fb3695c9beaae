"""All groups of a ruler: loaded whole, then swapped; groups that did not change keep running, others hand over.

`load` does everything that can fail, in any thread. `apply` and `close` are called in the scheduler's thread, which may
be the writer's: they wait for nothing. A removed group is ended two of its intervals later, so that a group that goes
on with its series under another name has written them by then.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from common.labels import Labels
from common.logs import facts
from ruler.database import Database
from ruler.model.alert import AlertSink
from ruler.promql.engine import Engine
from ruler.rule.config import GroupConfig
from ruler.rule.durable import GroupStore, SavedGroup, saved_groups
from ruler.rule.group import Estate, Group, Terms, Workshop, active_labels, disowned, settle
from ruler.rule.metrics import RuleMetrics
from ruler.rule.outbox import Outbox
from ruler.rule.output import InWriter
from ruler.rule.status import GroupStatus
from ruler.schedule import Job, Run, Scheduler, offset
from ruler.storage import Appendable

log = logging.getLogger("rule")


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """LoadedRules are groups ready to run, those that go on unchanged among them, and what was saved of others."""

    groups: tuple[Group, ...]
    lost: tuple[tuple[str, str, SavedGroup], ...]
    outbox: Outbox


class RuleManager:
    """A RuleManager holds the groups of a ruler and sees to their ticks."""

    def __init__(
        self,
        *,
        engine: Engine,
        storage: Appendable,
        in_writer: InWriter,
        sink: AlertSink,
        database: Database,
        scheduler: Scheduler,
        registry: CollectorRegistry,
        pool: Executor,
        external_url: str,
    ) -> None:
        self._workshop = Workshop(engine, storage, in_writer, pool, RuleMetrics(registry))
        self._sink, self._external_url = sink, external_url
        self._database, self._scheduler, self._pool = database, scheduler, pool
        self._groups: dict[str, Group] = {}
        self._jobs: dict[str, Job] = {}
        self._ending: dict[str, Group] = {}
        self._restored = False

    def groups(self) -> tuple[GroupStatus, ...]:
        """What there is to see of every group, by file and name; from any thread."""
        return tuple(group.status for group in self._groups.values())

    def load(
        self,
        configs: Sequence[GroupConfig],
        *,
        interval: int,
        query_offset: int = 0,
        external_labels: Labels | None = None,
    ) -> LoadedRules:
        """Make ready the groups of these configs, which change nothing until they are applied.

        The first time, alerts that were saved before the ruler stopped are taken up.
        """
        outbox = Outbox(self._sink, external_labels or Labels(), self._external_url)
        saved = {} if self._restored else saved_groups(self._database)
        groups: dict[str, Group] = {}
        for config in sorted(configs, key=lambda each: (each.file, each.name)):
            if config.key in groups:  # two patterns found the same file
                continue
            offset_ = query_offset if config.query_offset is None else config.query_offset
            terms = Terms(config.interval or interval, offset_, outbox)
            running = self._groups.get(config.key)
            if running is not None and (running.config, running.terms) == (config, terms):
                groups[config.key] = running
                continue
            before = saved.pop((config.file, config.name), None)
            known = running or self._ending.get(config.key)
            store = known.store if known else GroupStore(self._database, config.file, config.name, before)
            group = groups[config.key] = Group(config, terms, self._workshop, store)
            if before is not None:
                group.restore(before)
        return LoadedRules(tuple(groups.values()), tuple((*key, each) for key, each in saved.items()), outbox)

    def apply(self, loaded: LoadedRules, now: int) -> None:
        """Let these groups run in place of those that run now."""
        old, self._groups = self._groups, {group.key: group for group in loaded.groups}
        self._restored = True
        for key, group in old.items():
            if key not in self._groups:
                self._end_later(group)
        for key, group in self._groups.items():
            before = old.get(key) or self._ending.pop(key, None)
            if before is not group:
                self._start(group, before)
        for file, name, saved in loaded.lost:
            settle(Estate(orphans=disowned(saved.rules)), now, now, loaded.outbox, self._active())
            GroupStore(self._database, file, name, saved).forget()

    def close(self) -> None:
        """Tick no more. Evaluations under way give up their query: the pool's owner waits for them."""
        for job in self._jobs.values():
            job.cancel()
        for group in (*self._groups.values(), *self._ending.values()):
            group.stop()

    def _start(self, group: Group, before: Group | None) -> None:
        self._workshop.metrics.show(group.key, group.interval, len(group.config.rules))
        if before is not None:
            group.succeed(before)
        self._every_tick(group, group.tick)

    def _every_tick(self, group: Group, run: Run) -> None:
        if job := self._jobs.get(group.key):
            job.cancel()
        phase = offset(group.key, group.interval)
        self._jobs[group.key] = self._scheduler.every(group.interval, phase, run)

    def _end_later(self, group: Group) -> None:
        ticks_left = 2

        def count_down(due: int, _now: int) -> None:
            nonlocal ticks_left
            ticks_left -= 1
            if not ticks_left:
                self._jobs.pop(group.key).cancel()
                del self._ending[group.key]
                self._workshop.metrics.forget(group.key)
                self._pool.submit(self._end, group, due)

        group.stop()
        self._ending[group.key] = group
        self._every_tick(group, count_down)

    def _end(self, group: Group, due: int) -> None:
        try:
            left = group.leave()
            left = replace(left, orphans=(*left.orphans, *disowned(left.rules)))
            group.store.forget()
            settle(left, due - group.terms.query_offset, due, group.terms.outbox, self._active())
        except Exception:  # the boundary of a task that nobody waits for
            log.exception("ending a group failed", extra=facts(group=group.key))

    def _active(self) -> list[Labels]:
        return [labels for group in self.groups() for labels in active_labels(group)]
