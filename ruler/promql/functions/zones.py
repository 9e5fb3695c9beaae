"""timezone_offset(): how far the clocks of a time zone are ahead of UTC. MetricsQL's; Prometheus has no such function.

A zone's clocks are looked up once for each day, and only on a day on which they change, for the second of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from common.errors import QueryError
from ruler.model.arrays import FloatArray, IntArray
from ruler.promql.ast import Call
from ruler.promql.frame import Grid, Value
from ruler.promql.scope import Scope

_DAY = 86_400
_FIRST = int(datetime(2, 1, 1, tzinfo=UTC).timestamp()) // _DAY  # of the days that a calendar here has in every zone
_LAST = int(datetime(9998, 12, 31, tzinfo=UTC).timestamp()) // _DAY


def timezone_offset(scope: Scope, call: Call, grid: Grid) -> Value:
    """Seconds ahead of UTC at each step."""
    return offsets(_zone(scope.text(call.args[0])), grid.times // 1000)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise QueryError(f"timezone_offset: not a time zone: {name!r}") from None


def offsets(zone: ZoneInfo, seconds: IntArray) -> FloatArray:
    """How far a zone is ahead (s) at each of these times (s)."""
    seconds = np.clip(seconds, _FIRST * _DAY, (_LAST + 1) * _DAY - 1)
    days, of_day = np.unique(seconds // _DAY, return_inverse=True)
    opening = np.array([_ahead(zone, day * _DAY) for day in days.tolist()])
    closing = np.array([_ahead(zone, (day + 1) * _DAY) for day in days.tolist()])
    changed = np.flatnonzero(opening != closing)
    change = (days + 1) * _DAY
    change[changed] = [_change(zone, day * _DAY) for day in days[changed].tolist()]
    return np.where(seconds < change[of_day], opening[of_day], closing[of_day])


def _ahead(zone: ZoneInfo, second: int) -> float:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def _change(zone: ZoneInfo, start: int) -> int:
    """The first second of the day from `start` on at which the zone's clocks are no longer what they were then."""
    before, after = start, start + _DAY
    opening = _ahead(zone, start)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _ahead(zone, middle) == opening else (before, middle)
    return after
