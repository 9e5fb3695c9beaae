"""The laws of turning result rows into series ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.arrays import IntArray
from ruler.model.result import Scalar, String, Vector
from ruler.model.table import LabelTable, Overlay, StringPool, table_of
from ruler.rule.errors import RuleError
from ruler.rule.rows import RowIds, vector_of
from ruler.storage import REFUSED

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")).map(Labels)


class Register:
    """A Register gives ids to labels as a storage does, while it has room, and notes for which it was asked."""

    def __init__(self, room: int = 1000) -> None:
        self.ids: dict[Labels, int] = {}
        self.asked: list[Labels] = []
        self.forgotten: set[int] = set()
        self._room, self._openings = room, 0

    def mint(self, labels: list[Labels]) -> IntArray:
        self.asked += labels
        for each in labels:
            if len(self.ids) < self._room:
                self.ids.setdefault(each, len(self.ids))
        return np.array([self.ids.get(each, REFUSED) for each in labels], dtype=np.int64)

    def openings(self) -> int:
        return self._openings

    def standing(self, series: IntArray, since: int) -> tuple[bool, int]:
        return not self.forgotten.intersection(series.tolist()), since

    def widen(self, room: int) -> None:
        self._room, self._openings = room, self._openings + 1


def recorded(labels: Labels) -> Labels:
    return labels.replacing({"__name__": "recorded"})


@given(st.lists(st.lists(LABELS, unique=True), max_size=6), st.booleans())
def test_ids_are_those_of_the_recorded_labels(results: list[list[Labels]], overlaid: bool) -> None:
    """Whatever results follow one another, each row has the id of its labels as recorded; each was minted once."""
    pool, register = StringPool(), Register()
    rows = RowIds(recorded)
    for labels in results:
        table = table_of(labels, Overlay(pool) if overlaid else pool)
        expected = register.mint([recorded(each) for each in labels]).tolist()
        assert expected == rows.ids(table, register).tolist()


def test_the_same_labels_give_the_very_same_array() -> None:
    """While the labels stay the same, no label is built and the array is the one of last time."""
    pool, register = StringPool(), Register()
    rows = RowIds(recorded)
    labels = [Labels({"a": str(n)}) for n in range(5)]
    first = rows.ids(table_of(labels, pool), register)
    register.asked.clear()
    assert first is rows.ids(table_of(labels, pool), register)
    assert [] == register.asked


def test_labels_are_built_for_new_rows_only() -> None:
    """When one series is added among many, only its labels are built."""
    pool, register = StringPool(), Register()
    rows = RowIds(recorded)
    many = [Labels({"a": str(n)}) for n in range(100)]
    rows.ids(table_of(many, pool), register)
    register.asked.clear()
    rows.ids(table_of([*many[:50], Labels({"a": "new"}), *many[50:]], pool), register)
    assert [Labels({"__name__": "recorded", "a": "new"})] == register.asked


def test_refused_rows_are_asked_for_again_when_room_has_appeared() -> None:
    """What is known keeps its id, what was refused costs nothing until there may be room, and then is asked for."""
    pool, register = StringPool(), Register(room=2)
    rows = RowIds(recorded)
    labels = [Labels({"a": str(n)}) for n in range(4)]
    first = rows.ids(table_of(labels, pool), register)
    assert [0, 1, REFUSED, REFUSED] == first.tolist()
    register.asked.clear()
    assert first is rows.ids(table_of(labels, pool), register)
    assert [1, REFUSED] == rows.ids(table_of(labels[1:3], pool), register).tolist()
    assert [] == register.asked
    register.widen(3)
    assert [1, 2] == rows.ids(table_of(labels[1:3], pool), register).tolist()
    assert [recorded(labels[2])] == register.asked


def test_codes_of_a_query_are_not_taken_for_lasting() -> None:
    """Two queries give the same code to different strings that they mint: the series differ all the same."""
    pool, register = StringPool(), Register()
    rows = RowIds(recorded)
    one, other = (table_of([Labels({"a": text})], Overlay(pool)) for text in ("x", "y"))
    assert np.array_equal(one.codes, other.codes)
    assert [0, 1, 0] == [int(rows.ids(table, register)[0]) for table in (one, other, one)]


def test_ids_that_the_storage_forgot_are_asked_for_anew() -> None:
    """A row that comes again after its series was forgotten gets the id that it has now."""
    pool, register = StringPool(), Register()
    rows = RowIds(recorded)
    table = table_of([Labels({"a": "x"}), Labels({"a": "y"})], pool)
    assert [0, 1] == rows.ids(table, register).tolist()
    register.forgotten, register.ids = {0, 1}, {Labels({"taken": str(n)}): n for n in range(2)}
    assert [2, 3] == rows.ids(table, register).tolist()


def test_a_scalar_is_one_series_without_labels() -> None:
    """A scalar is recorded as one series."""
    table, values = vector_of(Scalar(5, 7.0))
    assert ([Labels()], [7.0]) == (table.all_labels(), values.tolist())


def test_a_vector_is_taken_as_it_is() -> None:
    """A vector's table and values are passed on."""
    vector = Vector(5, LabelTable(("a",), np.array([[1]], dtype=np.int32), StringPool()), np.array([2.0]))
    assert vector_of(vector)[0] is vector.table


def test_a_string_cannot_be_recorded() -> None:
    """Any other result is the rule's error."""
    with pytest.raises(RuleError, match="rule result is not a vector or scalar"):
        vector_of(String(5, "x"))
