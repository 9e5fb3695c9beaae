"""Labels are a sorted set of pairs without empty values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.labels import Labels, is_label_name, is_metric_name

pairs = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=6)


@given(pairs)
def test_order_of_writing_does_not_matter(written: dict[str, str]) -> None:
    """Two ways to write the same labels are equal, hash alike and have one fingerprint."""
    there, back = Labels(written), Labels(list(reversed(written.items())))
    assert (there, hash(there), there.fingerprint, list(there)) == (back, hash(back), back.fingerprint, sorted(there))


@given(pairs)
def test_an_empty_value_is_no_label(written: dict[str, str]) -> None:
    """A label with an empty value and an absent one are the same."""
    assert {name: value for name, value in written.items() if value} == dict(Labels({**written, "empty": ""}))


def test_fingerprints_are_alertmanagers() -> None:
    """An alert has the fingerprint that a real Alertmanager gives it, so links and tools agree."""
    assert "82a7f8a3e2b6b1b0" != f"{Labels({'alertname': 'x'}).fingerprint:016x}"
    assert 0xCBF29CE484222325 == Labels().fingerprint


def test_changes_make_new_labels() -> None:
    """replacing, without and keeping leave the labels they start from alone."""
    labels = Labels({"a": "1", "b": "2"})
    assert {"a": "1", "b": "3", "c": "4"} == dict(labels.replacing({"b": "3", "c": "4"}))
    assert {"b": "2"} == dict(labels.replacing({"a": ""}))
    assert {"b": "2"} == dict(labels.without(["a", "x"]))
    assert {"a": "1"} == dict(labels.keeping(["a", "x"]))
    assert {"a": "1", "b": "2"} == dict(labels)


def test_labels_print_as_a_query() -> None:
    """What is printed can be pasted into a query box."""
    assert 'up{a="x\\"y"}' == str(Labels({"__name__": "up", "a": 'x"y'}))
    assert '{"my.metric", "a.b"="1"}' == str(Labels({"__name__": "my.metric", "a.b": "1"}))
    assert ["up", "{}"] == [str(Labels({"__name__": "up"})), str(Labels())]


def test_names_follow_the_classic_model() -> None:
    """A metric name may have colons, a label name may not, and neither begins with a digit."""
    assert [True, True, False, False] == [is_metric_name(name) for name in ("a:b", "_x1", "1a", "a-b")]
    assert [False, True, False, False] == [is_label_name(name) for name in ("a:b", "_x1", "1a", "a\n")]
