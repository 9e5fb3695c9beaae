"""The engine against a real Prometheus over the same samples: values, labels and notes of many queries.

promtool turns the samples into blocks; Prometheus serves them on a free port of the loopback.
"""

from __future__ import annotations

import math
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import QueryError
from common.labels import Labels, quote
from ruler.model.result import Matrix, Result
from ruler.promql.engine import Engine
from tests.peers import Prometheus, prometheus
from tests.ruler.promql.memory_storage import MemoryStorage, Sample

pytestmark = pytest.mark.conformance

TICK, TICKS, START = 15_000, 60, 1_700_000_000_000 // 15_000 * 15_000
FEATURES = "promql-delayed-name-removal,promql-experimental-functions"

# Left out, as this Prometheus differs from its newer tests, which the engine follows: sort's warning in range queries,
# first_over_time, mad_over_time over NaN, histogram_fraction from the first bucket, what forced monotonicity tells. And
# where the engine means to differ: a comparison of vectors keeps no name that one of its sides had already lost.
QUERIES = """
rate(requests_total[1m])
rate(requests_total[50s])
increase(requests_total[2m] offset 20s)
delta(temperature[3m])
irate(requests_total[1m])
idelta(temperature[1m])
deriv(temperature[2m])
predict_linear(temperature[4m], 600)
changes(temperature[5m])
resets(requests_total[5m])
avg_over_time(temperature[90s])
sum_over_time(temperature[2m])
min_over_time(temperature[2m])
max_over_time(temperature[2m])
count_over_time(requests_total[1m])
quantile_over_time(0.7, temperature[3m])
stddev_over_time(temperature[3m])
stdvar_over_time(temperature[3m])
last_over_time(temperature[1m])
present_over_time(temperature[1m])
absent_over_time(temperature{host="x"}[1m])
absent_over_time(temperature[15s])
mad_over_time(temperature{host!="c"}[3m])
double_exponential_smoothing(temperature[3m], 0.4, 0.3)
sum by (host) (rate(requests_total[1m]))
avg without (code) (requests_total)
stddev by (code) (requests_total)
stdvar(requests_total)
quantile(0.4, requests_total)
quantile by (host) (1.5, requests_total)
topk(2, requests_total)
bottomk by (code) (1, requests_total)
count_values("value", round(temperature))
group by (code) (requests_total)
max(temperature) - min(temperature)
requests_total / ignoring(code) group_left sum without (code) (requests_total)
requests_total{code="200"} / on (host) requests_total{code="500"}
requests_total > 200
requests_total > bool 200
requests_total{code="200"} > on (host) requests_total{code="500"}
requests_total{code="200"} > ignoring(code) requests_total{code="500"}
temperature and requests_total
temperature and on (host) requests_total{code="200"} > 100
requests_total unless on (host) temperature > 20
temperature or requests_total
rate(requests_total[1m]) or temperature
abs(temperature) or temperature
-temperature
temperature % 7
temperature ^ 2
2 ^ temperature
temperature atan2 3
temperature == temperature
5 < temperature
5 < bool temperature
clamp(temperature, 10, 20)
clamp(temperature, 20, 10)
clamp_min(temperature, scalar(temperature{host="a"}))
round(temperature, 0.5)
sgn(temperature)
ln(temperature)
sqrt(temperature)
log2(temperature)
exp(temperature)
floor(temperature) + ceil(temperature)
acos(temperature / 100)
sinh(temperature / 10)
deg(temperature)
scalar(temperature)
scalar(temperature{host="a"})
vector(time())
time()
pi() * 2
timestamp(temperature)
timestamp(timestamp(temperature))
hour(vector(time()))
day_of_year()
days_in_month(temperature * 1e8)
month(temperature * 1e8)
day_of_week(temperature * -1e8)
year(temperature * -1e8)
label_replace(temperature, "place", "at-$1", "host", "(.).*")
label_replace(temperature, "__name__", "$1", "host", "(.*)")
label_join(requests_total, "both", "/", "host", "code")
histogram_quantile(0.9, rate(latency_bucket[1m]))
histogram_quantile(0.5, sum by (le) (rate(latency_bucket[1m])))
histogram_quantile(scalar(temperature{host="a"}) / 30, latency_bucket)
histogram_quantile(0.5, requests_total)
histogram_fraction(0.1, 0.3, rate(latency_bucket[1m]))
absent(temperature)
absent(temperature{host="x", code=~".+"})
sum_over_time(temperature[3m:20s])
max_over_time(rate(requests_total[1m])[3m:25s])
rate(requests_total[5m:])
temperature @ 1700000200
sum_over_time(temperature[2m] @ end())
temperature @ start() offset 30s
sum_over_time((temperature @ start())[2m:30s])
avg_over_time(temperature[2m:30s] @ end() offset 1m)
{__name__=~"temp.*|requests_.*", host="a"}
rate({__name__=~"temp.*|requests_.*", host="a"}[1m])
sum by (__name__) ({host="a"})
sum by (__name__) (rate({host="a"}[1m]))
sum(temperature) by (host) * on (host) group_right requests_total
temperature + on (host) group_left (code) requests_total{code="500"}
requests_total * on () group_left temperature{host="a"}
count(requests_total) by (host, nothing)
ts_of_max_over_time(temperature[3m])
ts_of_last_over_time(temperature[3m])
temperature * on (host) requests_total
requests_total + on (host) temperature
topk(0, temperature)
sum(nothing)
""".strip().splitlines()


def filled() -> MemoryStorage:
    """Counters with resets, gauges with NaN and infinity, a histogram; with gaps, and streams that start and end."""
    chance, storage = random.Random(11), MemoryStorage(interval=TICK)

    def put(labels: dict[str, str], host: str, numbers: list[float]) -> None:
        phase = "abc".index(host) * 3_123
        samples: list[Sample] = []
        for tick, number in enumerate(numbers):
            if not (missed[host][tick] or chance.random() < 0.02):
                samples.append((START + tick * TICK + phase, number))
        storage.put(Labels(labels), samples, stream=host)

    missed = {host: [chance.random() < 0.1 for _ in range(TICKS)] for host in "abc"}
    missed["c"][:20] = [True] * 20
    missed["b"][50:] = [True] * 10
    for host in "abc":
        for code in ("200", "404", "500"):
            level, counts = 0.0, []
            for _ in range(TICKS):
                level = 0.0 if chance.random() < 0.04 else level + chance.randrange(20)
                counts.append(level)
            put({"__name__": "requests_total", "host": host, "code": code}, host, counts)
        degrees = [15 + 10 * math.sin(tick / 5) + chance.random() for tick in range(TICKS)]
        if host == "c":
            degrees[30], degrees[40] = math.nan, math.inf
        put({"__name__": "temperature", "host": host}, host, degrees)
        buckets = [0.0] * 4
        rows: list[list[float]] = []
        for _ in range(TICKS):
            buckets = [count + chance.randrange(5) * (place + 1) for place, count in enumerate(buckets)]
            rows.append(list(buckets))
        for place, bound in enumerate(("0.1", "0.5", "2", "+Inf")):
            put({"__name__": "latency_bucket", "host": host, "le": bound}, host, [row[place] for row in rows])
    return storage


def open_metrics(storage: MemoryStorage) -> str:
    """The samples as promtool reads them."""
    lines: list[str] = []
    for labels, samples in sorted(storage.series.items(), key=lambda item: item[0]["__name__"]):
        inner = ",".join(f"{name}={quote(value)}" for name, value in labels.items() if name != "__name__")
        name = labels["__name__"]
        lines += [f"{name}{{{inner}}} {_number(value)} {moment / 1000:.3f}" for moment, value in samples]
    return "\n".join([*lines, "# EOF", ""])


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else {"nan": "NaN", "inf": "+Inf"}[str(value)]


@pytest.fixture(scope="module")
def storage() -> MemoryStorage:
    return filled()


@pytest.fixture(scope="module")
def peer(peers: Path, storage: MemoryStorage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has the samples."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "samples.om").write_text(open_metrics(storage))
    create = ["tsdb", "create-blocks-from", "openmetrics", str(folder / "samples.om"), str(folder / "data")]
    subprocess.run([str(peers / "promtool"), *create], check=True, capture_output=True, timeout=60)
    with prometheus(peers, folder, {}, f"--enable-feature={FEATURES}") as peer:
        yield peer


def evaluated(storage: MemoryStorage, query: str, start: int, end: int, step: int) -> Result | str:
    """The engine's answer, or the words of its error."""
    try:
        return Engine(storage).range(query, start, end, step)
    except QueryError as error:
        return str(error)


def points(matrix: Matrix) -> dict[Labels, dict[int, float]]:
    """A matrix as dicts."""
    found: dict[Labels, dict[int, float]] = {}
    for index, labels in enumerate(matrix.table.all_labels()):
        within = slice(matrix.offsets[index], matrix.offsets[index + 1])
        found[labels] = dict(zip(matrix.times[within].tolist(), matrix.values[within].tolist(), strict=True))
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_queries_agree_with_prometheus(peer: Prometheus, storage: MemoryStorage, query: str) -> None:
    """A range query gives Prometheus's series and values, or fails with its words; notes are the same too."""
    start, end, step = START + 100_000, START + TICKS * TICK + 200_000, 17_000
    seconds = {"start": f"{start / 1000}", "end": f"{end / 1000}", "step": f"{step / 1000}"}
    answer = peer.ask("query_range", query=query, **seconds)
    result = evaluated(storage, query, start, end, step)
    if isinstance(result, str):
        assert _first_words(answer.get("error", answer)) == _first_words(result)
        return
    assert "success" == answer["status"], answer
    expected = {
        Labels(series["metric"]): {round(moment * 1000): float(text) for moment, text in series["values"]}
        for series in answer["data"]["result"]
    }
    assert isinstance(result.value, Matrix)
    actual = points(result.value)
    assert {labels: sorted(found) for labels, found in expected.items()} == {
        labels: sorted(found) for labels, found in actual.items()
    }
    for labels, found in expected.items():
        assert list(found.values()) == pytest.approx(
            [actual[labels][moment] for moment in found], rel=1e-9, abs=1e-9, nan_ok=True
        ), labels
    for kind, notes in (("warnings", result.warnings), ("infos", result.infos)):
        assert {_to_the_point(note) for note in answer.get(kind, [])} == {_to_the_point(note) for note in notes}


def _to_the_point(note: str) -> str:
    """The note up to the details that newer versions add."""
    return note.partition("(see https")[0]


def _first_words(message: object) -> str:
    """The message up to the series that it shows: which of them comes first is not settled."""
    return str(message).split("[")[0].split("{")[0]
