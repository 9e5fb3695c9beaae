"""Numbers and labels leave the ruler exactly as Prometheus writes them."""

from __future__ import annotations

import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.labels import Labels
from ruler.api.encode import encode_labels, encode_result, format_value, format_values
from ruler.model.result import Matrix, Result, Scalar, String, Vector
from ruler.model.table import StringPool, table_of

# Each as a real Prometheus 3.5 answered `vector(x)`.
WRITTEN = [
    (1.0, "1"),
    (0.0, "0"),
    (1.5, "1.5"),
    (1e-7, "1e-07"),
    (1e-10, "1e-10"),
    (-1.5e-12, "-1.5e-12"),
    (1e20, "100000000000000000000"),
    (1e21, "1e+21"),
    (1e100, "1e+100"),
    (0.1 + 0.2, "0.30000000000000004"),
    (math.nan, "NaN"),
    (math.inf, "+Inf"),
    (-math.inf, "-Inf"),
]


@pytest.mark.parametrize(("value", "written"), WRITTEN)
def test_values_are_written_as_prometheus_writes_them(value: float, written: str) -> None:
    """A sample value has no point where it is whole and an exponent only where it is very small or very large."""
    assert written == format_value(value)


def test_scalars_never_have_an_exponent() -> None:
    """Prometheus writes scalars in full."""
    written = [encode_result(Result(Scalar(0, value))) for value in (1e-7, 1e21)]
    assert ["0.0000001", "1000000000000000000000"] == [orjson.loads(each)["data"]["result"][1] for each in written]


@given(st.lists(st.floats(), max_size=50))
def test_an_array_is_written_as_its_values_one_by_one(values: list[float]) -> None:
    """The fast path over arrays and the plain one over a value never differ."""
    assert [format_value(value).encode() for value in values] == format_values(np.array(values, dtype=np.float64))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_reads_back_as_the_same_number(value: float) -> None:
    """No digit that matters is lost."""
    assert value == float(format_value(value))


def test_labels_are_escaped_and_absent_ones_left_out() -> None:
    """Any text may stand in a label; JSON readers get it back."""
    labels = [Labels({"a": 'x"y\\\n', "b": "ü"}), Labels({"b": "</script>"}), Labels()]
    table = table_of(labels, StringPool())
    assert [dict(each) for each in labels] == [orjson.loads(text) for text in encode_labels(table)]


def test_every_kind_of_result_has_prometheus_shape() -> None:
    """Times are seconds with three decimals where not whole; notes stand beside the data."""
    pool = StringPool()
    table = table_of([Labels({"__name__": "m", "a": "1"}), Labels({"__name__": "m"})], pool)
    vector = Result(Vector(1_500, table, np.array([1.0, math.nan])), ("w",), ("i",))
    assert {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {"metric": {"__name__": "m", "a": "1"}, "value": [1.5, "1"]},
                {"metric": {"__name__": "m"}, "value": [1.5, "NaN"]},
            ],
        },
        "warnings": ["w"],
        "infos": ["i"],
    } == orjson.loads(encode_result(vector))
    matrix = Matrix(table, np.array([0, 2, 3]), np.array([1000, 2000, 2000]), np.array([1.0, 2.0, 3.5]))
    assert [
        {"metric": {"__name__": "m", "a": "1"}, "values": [[1, "1"], [2, "2"]]},
        {"metric": {"__name__": "m"}, "values": [[2, "3.5"]]},
    ] == orjson.loads(encode_result(Result(matrix)))["data"]["result"]
    assert b'[0.001,"2"]' in encode_result(Result(Scalar(1, 2.0)))
    assert b'[-0.500,"a\\"b"]' in encode_result(Result(String(-500, 'a"b')))
