"""Label tables as columns of codes: grouping and ordering agree with the labels as strings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import QueryTimeout
from common.labels import Labels
from ruler.model.pace import ROWS
from ruler.model.table import LabelTable, Overlay, StringPool, stacked, table_of
from ruler.promql.columns import (
    Grouping,
    dropping,
    dropping_metadata,
    group_all,
    group_both,
    group_by,
    keeping,
    label_order,
    setting,
)

labels = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", "1", "2", "ä", "z"]), max_size=4).map(Labels)
label_lists = st.lists(labels, max_size=12)


@given(label_lists, st.sets(st.sampled_from("abcdx")))
def test_groups_are_numbered_as_they_first_appear(series: list[Labels], names: set[str]) -> None:
    """Two series share a group exactly when they agree in the labels that group; numbers rise with first members."""
    groups = group_by(table_of(series, StringPool()), names)
    order: dict[Labels, int] = {}
    expected = [order.setdefault(each.keeping(names), len(order)) for each in series]
    assert expected == groups.of.tolist()
    assert [expected.index(number) for number in range(len(order))] == groups.first.tolist()


@given(label_lists, label_lists, st.sets(st.sampled_from("abcd")))
def test_both_sides_share_their_groups(left: list[Labels], right: list[Labels], names: set[str]) -> None:
    """A series of one side has the group of a series of the other exactly when their matching labels are equal."""
    pool = StringPool()
    ours, theirs, _ = group_both(table_of(left, pool), table_of(right, pool), sorted(names))
    expected = [[one.keeping(names) == two.keeping(names) for two in right] for one in left]
    assert expected == (ours[:, np.newaxis] == theirs).tolist()


@given(st.lists(label_lists, min_size=1, max_size=4), st.sets(st.sampled_from("abcdx")))
def test_groups_go_on_from_table_to_table(tables: list[list[Labels]], names: set[str]) -> None:
    """Series of later tables join the groups of earlier ones; `first` says which begin one."""
    pool, grouping = StringPool(), Grouping(sorted(names))
    order: dict[Labels, int] = {}
    for series in tables:
        before = len(order)
        expected = [order.setdefault(each.keeping(names), len(order)) for each in series]
        groups = grouping.add(table_of(series, pool))
        assert expected == groups.of.tolist()
        assert [expected.index(number) for number in range(before, len(order))] == groups.first.tolist()
    assert len(order) == len(grouping)


@given(st.lists(labels, max_size=12, unique=True))
def test_label_order_is_that_of_labels(series: list[Labels]) -> None:
    """Series come in the order in which their sorted pairs of names and values compare."""
    order = label_order(table_of(series, StringPool()))
    assert sorted(series) == [series[index] for index in order.tolist()]


def test_very_many_series_are_ordered_the_same() -> None:
    """Texts that are sorted a part at a time, in any order, and long ones, come as if they were sorted at once."""
    rng = np.random.default_rng(1)
    texts = [f"{'long' * int(number % 3)}{number}" for number in rng.permutation(40_000).tolist()]
    series = [Labels({"a": text, "b": str(place % 7)}) for place, text in enumerate(texts)]
    order = label_order(table_of(series, StringPool()))
    assert sorted(texts) == [texts[index] for index in order.tolist()]


def test_ordering_can_be_ended() -> None:
    """Of very many series and texts, after each part of the work; what the check raises comes out."""
    pool, looks = StringPool(), list[None]()
    table = table_of([Labels({"a": str(number * 7919 % 100_003), "b": "x"}) for number in range(100_003)], pool)
    many = LabelTable(table.names, np.tile(table.codes, (10, 1)), pool)
    label_order(many, lambda: looks.append(None))
    assert len(looks) > 3 * len(many) // ROWS
    for allowed in (0, 1, len(looks) // 2, len(looks) - 1):
        left = [None] * allowed

        def ends(left: list[None] = left) -> None:
            if not left:
                raise QueryTimeout("over")
            left.pop()

        with pytest.raises(QueryTimeout):
            label_order(many, ends)


@given(label_lists, st.sets(st.sampled_from("abcd")))
def test_keeping_and_dropping_are_those_of_labels(series: list[Labels], names: set[str]) -> None:
    """A table without columns is the table of the labels without those names."""
    table = table_of(series, StringPool())
    assert [each.keeping(names) for each in series] == keeping(table, names).all_labels()
    assert [each.without(names) for each in series] == dropping(table, names).all_labels()


@given(label_lists, st.sampled_from("abx"))
def test_setting_a_label_replaces_or_adds_it(series: list[Labels], name: str) -> None:
    """After a column is set, every series has that label with that value, and nothing else has changed."""
    pool = Overlay(StringPool())
    table = table_of(series, pool)
    codes = np.full(len(series), pool.code("new"), dtype=np.int32)
    assert [each.replacing({name: "new"}) for each in series] == setting(table, name, codes).all_labels()


@given(label_lists, label_lists)
def test_stacked_tables_hold_all_series(one: list[Labels], two: list[Labels]) -> None:
    """Tables stacked are the table of all their labels, one after the other."""
    pool = StringPool()
    assert one + two == stacked((table_of(one, pool), table_of(two, pool)), pool).all_labels()


def test_metadata_goes_only_where_it_is_to_go() -> None:
    """Dropping the name of some series leaves the others theirs."""
    series = [Labels({"__name__": "x", "__type__": "counter", "a": "1"}), Labels({"__name__": "x", "a": "2"})]
    table = dropping_metadata(table_of(series, StringPool()), np.array([True, False]))
    assert [Labels({"a": "1"}), series[1]] == table.all_labels()


def test_many_wide_columns_are_still_told_apart() -> None:
    """Grouping by more columns than one number can hold still tells all series apart."""
    series = [Labels({f"l{name:02}": str((index * 7919 + name) % 997) for name in range(12)}) for index in range(997)]
    groups = group_all(table_of([*series, *series], StringPool()))
    assert [*range(997), *range(997)] == groups.of.tolist()
