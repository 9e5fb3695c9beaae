"""Label sets as JSON objects: any text, any number of them."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.labels import Labels
from ruler.kernels.text.labels import label_sets
from ruler.model.table import Overlay, StringPool, table_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.lists(st.dictionaries(TEXTS, TEXTS, max_size=5), max_size=20))
def test_json_readers_get_any_label_back(labels: list[dict[str, str]]) -> None:
    """Names are sorted, and what is absent is left out."""
    table = table_of([Labels(each) for each in labels], Overlay(StringPool()))
    written = [orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in labels]
    assert written == label_sets(table.names, table.codes, table.strings.text)


def test_each_of_many_values_stands_where_it_belongs() -> None:
    """Values short and long, in an order in which each series has others than the one before."""
    rng = np.random.default_rng(1)
    labels = [
        {"even": "yes" * int(rng.integers(100)), "id": str(number), "of": str(number % 7)} for number in range(5000)
    ]
    table = table_of([Labels(each) for each in labels], StringPool())
    order = rng.permutation(len(labels))
    shuffled = table.take(order)
    assert [{name: value for name, value in labels[row].items() if value} for row in order] == [
        orjson.loads(each) for each in label_sets(shuffled.names, shuffled.codes, shuffled.strings.text)
    ]


def test_every_name_has_a_column() -> None:
    """A table of another shape is refused before anything is read."""
    with pytest.raises(ValueError, match="not a column of codes for each name: 2"):
        label_sets(("a",), np.zeros((1, 2), dtype=np.int32), str)


def test_a_code_without_a_text_is_told() -> None:
    """What the texts raise comes out."""
    texts = {6: "six"}
    with pytest.raises(KeyError):
        label_sets(("a",), np.array([[6], [7]], dtype=np.int32), texts.__getitem__)
