"""Functions and operators of single values at the places where Go's mathematics and numpy's part ways."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from ruler.model.result import Scalar, Vector
from ruler.promql.engine import Engine
from ruler.promql.operators import power
from tests.ruler.promql.memory_storage import MemoryStorage


def bits(number: float) -> str:
    """A float, told apart from every other, all NaN being one."""
    return "nan" if math.isnan(number) else struct.pack(">d", number).hex()


def value(query: str) -> float:
    """The only number that a query gives."""
    found = Engine(MemoryStorage()).instant(query, 0).value
    if isinstance(found, Scalar):
        return found.value
    assert isinstance(found, Vector)
    assert 1 == len(found.values)
    return float(found.values[0])


# As Prometheus 3.5.3 answers them.
ANSWERS = {
    "log10(vector(1000))": 3.0,
    "log10(vector(0.1))": -0.9999999999999999,
    "log2(vector(8))": 3.0,
    "log2(vector(0))": -math.inf,
    "log10(vector(-1))": math.nan,
    "round(vector(-0.4))": 0.0,
    "round(vector(-0.5))": 0.0,
    "round(vector(-2.5))": -2.0,
    "round(vector(2.5))": 3.0,
    "round(vector(1), 0)": math.nan,
    "ceil(vector(-0.4))": -0.0,
    "sgn(vector(-0))": -0.0,
    "sgn(vector(NaN))": math.nan,
    "-0 + -0": -0.0,
    "0 * -1": -0.0,
    "0 / 0": math.nan,
    "1 / 0": math.inf,
    "-1 / 0": -math.inf,
    "1 / -0": -math.inf,
    "-5 % 3": -2.0,
    "5 % -3": 2.0,
    "-6 % 3": -0.0,
    "5 % Inf": 5.0,
    "Inf % 5": math.nan,
    "5 % 0": math.nan,
    "NaN ^ 0": 1.0,
    "1 ^ NaN": 1.0,
    "(-1) ^ Inf": 1.0,
    "(-8) ^ 0.5": math.nan,
    "(-Inf) ^ 0.5": math.inf,
    "(-0) ^ 0.5": 0.0,
    "(-0) ^ -1": -math.inf,
    "0 ^ 0": 1.0,
    "0 atan2 -0": math.pi,
    "-0 atan2 -0": -math.pi,
    "Inf atan2 -Inf": 3 * math.pi / 4,
    "NaN == bool NaN": 0.0,
    "NaN != bool NaN": 1.0,
    "0 == bool -0": 1.0,
    "clamp(vector(5), NaN, 10)": math.nan,
    "clamp(vector(5), 0, NaN)": math.nan,
    "clamp_min(vector(NaN), Inf)": math.inf,
    "clamp_max(vector(NaN), -Inf)": -math.inf,
    "clamp_min(vector(NaN), 0)": math.nan,
    "clamp_min(vector(-0), 0)": 0.0,
    "clamp_max(vector(0), -0)": -0.0,
    "sum(vector(-0))": 0.0,
    "avg(vector(-0))": 0.0,
    "min(vector(-0))": -0.0,
    "stddev(vector(Inf))": math.nan,
    "quantile(0.5, vector(NaN))": math.nan,
}


@pytest.mark.parametrize("query", ANSWERS)
def test_edges_are_as_there(query: str) -> None:
    """Signs of zero, infinities, NaN and the last bits are those of Prometheus."""
    assert bits(ANSWERS[query]) == bits(value(query))


def test_a_lone_exponent_is_like_many() -> None:
    """A power is the same whether one exponent is for all bases or each has its own."""
    bases = np.array([[-np.inf, -0.0, 0.0, 4.0, np.inf]])
    with np.errstate(invalid="ignore"):
        from_one, from_each = (
            [bits(each) for each in power(bases, exponents)[0].tolist()]
            for exponents in (np.full((1, 1), 0.5), np.full(bases.shape, 0.5))
        )
    assert from_one == from_each
