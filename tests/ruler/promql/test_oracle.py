"""The engine against the slow, obvious evaluator: thousands of generated queries over generated samples.

TOCSIN_ORACLE=200000 asks so many, new ones each time (`make oracle`); without it, every run asks the same.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from common.labels import Labels
from ruler.model.result import Matrix
from ruler.promql.engine import Engine
from ruler.promql.signatures import AGGREGATIONS, SIGNATURES
from ruler.storage import Queryable
from ruler.tsdb.select import blocks
from tests.ruler.promql.gappy import TICK, found, same
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.promql.oracle.answers import Answer, difference, order, ours
from tests.ruler.promql.oracle.obvious import answered
from tests.ruler.promql.oracle.queries import DAY, Dialect, Scene, scenes
from tests.ruler.promql.oracle.versions import alike, explained
from tests.ruler.promql.oracle.world import World, in_lists, sealed, stored

MORE = int(os.environ.get("TOCSIN_ORACLE", "0"))
WANTED = MORE or 6_000
BASE = 1_700_000_000_000 // (7 * DAY) * 7 * DAY
LEAST_DISTINCT = 0.8  # the more are asked, the more come again: of 60,000 there were 0.84


@contextmanager
def reopened(world: World, base: int) -> Iterator[Queryable]:
    with tempfile.TemporaryDirectory() as folder, sealed(world, base, Path(folder)) as storage:
        yield storage


@contextmanager
def deferred(world: World, base: int) -> Iterator[Queryable]:
    """Chunks and a page of which a series is read at a time, when it is evaluated: as of many more."""
    with patch.multiple(blocks, AT_ONCE=1, SHARE=1), reopened(world, base) as storage:
        yield storage


@contextmanager
def listed(world: World, base: int) -> Iterator[Queryable]:
    yield in_lists(world, base)


Storing = Callable[[World, int], AbstractContextManager[Queryable]]


@pytest.mark.timeout(3_000)
@pytest.mark.parametrize(
    ("storing", "wanted", "at_once"),
    [(stored, WANTED, 12), (listed, WANTED // 5, 12), (reopened, WANTED // 4, 60), (deferred, WANTED // 4, 60)],
    ids=["pages", "lists", "chunks", "deferred"],
)
def test_generated_queries_agree_with_the_obvious_evaluator(storing: Storing, wanted: int, at_once: int) -> None:
    """Whatever holds the samples, every query has the series and values that it has one sample at a time, or fails."""
    distinct: set[str] = set()
    known: Counter[str] = Counter()

    @settings(
        max_examples=-(-wanted // at_once),
        derandomize=not MORE,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        print_blob=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(scenes(Dialect(), at_once))
    def agree(scene: Scene) -> None:
        samples = scene.world.samples(BASE)
        with storing(scene.world, BASE) as storage:
            engine = Engine(storage)
            for asked in (each.at(BASE) for each in scene.asked):
                mine = alike(without_notes(ours(engine, asked)), asked)
                obvious = alike(without_notes(answered(samples, asked)), asked)
                told = f"\n{asked}\nbase {BASE}:\n{scene.world}\nobvious: {obvious}\nours: {mine}"
                if difference(obvious, mine):
                    why = explained(asked, obvious, mine)
                    assert why, told
                    known[why] += 1
                else:
                    assert order(obvious, asked) == order(mine, asked), told
        distinct.update(asked.text for asked in scene.asked)

    agree()
    print(f"{len(distinct)} distinct queries; {sum(known.values())} differ for known reasons: {dict(known)}")
    assert len(distinct) >= LEAST_DISTINCT * wanted


def test_every_function_and_aggregation_is_generated() -> None:
    """The generated queries use whatever there is, but for what needs native histograms, start times or time zones."""
    met: set[str] = set()

    @settings(max_examples=250, derandomize=True, deadline=None, database=None, phases=(Phase.generate,))
    @given(scenes(Dialect(), 12))
    def meet(scene: Scene) -> None:
        met.update(word for asked in scene.asked for word in re.findall(r"[a-z_0-9]+", asked.text))

    meet()
    native = {f"histogram_{part}" for part in ("avg", "count", "stddev", "stdvar", "sum")}
    assert native | {"start_timestamp", "timezone_offset"} == (SIGNATURES.keys() | AGGREGATIONS) - met


def without_notes(answer: Answer) -> Answer:
    """The obvious evaluator takes none, and words errors in short."""
    return replace(answer, notes=frozenset(), error="refused" if answer.kind == "execution" else answer.error)


@pytest.mark.parametrize("query", ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
def test_aggregations_take_each_group_alone(query: str) -> None:
    """An aggregation by a label gives what the aggregation of each label's series gives."""
    storage = MemoryStorage(interval=TICK)
    for series in range(12):
        labels = Labels({"__name__": "x", "group": str(series % 5), "series": str(series)})
        ticks = [tick for tick in range(20) if (tick * 7 + series) % 11]
        storage.put(labels, [(tick * TICK, math.sin(tick * series) * 100) for tick in ticks], stream=str(series % 3))
    engine = Engine(storage, lookback=TICK)
    together = found(engine.range(f"{query} by (group) (x)", 0, 20 * TICK, TICK).value)
    for group in range(5):
        alone = found(engine.range(f'{query}(x{{group="{group}"}})', 0, 20 * TICK, TICK).value)
        assert same(alone, {Labels(): together[Labels({"group": str(group)})]})


@pytest.mark.parametrize("share", [0.001, 0.25, 0.5, 0.9, 0.999])
def test_limit_ratio_and_its_complement_part_a_vector(share: float) -> None:
    """A ratio and its complement below zero keep each series once, a series always on the same side."""
    storage = MemoryStorage(interval=TICK)
    for series in range(200):
        storage.put(Labels({"__name__": "x", "series": str(series)}), [(TICK, 1.0), (2 * TICK, 2.0)])
    engine = Engine(storage)
    kept = found(engine.range(f"limit_ratio({share}, x)", TICK, 2 * TICK, TICK).value)
    left = found(engine.range(f"limit_ratio({share - 1:.3f}, x)", TICK, 2 * TICK, TICK).value)
    assert set() == kept.keys() & left.keys()
    assert found(engine.range("x", TICK, 2 * TICK, TICK).value) == kept | left


def test_a_huge_past_leaves_a_small_present_exact() -> None:
    """Sums of overlapping windows are exact even where samples before them were larger by many magnitudes."""
    storage = MemoryStorage(interval=TICK)
    values = [1e18, -1e18, *(0.1 * tick for tick in range(40))]
    storage.put(Labels({"__name__": "x"}), [(tick * TICK, value) for tick, value in enumerate(values)])
    matrix = Engine(storage).range("sum_over_time(x[100s])", 120_000, 400_000, TICK).value
    assert isinstance(matrix, Matrix)
    assert [math.fsum(values[tick - 9 : tick + 1]) for tick in range(12, 41)] == matrix.values.tolist()
