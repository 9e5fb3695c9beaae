"""Numbers are written with the fewest digits that read back as the same, as Prometheus writes them."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruler.kernels.text.digits import number, seconds
from ruler.model.golang import format_float

# Each as a real Prometheus 3.5 answered `vector(x)`.
WRITTEN = [
    (1.0, b"1"),
    (0.0, b"0"),
    (1.5, b"1.5"),
    (1e-7, b"1e-07"),
    (1e-10, b"1e-10"),
    (-1.5e-12, b"-1.5e-12"),
    (1e20, b"100000000000000000000"),
    (1e21, b"1e+21"),
    (1e100, b"1e+100"),
    (0.1 + 0.2, b"0.30000000000000004"),
    (math.nan, b"NaN"),
    (math.inf, b"+Inf"),
    (-math.inf, b"-Inf"),
]
RANDOM = 40_000  # of each kind


@pytest.mark.parametrize(("value", "written"), WRITTEN)
def test_values_are_written_as_prometheus_writes_them(value: float, written: bytes) -> None:
    """A sample value has no point where it is whole and an exponent only where it is very small or very large."""
    assert written == number(value)


def obvious(value: float) -> bytes:
    """A value from the digits that Python's repr finds."""
    plain = value == 0 or 1e-6 <= abs(value) < 1e21
    return format_float(value, "f" if plain else "e").encode()


def float_of(bits: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


def bits_of(value: float) -> int:
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return bits


def edges() -> Iterator[float]:
    """Where one form or one case of the algorithm ends and another begins, and the doubles on both sides."""
    powers = [2.0**power for power in range(-1074, 1024)] + [float(f"1e{power}") for power in range(-323, 309)]
    for bits in map(bits_of, powers):
        yield from (float_of(max(0, bits + near)) for near in (-2, -1, 0, 1, 2))
    yield from (float(2**53 + near) for near in range(-1000, 1000))
    yield from map(float_of, range(1000))
    yield from (0.0, -0.0, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308)
    yield from (digits / 10**places for digits in (1, 25, 123456789, 12345678901234567) for places in range(25))


def samples(rng: random.Random) -> Iterator[float]:
    """Doubles of any size, and such as samples are."""
    for _ in range(RANDOM):
        yield float_of(rng.getrandbits(64))
        yield rng.uniform(-1000, 1000)
        yield round(rng.uniform(0, 10.0 ** rng.randrange(16)), rng.randrange(8))
        yield float(rng.getrandbits(rng.randrange(64)))
        yield rng.getrandbits(rng.randrange(1, 64)) / 10 ** rng.randrange(25)


def test_the_edges_are_written_as_python_finds_their_digits() -> None:
    """Subnormals, powers of two and of ten, the first numbers that are always whole, and their neighbours."""
    assert [] == [(value, number(value)) for value in edges() if obvious(value) != number(value)]


def test_any_double_is_written_as_python_finds_its_digits() -> None:
    """200,000 doubles, bit patterns at random among them."""
    rng = random.Random(20)
    assert [] == [(value, number(value)) for value in samples(rng) if obvious(value) != number(value)]


@given(st.floats())
def test_no_double_is_written_otherwise(value: float) -> None:
    """Nor one that is looked for."""
    assert obvious(value) == number(value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_times_are_seconds_with_three_decimals_where_they_are_not_whole(time: int) -> None:
    """Whatever the time (ms)."""
    whole, rest = divmod(abs(time), 1000)
    assert f"{'-' * (time < 0)}{whole}{f'.{rest:03}' * (rest > 0)}".encode() == seconds(time)
