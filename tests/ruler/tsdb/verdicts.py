"""What is to become of samples that bring their own times, said plainly: a list, and no pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ruler.model.arrays import NAN_BITS, STALE_BITS
from ruler.storage import Appended
from tests.ruler.tsdb.reading import bits

AHEAD, REACH = 600_000, 3_600_000
NEVER = -(1 << 62)


def kept(value: float) -> int:
    """What becomes of the bits of a value: every NaN but the stale marker becomes the one NaN."""
    return NAN_BITS if np.isnan(value) and bits(value) != STALE_BITS else bits(value)


@dataclass
class Verdicts:
    """Verdicts are what free streams have stored of each series, and what that makes of the next sample."""

    window: int = 0
    keep: int = 6 * 3_600_000
    samples: dict[int, dict[int, int]] = field(default_factory=dict)
    head: tuple[int, int] = (NEVER, 0)
    latest: dict[str, int] = field(default_factory=dict)  # of each stream

    def restart(self) -> None:
        """Streams are gone, samples are not."""
        self.latest.clear()
        self.head = (NEVER, 0)

    def append(
        self, stream: str, due: int, time: int, series: Sequence[int], values: Sequence[float], ended: set[int]
    ) -> tuple[Appended, set[int]]:
        """What the append says, and of which series; of those in `ended` it stores no stale markers."""
        count = len(series)
        if time > due + AHEAD:
            return Appended(0, future=count), set()
        if self.latest.get(stream, due + AHEAD + 1) > due + AHEAD:
            before = [at for one in series for at in self.samples.get(one, {}) if at <= due + AHEAD]
            self.latest[stream] = max(before, default=NEVER)
        if self.head[0] != due:
            self.head = (due, max((at for at in self._times() if due < at <= due + AHEAD), default=due))
        latest, head = self.latest[stream], self.head[1]
        in_order = time >= latest and time >= head - REACH
        late = self.window > 0 and time >= head - self.window
        if time < due - self.keep or not (in_order or late):
            old = self.window > 0 or time < max(head - REACH, due - self.keep)
            return Appended(0, too_old=count) if old else Appended(0, out_of_order=count), set()
        self.latest[stream] = max(time, latest)
        duplicate, stored = 0, set()
        for one, value in zip(series, values, strict=True):
            held = self.samples.setdefault(one, {})
            if time in held:
                duplicate += held[time] != kept(value)
                continue
            stored.add(one)
            if kept(value) != STALE_BITS or one not in ended:
                held[time] = kept(value)
        return Appended(len(stored), duplicate=duplicate), stored

    def _times(self) -> Iterator[int]:
        return (time for held in self.samples.values() for time in held)
