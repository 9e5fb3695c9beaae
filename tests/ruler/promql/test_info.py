"""info() gives what a walk over every step, series and info series gives; and what time it looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import QueryError
from common.labels import Labels
from ruler.model.result import Matrix, Vector
from ruler.promql.engine import Engine
from ruler.promql.functions.reference import Reference, reference_of
from ruler.promql.parser import parse
from tests.ruler.promql.memory_storage import MemoryStorage, Sample

MINUTE = 60_000
LOOKBACK = 2 * MINUTE
STEPS = range(0, 8 * MINUTE, MINUTE)

Stored = Mapping[Labels, Sequence[Sample]]
Found = dict[Labels, dict[int, float]]
Signature = tuple[str, str, str]

minutes = st.lists(st.integers(0, 7), unique=True, max_size=8).map(sorted)
optional = st.sampled_from(["", "a", "b"])


@st.composite
def series(draw: st.DrawFn, names: Sequence[str], labels: Sequence[str]) -> tuple[Labels, list[Sample]]:
    found = {"__name__": draw(st.sampled_from(names))} | {label: draw(optional) for label in labels}
    kept = Labels({name: value for name, value in found.items() if value})
    return kept, [(minute * MINUTE, float(minute)) for minute in draw(minutes)]


bases = st.lists(series(["x", "y", "x_info"], ["instance", "job", "data"]), max_size=4).map(dict)
infos = st.lists(series(["target_info", "x_info"], ["instance", "job", "data", "more"]), max_size=4).map(dict)


def latest(samples: Sequence[Sample], time: int) -> Sample | None:
    within = [sample for sample in samples if time - LOOKBACK < sample[0] <= time]
    return within[-1] if within else None


@dataclass(frozen=True)
class Asked:
    """An Asked is info() over a metric: the info metrics, and labels that are wanted of them ("" is any but none)."""

    metric: str
    names: Sequence[str]
    wanted: Mapping[str, str]

    def takes(self, labels: Labels) -> bool:
        has = (labels.get(name) == value if value else labels.get(name) for name, value in self.wanted.items())
        return labels["__name__"] in self.names and all(has)


class RefusedError(Exception):
    """What info() is to refuse."""


def walked(stored: Stored, asked: Asked) -> Found:
    """A walk over all steps and series."""
    found: Found = {}
    values = identifying(stored, asked)
    for time in STEPS:
        now = {labels: sample for labels, samples in stored.items() if (sample := latest(samples, time)) is not None}
        base = {labels: value for labels, (_, value) in now.items() if labels["__name__"] == asked.metric}
        chosen = counting(now, asked, values) if base else {}
        for labels, value in base.items():
            about = [chosen[key] for name in asked.names if (key := signature(name, labels)) in chosen]
            if asked.metric in asked.names:
                found.setdefault(labels, {})[time] = value
            elif about or not asked.wanted:
                points = found.setdefault(enriched(labels, about, asked.wanted), {})
                if time in points:
                    raise RefusedError("the same labelset")
                points[time] = value
    return found


def identifying(stored: Stored, asked: Asked) -> dict[str, set[str]]:
    """The instances and jobs whose info series are looked for."""
    seen = () if asked.metric in asked.names else (labels for labels, samples in stored.items() if samples)
    base = [labels for labels in seen if labels["__name__"] == asked.metric]
    values = {name: {each[name] for each in base if name in each} for name in ("instance", "job")}
    return {name: each for name, each in values.items() if each}


def counting(now: Mapping[Labels, Sample], asked: Asked, values: Mapping[str, set[str]]) -> dict[Signature, Labels]:
    """The info series that counts, of those alike the one with the newest sample."""
    rivals: dict[Signature, list[tuple[int, Labels]]] = {}
    for labels, (time, _) in now.items():
        if values and asked.takes(labels) and all(labels.get(name) in each for name, each in values.items()):
            rivals.setdefault(signature(labels["__name__"], labels), []).append((time, labels))
    for each in rivals.values():
        if sum(time == max(each)[0] for time, _ in each) > 1:
            raise RefusedError("found duplicate series for info metric")
    return {key: max(each)[1] for key, each in rivals.items()}


def enriched(labels: Labels, about: Sequence[Labels], wanted: Mapping[str, str]) -> Labels:
    added: dict[str, str] = {}
    for name, value in (pair for each in about for pair in each.items()):
        taken = name != "__name__" and name not in labels and (not wanted or name in wanted)
        if taken and added.setdefault(name, value) != value:
            raise RefusedError("conflicting label")
    return Labels({**labels, **added})


def signature(name: str, labels: Mapping[str, str]) -> Signature:
    return name, labels.get("instance", ""), labels.get("job", "")


def answered(stored: Stored, query: str) -> Found:
    storage = MemoryStorage()
    for place, (labels, samples) in enumerate(stored.items()):
        storage.put(labels, samples, stream=str(place))
    value = Engine(storage, lookback=LOOKBACK).range(query, STEPS[0], STEPS[-1], MINUTE).value
    assert isinstance(value, Matrix)
    points = list(zip(value.times.tolist(), value.values.tolist(), strict=True))
    bounds = pairwise(value.offsets.tolist())
    return {
        labels: dict(points[start:stop]) for labels, (start, stop) in zip(value.table.all_labels(), bounds, strict=True)
    }


@pytest.mark.parametrize(
    ("arguments", "names", "wanted"),
    [
        ("", ["target_info"], {}),
        (', {data="a"}', ["target_info"], {"data": "a"}),
        (', {data=~".+"}', ["target_info"], {"data": ""}),
        (', {__name__=~".+_info"}', ["target_info", "x_info"], {}),
        (', {__name__=~".+_info", more=~".+"}', ["target_info", "x_info"], {"more": ""}),
        (', {__name__!="target_info"}', ["x_info"], {}),
    ],
)
@given(base=bases, info=infos, metric=st.sampled_from(["x", "x_info"]))
@settings(max_examples=80, deadline=None)
def test_info_is_what_a_walk_gives(
    arguments: str, names: Sequence[str], wanted: Mapping[str, str], base: Stored, info: Stored, metric: str
) -> None:
    """Labels and values at every step, what is left out, and what is refused."""
    stored = {**base, **info}
    try:
        expected = walked(stored, Asked(metric, names, wanted))
    except RefusedError:
        refused = r"conflicting label: |found duplicate series for info metric: |the same labelset"
        with pytest.raises(QueryError, match=refused):
            answered(stored, f"info({metric}{arguments})")
    else:
        assert expected == answered(stored, f"info({metric}{arguments})")


def test_many_instances_are_not_listed() -> None:
    """More instances than a matcher is to list are enriched all the same, each with its own."""
    storage = MemoryStorage()
    for number in range(200):
        about = {"instance": f"host.{number}:9100", "job": "node"}
        storage.put(Labels({"__name__": "up", **about}), [(0, 1.0)])
        storage.put(Labels({"__name__": "target_info", **about, "rack": f"r{number % 7}"}), [(0, 1.0)])
    value = Engine(storage).instant("info(up)", 0).value
    assert isinstance(value, Vector)
    found = {(labels["instance"], labels["rack"]) for labels in value.table.all_labels()}
    assert {(f"host.{number}:9100", f"r{number % 7}") for number in range(200)} == found


def test_names_are_taken_literally() -> None:
    """An instance with the signs of expressions in it finds its own info series."""
    storage = MemoryStorage()
    for instance in ("a.b", "axb", "[::1]:80", "c|d", "(", "e\\f"):
        storage.put(Labels({"__name__": "up", "instance": instance}), [(0, 1.0)])
        storage.put(Labels({"__name__": "target_info", "instance": instance, "same": instance}), [(0, 1.0)])
    value = Engine(storage).instant('info(up{instance!="axb"})', 0).value
    assert isinstance(value, Vector)
    assert all(labels["instance"] == labels["same"] for labels in value.table.all_labels())
    assert 5 == len(value.table)


@pytest.mark.parametrize(
    ("query", "expected"),
    {
        "x": Reference(),
        "x offset 1m": Reference(offset=MINUTE),
        "x @ 120": Reference(time=2 * MINUTE),
        "x @ end() offset 1m": Reference(time=9 * MINUTE, offset=MINUTE),
        "last_over_time(x[10m:1m] @ 420)": Reference(time=7 * MINUTE),
        "last_over_time((x offset 1m)[10m:1m] @ 180)": Reference(time=3 * MINUTE, offset=MINUTE),
        "last_over_time((x @ 60)[10m:1m] @ 180 offset 5m)": Reference(time=MINUTE),
        "last_over_time(x[5m:1m] offset 6m)": Reference(offset=6 * MINUTE),
        "x @ 120 or y @ 120": Reference(time=2 * MINUTE),
        "x @ 120 or y @ 180": Reference(),
        "scalar(x @ 120) * y": Reference(),
        "x @ 120 or vector(1)": Reference(),
        'info(x @ 120, {a=~"b"})': Reference(time=2 * MINUTE),
        "sum(x @ 120) + 1": Reference(time=2 * MINUTE),
    }.items(),
)
def test_info_series_are_looked_at_when_their_series_are(query: str, expected: Reference) -> None:
    """The time of all selectors that series come from; each step's own where they differ."""
    assert expected == reference_of(parse(query), (0, 9 * MINUTE, MINUTE))


def test_long_chains_have_a_reference_too() -> None:
    """A chain of operators is walked without recursion."""
    assert Reference(offset=MINUTE) == reference_of(parse("+".join(["x offset 1m"] * 3000)), (0, 0, 0))
