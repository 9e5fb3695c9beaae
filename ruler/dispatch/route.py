"""Routes: which alerts go together, when they are told and to whom. Pure; knows no time and keeps no state.

A group key reads `{}/{team="db"}:{alertname="DiskFull"}`: the matchers from the root down, then the group's labels. It
names the group in the notification log and at the receivers, so its form never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from common.durations import HOUR, MINUTE, SECOND
from common.labels import Labels
from ruler.dispatch.matchers import matches_all
from ruler.model import golang
from ruler.model.matcher import Matcher


@dataclass(frozen=True, slots=True)
class Timing:
    """A Timing says how long a group waits before it is first told, told of a change, and told again (ms)."""

    group_wait: int = 30 * SECOND
    group_interval: int = 5 * MINUTE
    repeat_interval: int = 4 * HOUR


@dataclass(frozen=True, slots=True)
class Route:
    """A Route is a node that says how the alerts that stop at it are grouped, timed and who is told.

    `group_by` None is by all labels. `key` is shared by siblings with the same matchers, `id` is not.
    """

    id: str
    key: str
    receiver: str
    group_by: frozenset[str] | None
    timing: Timing
    matchers: tuple[Matcher, ...] = ()
    goes_on: bool = False
    routes: tuple[Route, ...] = ()

    def match(self, labels: Labels) -> tuple[Route, ...]:
        """The routes that an alert with these labels stops at: depth first, left to right; none if not even this."""
        if not matches_all(self.matchers, labels):
            return ()
        found: list[Route] = []
        for child in self.routes:
            below = child.match(labels)
            found.extend(below)
            if below and not child.goes_on:
                break
        return tuple(found) or (self,)

    def group_labels(self, labels: Labels) -> Labels:
        """What of an alert's labels its group is known by."""
        return labels if self.group_by is None else labels.keeping(self.group_by)

    def group_key(self, group_labels: Labels) -> str:
        inner = ", ".join(f"{name}={golang.quote(value)}" for name, value in group_labels.items())
        return f"{self.key}:{{{inner}}}"

    def treats_alike(self, other: Route) -> bool:
        """Whether a group of this route may go on under `other`, whatever became of the routes below."""
        return (self.id, self.receiver, self.group_by, self.timing) == (
            other.id,
            other.receiver,
            other.group_by,
            other.timing,
        )

    def walk(self) -> Iterator[Route]:
        """This route and all below it, depth first."""
        yield self
        for child in self.routes:
            yield from child.walk()
