"""How many series may be active, and who was refused more: the one place that knows a limit.

Series are active while they are in the live tables. At the limit new ones are refused until a part of it is free again,
so that what was refused is tried again all at once and not one by one. The writer thread asks; other threads read
`refusals`, which is replaced whole. Nothing here costs anything for a series that is known.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.labels import METRIC_NAME, Labels
from common.logs import facts
from ruler.model.arrays import BoolArray
from ruler.storage import Claim

log = logging.getLogger("tsdb")

UNBOUNDED: Final = 1 << 62
FREED_PART: Final = 50  # the limit opens again when one part in so many is free
RESERVE_PART, MIN_RESERVE = 50, 1_000
MAX_JOBS: Final = 50
MAX_LABELS: Final = 32  # of a job, that are looked at
SAMPLED: Final = 256  # series of one refusal that are looked at
OTHER_JOBS: Final = "other"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Refusal is how often series of a job were refused since the limit was reached, and what made them many.

    `label` is the one with the most values among them. `ever` counts from the start of the process.
    """

    job: str
    label: str
    series: int
    ever: int


class Budget:
    """A Budget is the number of series that may be active, with a record of whose were refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.refusals: tuple[Refusal, ...] = ()
        self._reserve = max(MIN_RESERVE, limit // RESERVE_PART)
        self._opens_at = limit - max(1, limit // FREED_PART)
        self._full = False
        self._openings = 0
        self._offenders: dict[str, _Offender] = {}

    def room(self, active: int, claim: Claim) -> int:
        """How many series more there may be, when `active` there are."""
        if not self.limit or claim is Claim.OWN:
            return UNBOUNDED
        if claim is Claim.ALERT:
            return max(0, self.limit + self._reserve - active)
        self.openings(active)
        return 0 if self._full else max(0, self.limit - active)

    def openings(self, active: int) -> int:
        """How many times room has appeared after some was refused."""
        if self._full and active <= self._opens_at:
            self._full = False
            self._openings += 1
            log.warning("there is room for series again", extra=facts(limit=self.limit, active=active))
            for offender in self._offenders.values():
                offender.forgive()
            self._publish()
        return self._openings

    def lacking(self, active: int) -> int:
        """How many series have to go before new ones are taken again; 0 while none are refused. Any thread."""
        return max(1, active - self._opens_at) if self._full else 0

    def refuse(self, labels: Sequence[Labels]) -> None:
        """Note that series with these labels were refused."""
        by_job: dict[str, list[Labels]] = {}
        for each in labels:
            by_job.setdefault(each.get("job", ""), []).append(each)
        if not self._full:
            log.warning(
                "too many series: new ones are refused", extra=facts(limit=self.limit, first_job=next(iter(by_job)))
            )
        self._full = True
        for job, theirs in by_job.items():
            self._offender(job).add(theirs)
        self._publish()

    def _offender(self, job: str) -> _Offender:
        if job not in self._offenders and len(self._offenders) >= MAX_JOBS:
            job = OTHER_JOBS
        return self._offenders.setdefault(job, _Offender(job))

    def _publish(self) -> None:
        refusals = (offender.refusal() for offender in self._offenders.values())
        self.refusals = tuple(sorted(refusals, key=lambda refusal: (-refusal.series, refusal.job)))


class _Offender:
    """An Offender is a job whose series were refused, with a sketch of how many values each label brought."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._ever = 0
        self.forgive()

    def forgive(self) -> None:
        """Begin to count anew."""
        self._series = 0
        self._label = ""
        self._values: dict[str, _Distinct] = {}

    def add(self, labels: Sequence[Labels]) -> None:
        self._series += len(labels)
        self._ever += len(labels)
        for each in labels[:: -(-len(labels) // SAMPLED)]:
            for name, value in each.items():
                if name in self._values:
                    self._values[name].add(value)
                elif len(self._values) < MAX_LABELS:
                    self._values[name] = _Distinct(value)
        counts = {name: values.count() for name, values in self._values.items()}
        most = max(counts, key=lambda name: (counts[name], name != METRIC_NAME))
        if counts[most] > 2 * counts.get(self._label, 0):  # two labels that go together must not take turns
            self._label = most

    def refusal(self) -> Refusal:
        return Refusal(self._job, self._label, self._series, self._ever)


class _Distinct:
    """A Distinct estimates how many different strings it was given, by which of its bits their hashes hit."""

    BITS: Final = 4096

    def __init__(self, first: str) -> None:
        self._hit: BoolArray = np.zeros(self.BITS, dtype=np.bool_)
        self.add(first)

    def add(self, value: str) -> None:
        self._hit[hash(value) % self.BITS] = True

    def count(self) -> float:
        missed = self.BITS - int(np.count_nonzero(self._hit))
        return self.BITS * math.log(self.BITS / max(missed, 1))
