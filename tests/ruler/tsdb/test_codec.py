"""Blocks come out of the codec bit for bit as they went in, cost what their content warrants, and survive damage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruler.kernels.cells.stacks import Source, Stack
from ruler.model.arrays import ABSENT_BITS, NAN_BITS, STALE_BITS
from ruler.tsdb.coding.codec import Codec, decode_times, encode_cells, encode_times, residuals_of

Bits = npt.NDArray[np.uint64]

INTERVAL = 15_000
FIRST = 1_790_000_000_000 // INTERVAL
SPECIAL = [
    ABSENT_BITS, STALE_BITS, NAN_BITS, 0x7FF << 52, 0xFFF << 52, 0x7FF8DEADBEEF0001, 0xFFF8000000000000,
    0, 1 << 63, 1, (1 << 63) | 1, (0x7FE << 52) | 5, 0x43E0000000000000, 0xC3E0000000000000, 0x4340000000000001,
]  # fmt: skip


def stored(values: npt.ArrayLike) -> Bits:
    """Floats as cells are stored."""
    return np.ascontiguousarray(values, dtype=np.float64).view(np.uint64) ^ np.uint64(ABSENT_BITS)


def times_at(due: npt.ArrayLike) -> Bits:
    """Times as they are stored."""
    return np.ascontiguousarray(due, dtype=np.int64).view(np.uint64) ^ np.uint64(1 << 63)


def decode_cells(data: bytes | memoryview, columns: int, rows: int) -> Bits:
    """Cells [columns × rows] as they are stored."""
    block = residuals_of(data, columns, rows)
    source = Source(0, rows, 1 + np.arange(columns), 0, load=lambda _: block, at_hand=[None], across=columns)
    return Stack([source], columns, rows).values().T.view(np.uint64) ^ np.uint64(ABSENT_BITS)


def times_of(data: bytes, slots: int, rows: int, interval: int, first: int) -> Bits:
    """Times [slots × rows] as they are stored."""
    times = np.empty((rows, slots), dtype=np.uint64)
    decode_times(data, interval, first, times)
    return times.T


def size_of(cells: Bits, codec: Codec) -> float:
    """Bytes a sample, for cells that come out as they went in."""
    data = encode_cells(cells, codec)
    assert cells.tobytes() == decode_cells(data, *cells.shape).tobytes()
    return len(data) / cells.size


def column(kind: str, rows: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A column such as exporters and rules make them."""
    scale = 10.0 ** random.integers(-3, 12)
    walk = np.cumsum(random.integers(0, 1 + int(random.integers(1, 1 << 30)), rows)).astype(np.float64)
    match kind:
        case "constant":
            return np.full(rows, random.normal() * scale)
        case "counter":
            return walk
        case "restarts":
            return np.where(np.arange(rows) < rows // 2, walk, walk - walk[rows // 2])
        case "bytes":
            return walk * 4096
        case "nanoseconds":
            return walk / 1e9
        case "milliseconds":
            return walk * 0.001
        case "pressure":
            return walk / 1000.0 / 1000.0
        case "signed":
            return random.integers(-50, 50, rows) / 10
        case "float32":
            return np.abs(random.normal(size=rows)).astype(np.float32).astype(np.float64)
        case "huge":
            return random.normal(size=rows) * 1e300
        case "tiny":
            return random.normal(size=rows) * 5e-324
    return random.normal(size=rows) * scale


KINDS = ["constant", "counter", "restarts", "bytes", "nanoseconds", "milliseconds", "pressure", "signed", "float32",
         "huge", "tiny", "noise"]  # fmt: skip


@st.composite
def blocks(draw: st.DrawFn) -> Bits:
    """Cells of any mixture of columns, with specials and gaps in cells, rows and whole columns."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    rows = draw(st.sampled_from([1, 2, 3, 7, 40, 241]))
    kinds = draw(st.lists(st.sampled_from([*KINDS, "bits"]), min_size=1, max_size=12))
    cells = stored([column(kind, rows, random) for kind in kinds])
    for place, kind in enumerate(kinds):
        if kind == "bits":
            cells[place] = random.integers(0, 1 << 64, rows, dtype=np.uint64)
    strange = random.random(cells.shape) < draw(st.sampled_from([0, 0, 0.02, 0.5]))
    cells[strange] = random.choice(np.array(SPECIAL, dtype=np.uint64), strange.sum()) ^ np.uint64(ABSENT_BITS)
    cells[:, random.random(rows) < draw(st.sampled_from([0, 0, 0.1, 1]))] = 0
    cells[random.random(len(kinds)) < draw(st.sampled_from([0, 0, 0.3]))] = 0
    return cells


@st.composite
def stored_times(draw: st.DrawFn) -> tuple[Bits, int, int]:
    """Times of slots on a grid or on none, with jitter, gaps and strays, with the interval and the first tick."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    slots, rows = draw(st.integers(1, 6)), draw(st.sampled_from([1, 2, 50, 240]))
    interval = draw(st.sampled_from([0, 1, 1000, INTERVAL]))
    first = draw(st.integers(0, FIRST) if interval else st.just(0))
    ticks = (first + np.arange(rows, dtype=np.int64)) * interval
    jitter = random.integers(-5, 6, (slots, rows)) * draw(st.sampled_from([0, 1, 1000]))
    times = times_at(ticks + random.integers(0, INTERVAL, (slots, 1)) + jitter)
    times[random.random(times.shape) < draw(st.sampled_from([0, 0.05, 1]))] = 0
    strays = random.random(times.shape) < draw(st.sampled_from([0, 0.02]))
    times[strays] = random.integers(0, 1 << 64, strays.sum(), dtype=np.uint64)
    return times, interval, first


@given(blocks(), st.sampled_from(Codec))
@settings(deadline=None, max_examples=300)
def test_cells_come_back_bit_for_bit(cells: Bits, codec: Codec) -> None:
    """Whatever the columns are, decoding what was encoded gives the same bits, from bytes as from a view of them."""
    before = cells.tobytes()
    data = encode_cells(cells, codec)
    assert before == cells.tobytes()
    assert before == decode_cells(data, *cells.shape).tobytes()
    assert before == decode_cells(memoryview(data), *cells.shape).tobytes()


@given(stored_times())
@settings(deadline=None, max_examples=150)
def test_times_come_back_bit_for_bit(drawn: tuple[Bits, int, int]) -> None:
    """Times on a grid, beside it, on none, or missing come back as they were."""
    times, interval, first = drawn
    data = encode_times(times, interval, first)
    assert times.tobytes() == times_of(data, len(times), times.shape[1], interval, first).tobytes()


@given(blocks(), st.sampled_from(Codec), st.data())
@settings(deadline=None, max_examples=300)
def test_damage_is_an_error_or_an_array_of_the_right_shape(cells: Bits, codec: Codec, data: st.DataObject) -> None:
    """A truncated, extended or altered block raises ValueError or gives an array of the shape that was asked for."""
    block = bytearray(encode_cells(cells, codec))
    match data.draw(st.sampled_from(["truncate", "extend", "flip", "overwrite", "ask"])):
        case "truncate":
            del block[data.draw(st.integers(0, len(block) - 1)) :]
        case "extend":
            block += data.draw(st.binary(min_size=1, max_size=40))
        case "flip":
            bit = data.draw(st.integers(0, 8 * len(block) - 1))
            block[bit // 8] ^= 1 << bit % 8
        case "overwrite":
            at = data.draw(st.integers(0, len(block) - 1))
            block[at : at + 16] = data.draw(st.binary(min_size=1, max_size=16))
    columns, rows = len(cells) + data.draw(st.integers(0, 2)), cells.shape[1] + data.draw(st.integers(0, 2))
    try:
        decoded = decode_cells(bytes(block), columns, rows)
    except ValueError:
        return
    assert (columns, rows, 8) == (*decoded.shape, decoded.itemsize)


@given(stored_times(), st.data())
@settings(deadline=None, max_examples=100)
def test_damaged_times_are_an_error_or_of_the_right_shape(drawn: tuple[Bits, int, int], data: st.DataObject) -> None:
    """The same holds for times."""
    times, interval, first = drawn
    block = bytearray(encode_times(times, interval, first))
    bit = data.draw(st.integers(0, 8 * len(block) - 1))
    block[bit // 8] ^= 1 << bit % 8
    try:
        decoded = times_of(bytes(block), len(times), times.shape[1], interval, first)
    except ValueError:
        return
    assert times.shape == decoded.shape


@pytest.mark.parametrize("garbage", [b"", b"\0", b"\0" * 400, b"\xff" * 400, b"pco!" * 100])
def test_garbage_is_refused(garbage: bytes) -> None:
    """What was never a block is a ValueError, however its lengths read."""
    with pytest.raises(ValueError, match="block"):
        decode_cells(garbage, 4, 4)
    with pytest.raises(ValueError, match="block"):
        times_of(garbage, 4, 4, INTERVAL, FIRST)


def test_blocks_without_cells_are_empty() -> None:
    """No columns or no rows cost nothing, and no times come back from nothing."""
    for shape in ((0, 5), (5, 0), (0, 0)):
        nothing = np.empty(shape, dtype=np.uint64)
        assert (b"", b"") == (encode_cells(nothing, Codec.FAST), encode_times(nothing, INTERVAL, FIRST))
        assert shape == times_of(b"", *shape, INTERVAL, FIRST).shape


@given(blocks(), st.sampled_from(Codec), st.data())
@settings(deadline=None, max_examples=150)
def test_any_columns_and_rows_are_read_anywhere(cells: Bits, codec: Codec, data: st.DataObject) -> None:
    """Some rows of some columns, in any order and more than once, come into the rows of a stack that they are meant
    for, a block of one column or more at a time; column 0 and all other rows are absent.
    """
    count, rows = cells.shape
    columns = np.array(data.draw(st.lists(st.integers(0, count), max_size=40)), dtype=np.int64)
    low = data.draw(st.integers(0, rows))
    high = data.draw(st.integers(low, rows))
    begin, after, across = (data.draw(st.integers(least, 3)) for least in (0, 0, 1))
    starts = range(0, count, across)
    held = [
        residuals_of(encode_cells(cells[at : at + across], codec), len(cells[at : at + across]), rows) for at in starts
    ]
    end = begin + high - low
    source = Source(begin, end, columns, low, load=held.__getitem__, at_hand=[None] * len(held), across=across)
    expected = np.full((end + after, len(columns)), ABSENT_BITS, dtype=np.uint64)
    expected[begin:end, columns > 0] = cells[columns[columns > 0] - 1, low:high].T ^ np.uint64(ABSENT_BITS)
    assert expected.tolist() == Stack([source], len(columns), end + after).values().view(np.uint64).tolist()


@pytest.mark.parametrize(
    ("columns", "low", "begin", "end"),
    [([4], 0, 0, 4), ([9], 0, 0, 4), ([1], 1, 0, 4), ([1], -1, 0, 4), ([1], 0, -1, 3), ([1], 3, 3, 1)],
)
def test_what_is_not_there_is_not_read(columns: list[int], low: int, begin: int, end: int) -> None:
    """Columns and rows that blocks do not have are an IndexError, and so are those that a page does not have."""
    block = residuals_of(encode_cells(stored(np.arange(12.0).reshape(3, 4)), Codec.FAST), 3, 4)
    with pytest.raises(IndexError):
        Source(begin, end, np.array(columns), low, load=lambda _: block, at_hand=[None], across=5)
    with pytest.raises(IndexError):
        Source(begin, end, np.array(columns), low, np.array(columns) - 1, np.zeros((4, 3), dtype=np.uint64))


def test_sources_fit_their_stack() -> None:
    """A source of other series, or of rows that a stack does not have, is an IndexError."""
    source = Source(1, 3, np.array([1, 2]), 0, np.array([1, 2]), np.zeros((2, 3), dtype=np.uint64))
    for width, height in ((1, 3), (3, 3), (2, 2)):
        with pytest.raises(IndexError):
            Stack([source], width, height)


@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        ("constant", 0.5), ("counter", 33), ("bytes", 33), ("nanoseconds", 33), ("milliseconds", 33), ("pressure", 33),
        ("signed", 8), ("float32", 40), ("noise", 66),
    ],
)  # fmt: skip
@pytest.mark.parametrize("codec", Codec)
def test_columns_cost_what_they_hold(kind: str, bits: float, codec: Codec) -> None:
    """Each kind of column costs about the bits of chance in it, however it was computed from integers."""
    random = np.random.default_rng(7)
    assert size_of(stored([column(kind, 1024, random) for _ in range(32)]), codec) <= bits / 8


def test_columns_that_move_together_cost_once() -> None:
    """A dense block does not pay again for copies, for columns of one sum, nor for what two counters share."""
    random = np.random.default_rng(10)
    parts = random.integers(0, 1 << 20, (4, 1024)).astype(np.float64)
    related = np.vstack([parts, parts[0] + 4096, parts[1], 1e9 - parts[2], parts[3] + random.integers(0, 4, 1024)])
    alone, together = encode_cells(stored(parts), Codec.DENSE), encode_cells(stored(related), Codec.DENSE)
    assert related.tobytes() == (decode_cells(together, 8, 1024) ^ np.uint64(ABSENT_BITS)).tobytes()
    assert len(together) < 1.08 * len(alone)


def test_what_a_stream_misses_costs_next_to_nothing() -> None:
    """Rows missing in all columns, and stale markers at their edge, add less than a hundredth."""
    random = np.random.default_rng(8)
    cells = stored([column(kind, 240, random) for kind in ("counter", "constant", "nanoseconds", "bytes") * 32])
    whole = size_of(cells, Codec.FAST)
    cells[:, [17, 90, 91, 92, 200]] = 0
    cells[:, [16, 89]] = STALE_BITS ^ ABSENT_BITS
    assert size_of(cells, Codec.FAST) < 1.01 * whole


def test_times_on_the_grid_cost_some_bytes_a_slot() -> None:
    """Slots that keep their phase cost a few bytes each, slots with jitter of ± 8 ms less than a byte a sample."""
    random = np.random.default_rng(9)
    steady = (FIRST + np.arange(240)) * INTERVAL + random.integers(0, INTERVAL, (100, 1))
    assert len(encode_times(times_at(steady), INTERVAL, FIRST)) < 4 * len(steady)
    jittery = steady + random.integers(-8, 9, steady.shape)
    assert len(encode_times(times_at(jittery), INTERVAL, FIRST)) < 0.7 * steady.size
