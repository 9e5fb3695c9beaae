"""Range functions over wide blocks: each window of each column gives what its samples alone give, one by one."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruler.kernels.windows.sweep import sweep
from ruler.model.arrays import ABSENT, NAN, NEVER, STALE, CodeArray, FloatArray, IntArray, is_absent, is_stale
from tests.ruler.promql.oracle.windows import WINDOWED, Samples

TICK = 1_000
Cells: TypeAlias = tuple[FloatArray, IntArray, CodeArray]
SCALARS = {"quantile_over_time": (0.9,), "predict_linear": (60.0,), "double_exponential_smoothing": (0.3, 0.6)}


def _go_on() -> None:
    """There is no limit."""


@st.composite
def blocks(draw: st.DrawFn) -> Cells:
    """Values, times and streams: rows that streams missed, holes and ends of series, in either order of memory."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    streams, per_stream, rows = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 9])), draw(st.integers(1, 40))
    stream_of = np.repeat(np.arange(streams, dtype=np.int32), per_stream)
    if draw(st.booleans()):
        random.shuffle(stream_of)
    shape = (rows, len(stream_of))
    values = draw(st.sampled_from([_counters, _decimals, _magnitudes, _odd]))(random, shape)
    holes = random.random(shape) < draw(st.sampled_from([0.0, 0.1]))
    values[holes] = np.where(random.random(shape) < 0.3, STALE, ABSENT)[holes]
    times = np.arange(rows)[:, np.newaxis] * TICK + random.integers(0, TICK, streams)
    missed = random.random(times.shape) < draw(st.sampled_from([0.0, 0.2]))
    times[missed] = NEVER
    if draw(st.booleans()):  # what stands where a stream got nothing means nothing
        values[missed[:, stream_of]] = ABSENT
    return np.array(values, order=draw(st.sampled_from("CF"))), times, stream_of


def _counters(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    values = np.cumsum(random.integers(0, 3, shape).astype(np.float64), axis=0)
    values -= np.maximum.accumulate(np.where(random.random(shape) < 0.05, values, 0.0), axis=0)
    return values


def _decimals(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return np.round(random.random(shape) * 10, 2) * random.integers(-1, 2, shape)


def _magnitudes(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return np.asarray(random.choice([-1.0, 1.0], shape) * 10.0 ** random.integers(-20, 20, shape))


def _odd(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return np.asarray(random.choice([-0.0, 0.0, 1.0, -1.0, 1e308, -1e308, np.inf, -np.inf, NAN], shape))


@pytest.mark.parametrize("name", sorted(WINDOWED))
@settings(deadline=None, max_examples=40)
@given(blocks(), st.sampled_from([1, 9, 40]), st.sampled_from([TICK, 3 * TICK, 777]), st.integers(500, 30_000))
def test_a_window_gives_what_its_samples_give(name: str, block: Cells, steps: int, step: int, reach: int) -> None:
    """Every function gives for every window what the obvious function gives for the list of its samples, bit for bit;
    it counts those samples, and the windows with a result.
    """
    values, times, stream_of = block
    ends = np.arange(steps) * step + 5_000
    width = values.shape[1]
    into, present = np.full((steps, width + 2), 7.0), np.full((steps, width + 2), 7, dtype=np.uint8)
    places = np.arange(1, width + 1)[::-1].copy()
    scalars = np.array([SCALARS.get(name, ())])
    counted = sweep(
        name,
        values,
        times,
        stream_of,
        None,
        ends,
        reach,
        into,
        present,
        0,
        _go_on,
        places=places,
        now=ends,
        scalars=scalars,
    )
    expected = [[_windows(block, column, int(end) - reach, int(end)) for column in range(width)] for end in ends]
    found = [
        [
            WINDOWED[name](samples, int(end), reach, int(end), *SCALARS.get(name, ())) if samples else None
            for samples in row
        ]
        for end, row in zip(ends, expected, strict=True)
    ]
    assert sum(len(samples) for row in expected for samples in row) == counted[0]
    assert sum(result is not None for row in found for result in row) == counted[1]
    for at, row in enumerate(found):
        for column, result in enumerate(row):
            place = places[column]
            assert (result is not None) == bool(present[at, place])
            if result is not None:
                assert _text(result) == _text(float(into[at, place]))
    assert (into[:, [0, -1]] == 7.0).all()
    assert (present[:, [0, -1]] == 7).all()


def _windows(block: Cells, column: int, start: int, end: int) -> Samples:
    values, times, stream_of = block
    cells, moments = values[:, column], times[:, stream_of[column]]
    there = (
        (moments != NEVER) & (moments > start) & (moments <= end) & ~is_absent(cells.copy()) & ~is_stale(cells.copy())
    )
    return list(zip(moments[there].tolist(), cells[there].tolist(), strict=True))


def _text(number: float) -> str:
    return "NaN" if math.isnan(number) else number.hex()


@pytest.mark.parametrize("name", ["mad_over_time", "quantile_over_time"])
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1 << 30), st.sampled_from([0.0, 0.1]), st.integers(1, 200), st.integers(1, 200))
def test_samples_of_long_windows_stay_in_order(name: str, seed: int, missing: float, step: int, reach: int) -> None:
    """Windows of few and of many samples, that have few and many of them in common, give what their samples give."""
    random = np.random.default_rng(seed)
    values = (_decimals, _odd)[seed % 2](random, (400, 1))
    values[random.random(values.shape) < missing] = ABSENT
    times, stream_of = np.arange(400)[:, np.newaxis] * TICK, np.zeros(1, dtype=np.int32)
    ends = np.arange(0, 450, step) * TICK
    found = _all_at_once(name, values, times, stream_of, ends, reach * TICK)
    for end, result in zip(ends.tolist(), found[:, 0].tolist(), strict=True):
        samples = _windows((values, times, stream_of), 0, end - reach * TICK, end)
        expected = WINDOWED[name](samples, end, reach, end, *SCALARS.get(name, ())) if samples else math.nan
        assert expected is not None
        assert _text(expected) == _text(result)


@settings(deadline=None)
@given(blocks(), st.sampled_from([1, 9]), st.integers(0, 12_000))
def test_the_latest_sample_is_the_last_unless_the_series_ended(block: Cells, steps: int, reach: int) -> None:
    """`latest` gives the last sample in each window; where that says that the series ended, it gives nothing."""
    values, times, stream_of = block
    ends = np.arange(steps) * 3 * TICK + 5_000
    for rows in (len(values), 1):
        found = _all_at_once("latest", values[:rows], times[:rows], stream_of, ends, reach)
        for step, end in enumerate(ends.tolist()):
            for column, stream in enumerate(stream_of.tolist()):
                cells, moments = values[:rows, column].copy(), times[:rows, stream]
                last = np.flatnonzero((moments > end - reach) & (moments <= end) & ~is_absent(cells))[-1:]
                expected = cells[last][~is_stale(cells[last])].tolist() or [math.nan]
                assert _text(expected[0]) == _text(float(found[step, column]))


@settings(deadline=None)
@given(blocks(), st.data())
def test_columns_may_be_looked_at_apart(block: Cells, data: st.DataObject) -> None:
    """Columns from one up to another give what they give among all; of the others nothing is written."""
    values, times, stream_of = block
    ends, width = np.arange(9) * 2 * TICK, values.shape[1]
    left = data.draw(st.integers(0, width))
    right = data.draw(st.integers(left, width))
    for name in ("rate", "sum_over_time", "quantile_over_time"):
        whole = _all_at_once(name, values, times, stream_of, ends)
        some = _all_at_once(name, values, times, stream_of, ends, left=left, right=right)
        assert np.array_equal(whole[:, left:right], some[:, left:right], equal_nan=True)
        assert np.isnan(np.delete(some, slice(left, right), axis=1)).all()


def test_it_can_be_stopped() -> None:
    """What is called between stretches of work ends it by raising, within a column of very many samples too."""
    ends = np.full(200, 200_000 * TICK)
    values, times = np.ones((200_000, 1)), np.arange(200_000)[:, np.newaxis] * TICK
    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise TimeoutError

    into, present = np.zeros((200, 1)), np.zeros((200, 1), dtype=np.uint8)
    stream_of = np.zeros(1, dtype=np.int32)
    with pytest.raises(TimeoutError):
        sweep("stdvar_over_time", values, times, stream_of, None, ends, 1 << 40, into, present, 0, look)
    assert 3 == len(looks)


@given(blocks(), st.integers(1, 30))
def test_pieces_make_the_whole(block: Cells, cut: int) -> None:
    """Steps and columns that are worked out in pieces give what they give at once."""
    values, times, stream_of = block
    ends = np.arange(30) * 700 + 3_000
    for name in ("avg_over_time", "max_over_time", "quantile_over_time", "rate"):
        whole, parts = _all_at_once(name, values, times, stream_of, ends), []
        for steps in (slice(0, cut), slice(cut, 30)):
            some = ends[steps]
            if len(some):
                parts.append(_all_at_once(name, values, times, stream_of, some))
        assert np.array_equal(whole, np.concatenate(parts), equal_nan=True)


def _all_at_once(
    name: str,
    values: FloatArray,
    times: IntArray,
    stream_of: CodeArray,
    ends: IntArray,
    reach: int = 9_000,
    *,
    left: int = 0,
    right: int = -1,
) -> FloatArray:
    """The results of all windows, NaN where there is none."""
    into, present = np.zeros((len(ends), values.shape[1])), np.zeros((len(ends), values.shape[1]), dtype=np.uint8)
    sweep(
        name,
        values,
        times,
        stream_of,
        None,
        ends,
        reach,
        into,
        present,
        0,
        _go_on,
        left=left,
        right=right,
        scalars=np.array([SCALARS.get(name, ())]),
    )
    return np.where(present > 0, into, np.nan)
