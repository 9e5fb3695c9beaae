"""What the API refuses and how, beside a real Prometheus: status, errorType and words, of requests and of queries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.labels import Labels
from tests.ruler.api.conftest import NOW, World
from tests.ruler.promql.oracle.peer import Peer, peer

pytestmark = pytest.mark.conformance

SERIES = [
    {"__name__": name, "host": host, "code": code}
    for name in ("requests_total", "errors_total")
    for host in ("a", "b")
    for code in ("200", "500")
]

# Queries at one moment that cannot be read or answered.
QUERIES = """
requests_total + on (host) errors_total
requests_total{code="200"} + on () errors_total
requests_total + on (host) errors_total{code="200"}
requests_total * on (host) group_left (code) errors_total{code="200"}
requests_total{code="200"} * on (host) group_right errors_total
requests_total{code="200"} > on (host) errors_total
requests_total == bool on (host) errors_total{code="200"}
label_replace(requests_total, "code", "x", "", "")
label_replace(requests_total, "host", "x", "host", ".*")
label_replace(requests_total, "a b", "x", "host", "(")
label_replace(requests_total, "", "x", "host", "a")
label_join(requests_total, "", "-", "host")
label_join(requests_total, "x", "-", "")
count_values("", requests_total)
-{__name__=~".+_total",host="a"}
rate({__name__=~".+_total"}[5m])
sum by (host) (rate({__name__=~".+_total"}[5m])) + requests_total * 2
double_exponential_smoothing(requests_total[5m], 2, 0.5)
double_exponential_smoothing(requests_total[5m], 0.5, -0.5)
requests_total[5m] + 1
sum(requests_total[5m])
rate(requests_total)
rate(requests_total, 5)
abs()
abs(1)
1 + "x"
"x" + 1
1 and 2
requests_total and 1
1 > 2
requests_total > bool
sum(
sum)
requests_total{
requests_total{code=}
requests_total{code="200"
requests_total{code=~"("}
{code=""}
{}
requests_total[]
requests_total[5]
requests_total[5m:]
requests_total[5x]
requests_total offset
requests_total offset 5
requests_total @
requests_total @ x
requests_total @ NaN
requests_total @ 1e300
topk(requests_total)
topk("x", requests_total)
topk(1)
quantile(requests_total, 0.5)
sum by (host requests_total
sum by (host) by (code) (requests_total)
requests_total + on (host) group_left (host) errors_total
requests_total + ignoring (host) group_left errors_total
requests_total and on (host) group_left errors_total
1 + bool 2
1 == 2
(requests_total)[5m]
requests_total[5m][5m]
requests_total[5m] offset 5m offset 5m
"abc
'a\\q'
requests_total!
requests_total ! errors_total
$
~
=
==
5m5
0x
1e
1..2
nothing(1)
time(1)
vector(requests_total)
scalar(1)
histogram_quantile(requests_total, 1)
requests_total by (host)
sum without by (host) (requests_total)
requests_total{host="a",}
requests_total{,}
{"requests_total","errors_total"}
requests_total{__name__="x"}
requests_total{"x"}
max_over_time(requests_total[5m:0s])
max_over_time(requests_total[0s])
max_over_time(1[5m:1m])
""".strip().splitlines()

# Other requests, with the parameters that they come with.
REQUESTS: list[tuple[str, dict[str, str]]] = [
    ("query", {}),
    ("query", {"query": ""}),
    ("query", {"query": "1", "time": "x"}),
    ("query", {"query": "1", "timeout": "x"}),
    ("query", {"query": "1", "lookback_delta": "x"}),
    ("query", {"query": "1", "limit": "x"}),
    ("query", {"query": "1", "limit": "-1"}),
    ("query_range", {}),
    ("query_range", {"query": "1"}),
    ("query_range", {"query": "1", "start": "1"}),
    ("query_range", {"query": "1", "start": "1", "end": "2"}),
    ("query_range", {"query": "1", "start": "1", "end": "2", "step": "0"}),
    ("query_range", {"query": "1", "start": "1", "end": "2", "step": "-1"}),
    ("query_range", {"query": "1", "start": "1", "end": "2", "step": "x"}),
    ("query_range", {"query": "1", "start": "2", "end": "1", "step": "1"}),
    ("query_range", {"query": "1", "start": "1", "end": "20000", "step": "1"}),
    ("query_range", {"query": "1", "start": "x", "end": "2", "step": "1"}),
    ("query_range", {"query": "1", "start": "1", "end": "y", "step": "1"}),
    ("query_range", {"query": "requests_total[5m]", "start": "1", "end": "2", "step": "1"}),
    ("query_range", {"query": '"x"', "start": "1", "end": "2", "step": "1"}),
    ("query_range", {"query": "x(", "start": "1", "end": "2", "step": "1"}),
    ("query_range", {"query": "1", "start": "1", "end": "2", "step": "1", "lookback_delta": "-"}),
    ("series", {}),
    ("series", {"match[]": "x("}),
    ("series", {"match[]": "{}"}),
    ("series", {"match[]": "x", "start": "y"}),
    ("series", {"match[]": "x", "limit": "y"}),
    ("labels", {"start": "y"}),
    ("labels", {"limit": "-2"}),
    ("format_query", {}),
    ("format_query", {"query": "sum("}),
    ("parse_query", {"query": "sum("}),
]

# What 3.5.3 says, and what newer ones say or ours means to say.
OTHER_WORDS = {
    "expected number or duration": "expected number, duration, step(), or range()",  # newer
    "in subquery selector,": "in subquery or range selector,",  # newer
    "match[] must contain": "1:1: parse error: vector selector must contain",  # the same as in a query
}
# Requests that ours refuses and 3.5.3 answers, with what comes of a mistake.
ANSWERED = (
    ("query", {"query": "1", "time": "NaN"}),
    ("series", {"match[]": "x", "start": "2", "end": "1"}),
)


@pytest.fixture(scope="module")
def prometheus(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A Prometheus with the same samples as the ruler."""
    with peer(peers, tmp_path_factory.mktemp("prometheus")) as running:
        running.put({Labels(labels): [(NOW - 60_000, 1.0), (NOW - 30_000, 2.0)] for labels in SERIES})
        yield running


@pytest.fixture
def samples(world: World) -> World:
    """The ruler with the samples."""
    for labels in SERIES:
        world.write(labels, {60: 1.0, 30: 2.0})
    return world


def test_bad_queries_fail_as_in_prometheus(prometheus: Peer, samples: World) -> None:
    """A query that cannot be read or answered has Prometheus's status, errorType and words."""
    differ: list[str] = []
    for query in QUERIES:
        form = {"query": query, "time": f"{NOW / 1000}"}
        differ += _difference(prometheus, samples, "query", form)
    print("\n".join(differ))
    assert differ == []


def test_bad_requests_fail_as_in_prometheus(prometheus: Peer, samples: World) -> None:
    """A request with parameters missing, malformed or out of bounds has Prometheus's status, errorType and words."""
    assert [] == [each for path, form in REQUESTS for each in _difference(prometheus, samples, path, form)]


def test_some_mistakes_are_refused_here_alone(prometheus: Peer, samples: World) -> None:
    """A time that is none, and a span that ends before it begins, are answered by Prometheus and refused here."""
    for path, form in ANSWERED:
        assert 200 == prometheus.document(path, form)[0]
        assert 400 == samples.http.post(f"/api/v1/{path}", form).status_code


def _difference(prometheus: Peer, samples: World, path: str, form: dict[str, str]) -> list[str]:
    status, document = prometheus.document(path, form)
    response = samples.http.post(f"/api/v1/{path}", form)
    answer = response.get_json()
    theirs = (status, document["status"], document.get("errorType"), _newer(document.get("error", "")))
    mine = (response.status_code, answer["status"], answer.get("errorType"), _without_hint(answer.get("error", "")))
    return [] if theirs == mine else [f"{path} {form}\n  {theirs}\n  {mine}"]


def _newer(error: str) -> str:
    """What 3.5.3 says in the words of ours; newer ones sort the two series that clash."""
    for older, newer in OTHER_WORDS.items():
        error = error.replace(older, newer)
    pair = re.search(r"operation: \[(\{.*\}), (\{.*\})\];", error)
    return error if pair is None else error.replace(f"{pair[1]}, {pair[2]}", ", ".join(sorted(pair.groups())))


def _without_hint(error: str) -> str:
    return error.partition("; did you mean")[0]
