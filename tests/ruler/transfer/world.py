"""What tests of imports and exports share: series made of lists, a database to export, and one to import into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import orjson

from common.labels import Labels
from ruler.api.encode import encode_result
from ruler.model.arrays import NAN, STALE
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.engine import Engine
from ruler.storage import Queryable
from ruler.transfer.series import Imported, SeriesSamples
from ruler.tsdb.db import DB
from tests.ruler.promql.memory_storage import MemoryStorage

BASE = 1_700_000_000_000 // 3_600_000 * 3_600_000
EVERYTHING = ((Matcher("__name__", MatchOp.REGEX, ".+"),),)
ALWAYS = (-(1 << 53), 1 << 53)
INF = np.inf

Bits = dict[str, list[tuple[int, int]]]  # labels as text → (time, bits of the value)


def labelled(name: str, **labels: str) -> Labels:
    return Labels({"__name__": name, **labels})


def series(labels: Labels, samples: Iterable[tuple[int, float]]) -> SeriesSamples:
    pairs = list(samples)
    values = np.array([np.float64(value) for _, value in pairs], dtype=np.float64)
    return SeriesSamples(labels, np.array([time for time, _ in pairs], dtype=np.int64), values)


def bits(found: Iterable[SeriesSamples]) -> Bits:
    """Every sample, bit for bit, whatever pieces the series come in."""
    every: Bits = {}
    for each in found:
        samples = zip(each.times.tolist(), each.values.view(np.int64).tolist(), strict=True)
        every.setdefault(str(each.labels), []).extend(samples)
    return every


class ListImporter:
    """A ListImporter imports into a storage made of lists."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage

    def put(self, series: Sequence[SeriesSamples]) -> Imported:
        stored = duplicate = 0
        for each in series:
            taken = {time for time, _ in self.storage.series.get(each.labels, ())}
            samples = zip(each.times.tolist(), list(each.values), strict=True)
            fresh = [(time, value) for time, value in samples if time not in taken]
            self.storage.put(each.labels, fresh, stream=str(each.labels))
            stored, duplicate = stored + len(fresh), duplicate + len(each) - len(fresh)
        return Imported(stored, duplicate)


def filled(*, hosts: int = 3, ticks: int = 120, ended: bool = True) -> DB:
    """A database of some hosts scraped every 15 s: counters with resets, gauges, NaN, ±Inf, gaps, odd labels, ends."""
    db = DB.open(None)
    rng = np.random.default_rng(7)
    for host in range(hosts):
        stream = db.stream(f"host {host}", 15_000)
        name = f'höst-{host}\\\n"x", {{y}}'
        labels = [labelled("requests_total", host=name, code=code) for code in ("200", "500")]
        labels += [labelled("temperature", host=name), labelled("odd", host=name), labelled("up", host=name)]
        labels += [labelled("a.metric with spaces", host=name, **{"odd label": "1"})]
        ids = db.series(labels)
        count = np.zeros(2)
        for tick in range(ticks):
            due = BASE + tick * 15_000
            count = np.where(tick % 50 == 49, 0.0, count + rng.integers(0, 9, 2))
            values = [
                *count,
                rng.random() * 1e3 - 300,
                (NAN, INF, -INF, -0.0, 1e-300, 1e300, 0.1)[tick % 7],
                1.0,
                tick / 3,
            ]
            if tick % 11 == host:
                continue  # a scrape that failed
            kept = np.array([place for place in range(6) if not (place == 2 and tick % 5 == 0)])
            stream.append(due, due + 137 * host, ids[kept], np.array(values)[kept])
        stream.close(BASE + ticks * 15_000 + 1_000 if ended and host == 0 else None)
    explicit = db.stream("explicit", None)
    ids = db.series([labelled("explicit", host="z")])
    for tick in range(40):
        moment = BASE + tick * 7_001 + tick * tick
        explicit.append(moment, moment, ids, np.array([float(tick) if tick % 9 else STALE]))
    return db


QUERIES = (
    "requests_total",
    "rate(requests_total[2m])",
    "sum by (code) (increase(requests_total[5m]))",
    "avg_over_time(temperature[3m])",
    "odd",
    "1 / odd",
    "count_over_time(odd[1m])",
    "explicit",
    "changes(explicit[2m])",
    '{"a.metric with spaces"}',
    "absent(up)",
    "count(up)",
)


def answers(storage: Queryable, queries: Sequence[str] = QUERIES) -> dict[str, dict[str, list[Any]]]:
    """What range queries over everything give, as the API writes it: the samples of each series by its labels."""
    engine = Engine(storage)
    found = {}
    for query in queries:
        result = engine.range(query, BASE - 60_000, BASE + 40 * 60_000, 13_000)
        matrix = orjson.loads(encode_result(result))["data"]["result"]
        found[query] = {str(Labels(each["metric"])): each["values"] for each in matrix}
    return found
