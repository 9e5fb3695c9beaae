"""Parquet: a file a day, a column a label, and every sample in it."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from ruler.model.arrays import NAN, STALE
from ruler.transfer.parquet import NoParquet, export_parquet
from ruler.transfer.read import DAY, read_series
from ruler.transfer.series import SeriesSamples
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.transfer.world import ALWAYS, BASE, EVERYTHING, ListImporter, bits, filled, labelled, series

dataset = pytest.importorskip("pyarrow.dataset", reason="pyarrow is not installed (`tocsin[parquet]`)")

MIDNIGHT = BASE // DAY * DAY


def stored(every: list[SeriesSamples]) -> MemoryStorage:
    storage = MemoryStorage()
    ListImporter(storage).put(every)
    return storage


def test_each_day_has_a_file_with_its_samples(tmp_path: Path) -> None:
    """Midnight belongs to the day that it begins; days without samples have no file, and nothing is left beside."""
    samples = [(MIDNIGHT - 1, 1.0), (MIDNIGHT, 2.0), (MIDNIGHT + DAY - 1, 3.0), (MIDNIGHT + 5 * DAY, 4.0)]
    storage = stored([series(labelled("a", x="y"), samples)])
    written = list(export_parquet(storage, EVERYTHING, *ALWAYS, tmp_path))
    days = [datetime.fromtimestamp(MIDNIGHT // 1000 + 86_400 * day, UTC).date() for day in (-1, 0, 5)]
    assert [tmp_path / f"day={day}" / "part-0.parquet" for day in days] == [each.path for each in written]
    assert [1, 2, 1] == [each.samples for each in written]
    assert sorted(each.path for each in written) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    rows = dataset.dataset(tmp_path, partitioning="hive").to_table().to_pylist()
    assert {
        "__name__": "a",
        "x": "y",
        "timestamp": datetime.fromtimestamp(MIDNIGHT // 1000, UTC),
        "value": 2.0,
        "day": str(days[1]),
    } == rows[1]
    assert date.fromisoformat(rows[3]["day"]) == days[2]


def test_every_sample_of_a_database_is_in_it(tmp_path: Path) -> None:
    """Labels, times and values are those of the export, with null for a stale marker, wherever it was cut."""
    source = filled()
    total = sum(each.samples for each in export_parquet(source, EVERYTHING, *ALWAYS, tmp_path, cells=1_000))
    found: dict[str, list[tuple[int, int]]] = {}
    for row in dataset.dataset(tmp_path, partitioning="hive").to_table().to_pylist():
        time, value, _ = int(row.pop("timestamp").timestamp() * 1000 + 0.5), row.pop("value"), row.pop("day")
        labels = {name: text for name, text in row.items() if text is not None}
        value = STALE if value is None else NAN if np.isnan(value) else np.float64(value)
        found.setdefault(str(labelled(labels.pop("__name__"), **labels)), []).append((time, int(value.view(np.int64))))
    expected = bits(read_series(source, EVERYTHING, *ALWAYS))
    assert sum(map(len, expected.values())) == total
    assert expected == found


def test_labels_never_take_the_place_of_samples(tmp_path: Path) -> None:
    """A label called like another column, or like another label in other letters, has a column of its own."""
    storage = stored([series(labelled("a", value="v", Day="d", label_value="w", x="1", X="2"), [(MIDNIGHT, 1.0)])])
    list(export_parquet(storage, EVERYTHING, *ALWAYS, tmp_path))
    [row] = dataset.dataset(tmp_path, partitioning="hive").to_table().to_pylist()
    assert {
        "__name__": "a",
        "label_Day": "d",
        "label_value": "w",
        "label_label_value": "v",
        "X": "2",
        "label_x": "1",
        "timestamp": datetime.fromtimestamp(MIDNIGHT // 1000, UTC),
        "value": 1.0,
        "day": str(datetime.fromtimestamp(MIDNIGHT // 1000, UTC).date()),
    } == row


def test_a_second_export_replaces_the_first(tmp_path: Path) -> None:
    """A file is whole or the old one: what fails half-way leaves what was there, and nothing else."""
    storage = stored([series(labelled("a"), [(MIDNIGHT, 1.0)])])
    [first] = export_parquet(storage, EVERYTHING, *ALWAYS, tmp_path)
    before = first.path.read_bytes()
    broken = stored([series(labelled("a"), [(MIDNIGHT, 2.0)]), series(labelled("b"), [(MIDNIGHT, 2.0)])])
    broken.series[labelled("b")] = [(MIDNIGHT, "not a number")]  # type: ignore[list-item]  # what makes it fail
    with pytest.raises(ValueError, match="could not convert"):
        list(export_parquet(broken, EVERYTHING, *ALWAYS, tmp_path))
    assert ([first.path], before) == (list(tmp_path.rglob("*.*")), first.path.read_bytes())


def test_without_the_library_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody needs pyarrow who does not export to Parquet."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NoParquet, match=r"install it with `pip install 'tocsin\[parquet\]'`"):
        list(export_parquet(MemoryStorage(), EVERYTHING, *ALWAYS, tmp_path))
