"""How many series were minted lately: ids grow with time, so a count per minute tells which are new."""

from __future__ import annotations

from common.durations import HOUR, MINUTE


class Churn:
    """A Churn remembers how many ids had been given out at each minute of the last hour."""

    def __init__(self) -> None:
        self._marks: tuple[tuple[int, int], ...] = ()

    def mark(self, now: int, count: int) -> None:
        """Note that before `now` (ms) ids below `count` were given out."""
        marks = [mark for mark in self._marks if now - HOUR <= mark[0] <= now]
        if not marks or marks[-1][0] <= now - MINUTE:
            marks.append((now, count))
        self._marks = tuple(marks)

    @property
    def first(self) -> int:
        """The first id of the last hour, or of what is known of it."""
        return self._marks[0][1] if self._marks else 0
