"""Results leave the ruler exactly as Prometheus writes them."""

from __future__ import annotations

import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import QueryCanceled
from common.labels import Labels
from ruler.api import encode
from ruler.api.encode import encode_labels, encode_result, encoded_pieces
from ruler.model.golang import format_float
from ruler.model.result import Matrix, Result, Scalar, String, Vector
from ruler.model.table import LabelTable, StringPool, table_of


def test_scalars_never_have_an_exponent() -> None:
    """Prometheus writes scalars in full."""
    written = [encode_result(Result(Scalar(0, value))) for value in (1e-7, 1e21)]
    assert ["0.0000001", "1000000000000000000000"] == [orjson.loads(each)["data"]["result"][1] for each in written]


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


VALUES = st.one_of(st.floats(), st.integers(-(10**6), 10**6).map(float))
LABELS = st.dictionaries(st.sampled_from("abcd"), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
TIMES = st.integers(-(2**62), 2**62)
POINTS = st.dictionaries(TIMES, VALUES, max_size=8) | st.dictionaries(st.integers(0, 5), VALUES)


@given(TIMES, st.lists(st.tuples(LABELS, VALUES), max_size=40))
def test_a_vector_is_written_as_its_series_one_by_one(time: int, series: list[tuple[dict[str, str], float]]) -> None:
    """The kernel's bytes are those of an obvious encoder."""
    table = table_of([Labels(labels) for labels, _ in series], StringPool())
    written = [f'{{"metric":{object_of(labels)},"value":{point_of(time, value)}}}' for labels, value in series]
    values = np.array([value for _, value in series], dtype=np.float64)
    assert f"[{','.join(written)}]" == series_in(Vector(time, table, values))


@given(st.lists(st.tuples(LABELS, POINTS), max_size=10))
def test_a_matrix_is_written_as_its_points_one_by_one(series: list[tuple[dict[str, str], dict[int, float]]]) -> None:
    """Whatever times its series have, together or apart; one without points is left out."""
    written = []
    for labels, points in series:
        if points:
            texts = [point_of(time, value) for time, value in sorted(points.items())]
            written.append(f'{{"metric":{object_of(labels)},"values":[{",".join(texts)}]}}')
    table = table_of([Labels(labels) for labels, _ in series], StringPool())
    assert f"[{','.join(written)}]" == series_in(matrix_of(table, [points for _, points in series]))


def object_of(labels: dict[str, str]) -> str:
    return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()


def point_of(time: int, value: float) -> str:
    whole, rest = divmod(abs(time), 1000)
    return f'[{"-" * (time < 0)}{whole}{f".{rest:03}" * (rest > 0)},"{plainly(value)}"]'


def plainly(value: float) -> str:
    return format_float(value, "f" if value == 0 or 1e-6 <= abs(value) < 1e21 else "e")


def series_in(value: Vector | Matrix) -> str:
    """What stands for the series of a value in its answer, whether one processor writes it or several."""
    text = encode_result(Result(value)).decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "WORTH_IT", 0)
        assert text == encode_result(Result(value)).decode()
    return text[text.index('"result":') + 9 : -2]


def matrix_of(table: LabelTable, series: list[dict[int, float]]) -> Matrix:
    times = [time for points in series for time in sorted(points)]
    values = [points[time] for points in series for time in sorted(points)]
    offsets = np.cumsum([0, *map(len, series)])
    return Matrix(table, offsets, np.array(times, dtype=np.int64), np.array(values, dtype=np.float64))


def test_pieces_of_a_large_answer_are_those_of_a_small_one() -> None:
    """A series may end in another piece than it began in, and labels may be longer than a piece."""
    points = {step * 15_000 + step % 3: step / 7 for step in range(30_000)}
    labels = [Labels({"a": "x" * length, "b": str(length)}) for length in (3, 700_000, 0, 1)]
    table = table_of(labels, StringPool())
    pieces = encoded_pieces(Result(matrix_of(table, [points, {5: 1.0}, {}, points])))
    assert len(pieces) > 10
    assert [
        {"metric": dict(each), "values": [[time / 1000, plainly(value)] for time, value in there.items()]}
        for each, there in zip(labels, (points, {5: 1.0}, {}, points), strict=True)
        if there
    ] == orjson.loads(b"".join(pieces))["data"]["result"]


def test_between_two_pieces_a_query_may_be_stopped() -> None:
    """An answer of megabytes is not written to its end for a client that has gone."""
    times = np.arange(200_000)
    matrix = Matrix(table_of([Labels()], StringPool()), np.array([0, 200_000]), times, times / 3)
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise QueryCanceled("enough")

    with pytest.raises(QueryCanceled, match="enough"):
        encoded_pieces(Result(matrix), check)


@pytest.mark.parametrize("offsets", [[0, 1], [0, 2, 1], [-1, 0, 1], [0, 1, 3]])
def test_points_that_are_not_there_are_not_read(offsets: list[int]) -> None:
    """A matrix that is none is refused before anything is read."""
    table = table_of([Labels({"a": "1"}), Labels({"a": "2"})], StringPool())
    with pytest.raises(ValueError, match=r"^matrix: "):
        encode_result(Result(Matrix(table, np.array(offsets), np.arange(2), np.zeros(2))))


def test_a_label_that_cannot_be_told_stops_an_answer() -> None:
    """What goes wrong while a kernel writes comes out, however large the answer."""
    table = LabelTable(("a",), np.full((1000, 1), 7, dtype=np.int32), StringPool())
    with pytest.raises(KeyError):
        encode_result(Result(Vector(0, table, np.zeros(1000))))
