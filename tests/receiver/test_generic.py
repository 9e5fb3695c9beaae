"""`POST /api/v1/push`: any application's gauges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from common.durations import DAY, MINUTE
from receiver import laravel
from receiver.generic import RESERVED_NAMES, RESERVED_PREFIXES
from tests.receiver.client import Client, running

GOOD = {"metrics": {"a": 1}}


@pytest.fixture
def client() -> Iterator[Client]:
    with running() as client:
        yield client


def test_a_metric_becomes_a_gauge_of_its_server(client: Client) -> None:
    """Labels and values are shown as pushed, with the token's name as `server`; empty labels are absent."""
    document = {
        "labels": {"job": "shop", "queue": 'mail "a"\n', "none": ""},
        "metrics": {"queue_depth": 12, "ns:x": -0.5},
    }
    assert 200 == client.push("/api/v1/push", document).status
    labels = '{job="shop",queue="mail \\"a\\"\\n",server="web-1"}'
    assert 12 == client.page("queue_depth")[f"queue_depth{labels}"]
    assert -0.5 == client.page("ns:x")[f"ns:x{labels}"]


def test_the_answer_has_two_times(client: Client) -> None:
    """A push that says no time is of the moment at which it arrived."""
    now = "2024-01-15T10:30:00.000000Z"
    answer = client.push("/api/v1/push", {"metrics": {"a": 1}})
    assert {
        "success": True,
        "message": "Data received successfully",
        "timestamp": now,
        "received_at": now,
    } == answer.json


@pytest.mark.parametrize(("ttl", "life"), [(None, 5 * MINUTE), ("90s", 90_000), ("1s", 1000), ("7d", 7 * DAY)])
def test_a_gauge_lives_as_long_as_its_ttl(client: Client, ttl: str | None, life: int) -> None:
    """A gauge is on the page up to its TTL, and not at it."""
    client.push("/api/v1/push", {**GOOD, "ttl": ttl})
    client.clock.advance(life - 1)
    assert 1 == len(client.page("a{"))
    client.clock.advance(1)
    assert 0 == len(client.page("a{"))


@pytest.mark.parametrize(
    ("text", "value"), [("NaN", math.nan), ("+Inf", math.inf), ("Inf", math.inf), ("-Inf", -math.inf)]
)
def test_json_lacks_three_numbers_so_they_are_text(client: Client, text: str, value: float) -> None:
    """NaN and the infinities are written as Prometheus's own API writes them."""
    client.push("/api/v1/push", {"metrics": {"a": text}})
    assert repr(value) == repr(client.page("a{")['a{server="web-1"}'])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"metrics": {"queue depth": 1}}, "metrics.queue depth: not a metric name: 'queue depth'"),
        ({"metrics": {"": 1}}, "metrics.: not a metric name: ''"),
        ({"metrics": {"a\n": 1}}, "metrics.a\n: not a metric name: 'a\\n'"),
        ({"metrics": {"größe": 1}}, "metrics.größe: not a metric name: 'größe'"),
        ({"metrics": {"__x": 1}}, "metrics.__x: a reserved name: '__x'"),
        ({"metrics": {"up": 1}}, "metrics.up: a reserved name: 'up'"),
        ({"metrics": {"ALERTS": 1}}, "metrics.ALERTS: a reserved name: 'ALERTS'"),
        ({"metrics": {"laravel_info": 1}}, "metrics.laravel_info: a reserved name: 'laravel_info'"),
        ({"metrics": {"a": True}}, 'metrics.a: not a number (or "NaN", "+Inf", "-Inf"): true'),
        ({"metrics": {"a": None}}, 'metrics.a: not a number (or "NaN", "+Inf", "-Inf"): null'),
        ({"metrics": {"a": "12"}}, "metrics.a: not a number (or \"NaN\", \"+Inf\", \"-Inf\"): '12'"),
        ({"metrics": {"a": {"value": 1}}}, 'metrics.a: not a number (or "NaN", "+Inf", "-Inf"): an object of 1'),
        ({"metrics": {}}, "metrics: no metrics"),
        ({"metrics": [1]}, "metrics: expected an object: a list of 1"),
        ({**GOOD, "labels": "x"}, "labels: expected an object: 'x'"),
        ({**GOOD, "labels": {"a-b": "1"}}, "labels.a-b: not a label name: 'a-b'"),
        ({**GOOD, "labels": {"__name__": "b"}}, "labels.__name__: a reserved label (it starts with __): '__name__'"),
        ({**GOOD, "labels": {"server": ""}}, "labels.server: a reserved label (it is the name of the token): 'server'"),
        ({**GOOD, "labels": {"x": 1}}, "labels.x: expected text: 1"),
        ({**GOOD, "labels": {f"l{n}": "1" for n in range(65)}}, "labels: more than 64 labels: 65"),
        ({**GOOD, "ttl": "soon"}, "ttl: not a valid duration string: 'soon' (write it like 30s, 5m or 1h30m)"),
        ({**GOOD, "ttl": 300}, "ttl: expected text or null: 300"),
        ({**GOOD, "ttl": "0"}, "ttl: not in 1s to 1w: '0'"),
        ({**GOOD, "ttl": "8d"}, "ttl: not in 1s to 1w: '8d'"),
        ({**GOOD, "metric": {}}, "metric: unknown field"),
        ([1], "body: expected an object: a list of 1"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_path_and_the_value(client: Client, document: Any, message: str) -> None:
    """INVALID_DATA says where and what, and the push changes nothing."""
    answer = client.push("/api/v1/push", document)
    assert (400, "INVALID_DATA", message) == (answer.status, answer.json["error_code"], answer.json["message"])
    assert {"tocsin_receiver_series": 0} == client.page("tocsin_receiver_series")


@pytest.mark.parametrize("field", ["metrics", "labels"])
def test_a_long_name_or_value_is_refused_and_shown_short(client: Client, field: str) -> None:
    """What a sender made long does not come back long."""
    document: dict[str, Any] = {**GOOD, "labels": {"b": "1"}}
    document[field] = {"x" * 201: document[field].popitem()[1]}
    answer = client.push("/api/v1/push", document)
    assert 400 == answer.status
    assert f"{field}.{'x' * 20}…: a name of more than 200 characters: '{'x' * 80}'…" == answer.json["message"]
    answer = client.push("/api/v1/push", {**GOOD, "labels": {"b": "é" * 2049}})
    assert f"labels.b: more than 4096 bytes: '{'é' * 80}'…" == answer.json["message"]


def test_missing_metrics_are_a_missing_field(client: Client) -> None:
    """The one field that must be there is named."""
    answer = client.push("/api/v1/push", {"labels": {}})
    assert (400, "MISSING_FIELDS") == (answer.status, answer.json["error_code"])
    assert "Missing required fields: metrics" == answer.json["message"]


def test_no_pushed_name_can_be_one_of_ours(client: Client) -> None:
    """Every family of the receiver's own page is reserved, so its type and sense cannot be changed by a push."""
    page = client.request("GET", "/metrics").body.decode()
    own = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE ")} | set(laravel.HELP)
    assert set() == {name for name in own if name not in RESERVED_NAMES and not name.startswith(RESERVED_PREFIXES)}
