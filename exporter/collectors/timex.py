"""timex: how well the kernel's clock is kept in step (adjtimex), as NTP clients set it.

The kernel's structure, as C lays it out (glibc and musl, 32 and 64 bits): four longs after `modes`, `status`, four
longs, a timeval of two longs, ten numbers of the pulse per second, `tai`, padding.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from common.exposition import Family, counter_of, gauge_of
from exporter.host import NoData
from exporter.settings import ExporterSettings, Flag

TIME_ERROR = 5  # the state of a clock that nothing keeps in step
NANOSECONDS = 0x2000  # STA_NANO: offsets are in nanoseconds rather than microseconds
PPM_16 = 1_000_000 * 65_536  # frequencies are in 2^-16 parts per million
OVERFLOW_SECONDS = 4.0  # an offset beyond this is the kernel's 32 bits running over, not a clock


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance", "seconds", "fraction", "tick")),
        *((name, ctypes.c_long) for name in ("ppsfreq", "jitter")),
        ("shift", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("stabil", "jitcnt", "calcnt", "errcnt", "stbcnt")),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


@dataclass(frozen=True, slots=True)
class ClockState:
    """A ClockState is the answer of adjtimex(2), in the kernel's own units."""

    state: int
    offset: int = 0
    freq: int = 0
    maxerror: int = 0
    esterror: int = 0
    status: int = 0
    constant: int = 0
    tick: int = 0
    ppsfreq: int = 0
    jitter: int = 0
    shift: int = 0
    stabil: int = 0
    jitcnt: int = 0
    calcnt: int = 0
    errcnt: int = 0
    stbcnt: int = 0
    tai: int = 0


class TimexCollector:
    """The timex collector. Counts the offsets that were no offsets."""

    name: ClassVar[str] = "timex"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, _settings: ExporterSettings) -> None:
        self._overflows = 0

    def collect(self) -> Iterator[Family]:
        clock = read_clock_state()
        if abs(offset_seconds(clock)) > OVERFLOW_SECONDS:
            self._overflows += 1
        return families(clock, self._overflows)


def read_clock_state() -> ClockState:
    """What the kernel says of its clock; raises NoData where a sandbox forbids asking, OSError for all else."""
    answer = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    state = int(libc.adjtimex(ctypes.byref(answer)))
    if state < 0:
        code = ctypes.get_errno()
        if isinstance(error := OSError(code, os.strerror(code)), PermissionError):
            raise NoData(f"adjtimex: {error.strerror}")
        raise error
    known = {name: getattr(answer, name) for name in ClockState.__slots__ if name != "state"}
    return ClockState(state=state, **known)


def offset_seconds(clock: ClockState) -> float:
    """How far the clock is from its reference, in seconds."""
    return clock.offset / _divisor(clock)


def _divisor(clock: ClockState) -> int:
    return 1_000_000_000 if clock.status & NANOSECONDS else 1_000_000


def families(clock: ClockState, overflows: int) -> Iterator[Family]:
    """The families of a ClockState, in seconds, hertz and ratios."""
    for name, value, text in (
        ("sync_status", int(clock.state != TIME_ERROR), "Whether the clock is kept in step with a reference."),
        ("offset_seconds", offset_seconds(clock), "How far the clock is from its reference, in seconds."),
        ("frequency_adjustment_ratio", 1 + clock.freq / PPM_16, "How much the clock's pace is corrected."),
        ("maxerror_seconds", clock.maxerror / 1e6, "How far off the clock is at most, in seconds."),
        ("estimated_error_seconds", clock.esterror / 1e6, "How far off the clock is by estimate, in seconds."),
        ("status", clock.status, "The clock's status bits."),
        ("loop_time_constant", clock.constant, "Time constant of the phase-locked loop."),
        ("tick_seconds", clock.tick / 1e6, "Seconds between two ticks of the clock."),
        ("pps_frequency_hertz", clock.ppsfreq / PPM_16, "Frequency of the pulse per second."),
        ("pps_jitter_seconds", clock.jitter / _divisor(clock), "Jitter of the pulse per second, in seconds."),
        ("pps_shift_seconds", clock.shift, "Interval of the pulse per second, in seconds."),
        ("pps_stability_hertz", clock.stabil / PPM_16, "Stability of the pulse per second."),
        ("tai_offset_seconds", clock.tai, "How far International Atomic Time is ahead of UTC, in seconds."),
    ):
        yield gauge_of(f"node_timex_{name}", text, value)
    for name, count, text in (
        ("offset_overflow_total", overflows, "Offsets beyond 4 s, which are an overflow in the kernel."),
        ("pps_jitter_total", clock.jitcnt, "Pulses per second beyond the limit of jitter."),
        ("pps_calibration_total", clock.calcnt, "Calibrations by the pulse per second."),
        ("pps_error_total", clock.errcnt, "Calibrations by the pulse per second that failed."),
        ("pps_stability_exceeded_total", clock.stbcnt, "Pulses per second beyond the limit of stability."),
    ):
        yield counter_of(f"node_timex_{name}", text, count)
