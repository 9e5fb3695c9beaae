"""Reading series out of a storage: in label order, within a budget of cells, each sample once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import Selection
from ruler.transfer.read import DAY, days, label_names, read_series
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.transfer.world import ALWAYS, BASE, EVERYTHING, ListImporter, bits, filled, labelled, series
from tests.ruler.tsdb.reading import read


class Measured:
    """A storage that notes the largest selection that another one gave."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.strings, self.cells, self.tables = storage.strings, storage.cells, storage.tables
        self._select = storage.select
        self.largest = 0

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> Selection:
        selection = self._select(matchers, start, end)
        self.largest = max(self.largest, sum(each.values.size for block in selection.blocks for each in block.blocks()))
        return selection


@pytest.mark.parametrize("cells", [10_000_000, 1_000, 1])
def test_every_sample_comes_once_whatever_the_budget(cells: int) -> None:
    """What a selection of everything has is what comes series by series; pieces of a series follow in time."""
    source = filled()
    assert read(source, *ALWAYS) == bits(read_series(source, EVERYTHING, *ALWAYS, cells=cells))


def test_series_come_by_name_and_then_by_labels() -> None:
    """The order is that of names, then of labels, as long as all fits the budget."""
    found = [each.labels for each in read_series(filled(), EVERYTHING, *ALWAYS)]
    expected = sorted(found, key=lambda labels: (labels["__name__"], tuple(labels.items())))
    assert expected == found
    assert len(set(found)) == len(found)


def test_both_ends_of_the_span_count() -> None:
    """start ≤ time ≤ end, unlike a selection, whose start is open."""
    storage = MemoryStorage()
    ListImporter(storage).put([series(labelled("a"), [(BASE + t, float(t)) for t in range(5)])])
    [found] = read_series(storage, EVERYTHING, BASE + 1, BASE + 3)
    assert [1.0, 2.0, 3.0] == found.values.tolist()


def test_a_series_that_two_sets_select_comes_once() -> None:
    """Sets of matchers are joined as sets of series."""
    source = filled()
    first = (Matcher("code", MatchOp.EQUAL, "200"),)
    second = (Matcher("__name__", MatchOp.EQUAL, "requests_total"),)
    found = list(read_series(source, (first, second), *ALWAYS))
    assert 6 == len(found) == len({each.labels for each in found})


def test_no_more_than_the_budget_is_read_at_once() -> None:
    """Names are read in groups, and a name that is too large alone in slices of time."""
    storage = MemoryStorage(interval=15_000)
    names = [f"m.{number}|" for number in range(40)]
    many = [labelled(name, n=str(n)) for name in names for n in range(3)] + [
        labelled("large", n=str(n)) for n in range(50)
    ]
    ListImporter(storage).put([series(labels, [(BASE + t * 15_000, float(t)) for t in range(100)]) for labels in many])
    storage.stream = dict.fromkeys(storage.stream, "one")
    measured = Measured(storage)
    in_parts = bits(read_series(measured, EVERYTHING, *ALWAYS, cells=2_000))
    assert 0 < measured.largest <= 2_000
    assert in_parts == bits(read_series(storage, EVERYTHING, *ALWAYS))


def test_days_are_those_with_samples() -> None:
    """Days in UTC, cut to the span, the empty ones left out."""
    storage = MemoryStorage()
    noon = BASE // DAY * DAY + DAY // 2
    ListImporter(storage).put([series(labelled("a"), [(noon, 1.0), (noon + 1, 1.0), (noon + 7 * DAY, 1.0)])])
    first = noon - DAY // 2
    whole = [(first, first + DAY - 1), (first + 7 * DAY, first + 8 * DAY - 1)]
    assert whole == list(days(storage, EVERYTHING, *ALWAYS))
    assert [(noon + 1, first + DAY - 1)] == list(days(storage, EVERYTHING, noon + 1, noon + DAY))


def test_label_names_are_those_of_what_is_selected() -> None:
    """A label that only other series have is not among them."""
    chosen = ((Matcher("__name__", MatchOp.EQUAL, "up"),),)
    assert ["__name__", "host"] == label_names(filled(), chosen, *ALWAYS)
    assert "code" in label_names(filled(), EVERYTHING, *ALWAYS)
