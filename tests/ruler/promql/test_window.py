"""What windows share is what each of them holds: cells gathered by stream, sums, counts, falls, over wide blocks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruler.model.arrays import ABSENT, STALE, BoolArray, FloatArray, IntArray
from ruler.promql.functions.neighbours import add_lost, changed, count_pairs
from ruler.promql.functions.sliding import sums
from ruler.promql.running import running_counts
from ruler.promql.span import Span
from ruler.promql.window import Windows
from ruler.storage import Block

TICK = 1_000


@st.composite
def wide_windows(draw: st.DrawFn) -> Windows:
    """Many steps over columns of a few streams: evenly spaced or not, with missed rows, holes and ends of series."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    streams, per_stream = draw(st.integers(1, 4)), draw(st.sampled_from([1, 3, 130]))
    rows, steps = draw(st.integers(1, 60)), draw(st.sampled_from([1, 9, 60]))
    width = streams * per_stream
    values = draw(st.sampled_from([_counters, _decimals, _magnitudes]))(random, (rows, width))
    stream_of = np.repeat(np.arange(streams), per_stream)
    times = np.arange(rows)[:, np.newaxis] * TICK + random.integers(0, TICK, streams)
    missed = random.random((rows, streams)) < draw(st.sampled_from([0.0, 0.2]))
    missed[0] = False
    values[missed[:, stream_of]] = ABSENT
    times = np.maximum.accumulate(np.where(missed, 0, times), axis=0)
    holes = random.random(values.shape) < draw(st.sampled_from([0.0, 0.02]))
    values[holes] = np.where(random.random(values.shape) < 0.3, STALE, ABSENT)[holes]
    step, reach = draw(st.sampled_from([TICK, 3 * TICK, 777])), draw(st.integers(500, 20_000))
    ends = np.arange(steps) * step + draw(st.integers(-5_000, 30_000))
    first, stop = (_rows_until(times, moments) for moments in (ends - reach, ends))
    gaps = bool(missed.any() or holes.any())
    block = Block(np.arange(width), values, times, stream_of.astype(np.int32), None, False, gaps, gaps)
    span = Span(block, ends, ends - reach, ends, reach, first, stop)
    return Windows(span, np.arange(width), slice(0, streams), stream_of)


def _counters(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    values = np.cumsum(random.integers(0, 3, shape).astype(np.float64), axis=0)
    values -= np.maximum.accumulate(np.where(random.random(shape) < 0.05, values, 0.0), axis=0)
    return values


def _decimals(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return np.round(random.random(shape) * 10, 2) * random.integers(0, 2, shape)


def _magnitudes(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return np.asarray(random.choice([-1.0, 1.0], shape) * 10.0 ** random.integers(-20, 20, shape))


def _rows_until(times: IntArray, moments: IntArray) -> IntArray:
    return np.asarray((times[np.newaxis] <= moments[:, np.newaxis, np.newaxis]).sum(axis=1))


def samples_of(windows: Windows, step: int, column: int) -> list[float]:
    """The samples of one window."""
    stream = windows.stream[column]
    within = slice(windows.first[step, stream], windows.stop[step, stream])
    return [float(value) for value in windows.cells[within, column][windows.sampled[within, column]]]


def some_cells(windows: Windows) -> list[tuple[int, int]]:
    """A few steps and columns, those at the edges among them."""
    steps, width = windows.shape
    return [(step, column) for step in {0, steps // 2, steps - 1} for column in {0, width // 3, width - 1}]


@settings(max_examples=60, deadline=None)
@given(wide_windows())
def test_cells_gathered_by_stream_are_those_of_each_column(windows: Windows) -> None:
    """Whether rows are copied in stretches, as slices or one by one, each column gets its own."""
    rows = np.clip(windows.first, 0, windows.height - 1)
    if windows.height:
        expected = windows.cells[rows[:, windows.stream], np.arange(len(windows.columns))]
        assert expected.tobytes() == windows.at(windows.cells, rows).tobytes()


@settings(max_examples=60, deadline=None)
@given(wide_windows())
def test_sums_are_rounded_once(windows: Windows) -> None:
    """A sum and what rounding left out of it are the sum of the window's samples, whatever the past was."""
    with np.errstate(all="ignore"):
        total, error = sums(windows)
    for step, column in some_cells(windows):
        samples = samples_of(windows, step, column)
        expected, size = math.fsum(samples), sum(map(abs, samples))
        assert math.isclose(expected, total[step, column] + error[step, column], rel_tol=2**-52, abs_tol=size * 2**-100)


@settings(max_examples=60, deadline=None)
@given(wide_windows())
def test_first_last_and_count_are_those_of_the_samples(windows: Windows) -> None:
    """Each window's first and last sample and their number are those of its list."""
    opening, closing, counts = windows.earliest(), windows.latest(), windows.counts
    for step, column in some_cells(windows):
        samples = samples_of(windows, step, column)
        assert len(samples) == counts[step, column]
        assert bool(samples) == opening.here[step, column] == closing.here[step, column]
        if samples:
            assert (samples[0], samples[-1]) == (opening.values[step, column], closing.values[step, column])


@settings(max_examples=60, deadline=None)
@given(wide_windows())
def test_changes_and_falls_are_those_of_neighbours(windows: Windows) -> None:
    """Changes are counted, and what falls lost is added up, as in a walk over the window's samples."""
    with np.errstate(all="ignore"):
        changes, present = count_pairs(windows, changed)
        lost = np.zeros(windows.shape)
        add_lost(windows, lost)
    for step, column in some_cells(windows):
        samples = samples_of(windows, step, column)
        pairs = list(itertools.pairwise(samples))
        if samples:
            assert sum(old != new for old, new in pairs) == changes[step, column]
        assert bool(samples) == (present is None or bool(present[step, column]))
        assert sum(old for old, new in pairs if new < old) == lost[step, column]


@pytest.mark.parametrize("height", [0, 1, 2, 3, 24, 25, 26, 100])
def test_running_counts_are_cumulative(height: int) -> None:
    """Row n has how many of the first n rows are marked, whatever blocks they are counted in."""
    marks: BoolArray = np.random.default_rng(height).random((height, 3)) < 0.5
    expected = np.concatenate((np.zeros((1, 3), dtype=np.int64), np.cumsum(marks, axis=0)))
    assert expected.tolist() == running_counts(marks).tolist()
