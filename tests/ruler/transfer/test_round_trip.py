"""The law of every format that comes in again: an import of an export is what was exported, by bits and by queries."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.arrays import NAN, STALE
from ruler.transfer import csvtable, exposition, jsonlines
from ruler.transfer.formats import EXPORTS, Format, Reading, Wanted, export, load, parse
from ruler.transfer.series import Imported, SeriesSamples
from ruler.tsdb.db import DB
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.transfer.world import ALWAYS, EVERYTHING, ListImporter, answers, bits, filled, series

READING = Reading(now=0)

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
names = st.one_of(st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,9}", fullmatch=True), texts.filter(bool))
values = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(1 << 53), 1 << 53).map(float),
    st.sampled_from([NAN, STALE, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308]),
)
label_sets = st.dictionaries(names.filter(lambda name: name != "__name__"), texts, max_size=4)
samples = st.lists(
    st.tuples(st.integers(-(10**12), 4 * 10**12), values), min_size=1, max_size=8, unique_by=lambda s: s[0]
)


@st.composite
def many_series(draw: st.DrawFn) -> list[SeriesSamples]:
    found = {}
    for name, labels, pairs in draw(st.lists(st.tuples(names, label_sets, samples), max_size=5)):
        each = Labels({**labels, "__name__": name})
        found[str(each)] = series(each, sorted(pairs, key=lambda pair: pair[0]))
    return list(found.values())


def written(format_: Format, every: list[SeriesSamples]) -> bytes:
    if format_ is Format.JSON:
        return b"".join(jsonlines.write(every))
    if format_ is Format.OPENMETRICS:
        return b"".join(exposition.write(every))
    return b"".join(csvtable.write(every, csvtable.header(sorted({name for each in every for name in each.labels}))))


def cut(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize("format_", EXPORTS)
@settings(deadline=None, max_examples=60)
@given(every=many_series(), size=st.integers(1, 200))
def test_reading_what_was_written_gives_the_same_bits(format_: Format, every: list[SeriesSamples], size: int) -> None:
    """parse(write(series)) == series, whatever the labels, the values and the cuts between chunks."""
    assert bits(every) == bits(parse(format_, cut(written(format_, every), size), READING))


@pytest.fixture(scope="module")
def source() -> DB:
    return filled()


@pytest.mark.parametrize("format_", EXPORTS)
@pytest.mark.parametrize("cells", [4_000_000, 500], ids=["at once", "in slices"])
def test_queries_over_an_import_of_an_export_give_the_same(source: DB, format_: Format, cells: int) -> None:
    """Counters, gauges, NaN, ±Inf, gaps, stale markers and odd labels: every answer is identical."""
    wanted = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1], cells=cells)
    copy = MemoryStorage()
    total = load(ListImporter(copy), format_, export(source, format_, wanted), READING)
    expected = answers(source)
    assert total == Imported(stored=sum(len(found) for found in copy.series.values()))
    assert all(expected[query] for query in expected if not query.startswith("absent"))
    assert expected == answers(copy)


@pytest.mark.parametrize("format_", EXPORTS)
def test_an_import_twice_stores_nothing_twice(source: DB, format_: Format) -> None:
    """What is there already is counted as duplicate."""
    wanted = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1])
    copy = MemoryStorage()
    first = load(ListImporter(copy), format_, export(source, format_, wanted), READING)
    assert Imported(duplicate=first.stored) == load(
        ListImporter(copy), format_, export(source, format_, wanted), READING
    )


def test_an_export_is_smaller_in_gzip_and_bounded_in_pieces(source: DB) -> None:
    """Pieces are some 64 KiB whatever the size of the whole."""
    wanted = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1])
    pieces = list(export(source, Format.OPENMETRICS, wanted))
    assert max(map(len, pieces)) < 1 << 18
    assert len(gzip.compress(b"".join(pieces))) < sum(map(len, pieces)) / 4
