"""The engine against a real Prometheus that holds the same samples: thousands of generated queries, every answer whole.

TOCSIN_ORACLE=200000 asks so many, new ones each time (`make oracle`); without it, every run asks the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from ruler.promql.engine import Engine
from tests.ruler.promql.oracle.answers import Answer, difference, order, ours
from tests.ruler.promql.oracle.peer import Peer, peer
from tests.ruler.promql.oracle.queries import DAY, Asked, Dialect, Scene, scenes
from tests.ruler.promql.oracle.versions import alike, explained
from tests.ruler.promql.oracle.world import HOUR, World, every_series, stored

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(3_000)]

AT_ONCE = 12
WANTED = int(os.environ.get("TOCSIN_ORACLE", "6000"))
A_ROUND = 60_000  # queries of one Prometheus: there is so much room for worlds between 1971 and now
LEAST_DISTINCT = 0.8  # the more are asked, the more come again: of 60,000 there were 0.84
MOST_EXPLAINED = 0.02

BEGIN = 365 * DAY


@pytest.fixture
def prometheus(peers: Path, tmp_path: Path) -> Iterator[Peer]:
    """A Prometheus that knows every series, in the order of their labels."""
    with peer(peers, tmp_path) as running:
        running.put({labels: [(BEGIN, 1.0)] for labels in every_series()})
        yield running


class Places:
    """Places are where worlds are put: as far apart as no query looks, each at a multiple of every subquery's step."""

    def __init__(self) -> None:
        self._last = BEGIN
        self._apart = 0

    def of(self, world: World) -> int:
        apart = DAY if world.tick < HOUR else 7 * DAY
        self._last += max(apart, self._apart)
        self._apart = apart
        return self._last


@pytest.mark.parametrize("wanted", [min(A_ROUND, WANTED - before) for before in range(0, WANTED, A_ROUND)])
def test_generated_queries_agree_with_prometheus(prometheus: Peer, wanted: int) -> None:
    """Every query has Prometheus's series, values and notes, or fails as there, unless versions are known to differ."""
    places = Places()
    distinct: set[str] = set()
    known: Counter[str] = Counter()

    @settings(
        max_examples=-(-wanted // AT_ONCE),
        derandomize="TOCSIN_ORACLE" not in os.environ,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        print_blob=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(scenes(Dialect(fill=False, new=False), AT_ONCE))
    def agree(scene: Scene) -> None:
        base = places.of(scene.world)
        asked = [each.at(base) for each in scene.asked]
        prometheus.put(scene.world.samples(base))
        coming = [prometheus.ask(each) for each in asked]
        with stored(scene.world, base) as storage:
            engine = Engine(storage)
            found = [ours(engine, each) for each in asked]
        for each, mine, answer in zip(asked, found, coming, strict=True):
            theirs = answer.result()
            if difference(alike(theirs, each), alike(mine, each)):
                why = explained(each, alike(theirs, each), alike(mine, each))
                assert why, told(each, scene.world, base, theirs, mine)
                known[why] += 1
            else:
                assert order(theirs, each) == order(mine, each), told(each, scene.world, base, theirs, mine)
        distinct.update(each.text for each in scene.asked)

    agree()
    print(f"{len(distinct)} distinct queries; {sum(known.values())} differ for known reasons: {dict(known)}")
    assert len(distinct) >= LEAST_DISTINCT * wanted
    assert sum(known.values()) <= MOST_EXPLAINED * wanted


def told(asked: Asked, world: World, base: int, theirs: Answer, mine: Answer) -> str:
    """A failure, whole."""
    return f"\n{asked}\nin a world that begins at {base}:\n{world}\nPrometheus: {theirs}\nours: {mine}"
