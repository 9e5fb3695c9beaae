"""`POST /api/monitoring`: the document of a Laravel application."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.durations import MINUTE
from tests.receiver.client import DOCUMENT, Client, running

GOLDEN = Path(__file__).parent / "golden" / "laravel.prom"
BY_TYPE = "laravel_telescope_recent_entries_by_type"


@pytest.fixture
def client() -> Iterator[Client]:
    with running() as client:
        yield client


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with another value at `path`; Ellipsis takes the field away."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def test_the_gauges_of_a_push(client: Client) -> None:
    """A whole document becomes exactly the golden page, help and types included."""
    client.push("/api/monitoring", DOCUMENT)
    page = client.request("GET", "/metrics").body.decode()
    ours = [
        line for line in page.splitlines() if line.removeprefix("# HELP ").removeprefix("# TYPE ")[:8] == "laravel_"
    ]
    assert GOLDEN.read_text().splitlines() == ours


def test_the_answer_has_the_pushed_and_the_received_time(client: Client) -> None:
    """A 200 repeats the document's time in UTC, and gives the receiver's."""
    answer = client.push("/api/monitoring", changed("timestamp", "2024-01-15T12:29:59.5+02:00"))
    assert 200 == answer.status
    assert {
        "success": True,
        "message": "Data received successfully",
        "timestamp": "2024-01-15T10:29:59.500000Z",
        "received_at": "2024-01-15T10:30:00.000000Z",
    } == answer.json


def test_the_last_push_outlives_the_rest(client: Client) -> None:
    """After 5 minutes only the time of the last push is left, and after 24 hours nothing."""
    client.push("/api/monitoring", DOCUMENT)
    client.clock.advance(5 * MINUTE - 1)
    assert 22 == len(client.page("laravel_"))
    client.clock.advance(1)
    last = 'laravel_last_push_timestamp_seconds{server="web-1",system="laravel_app"}'
    assert {last: 1_705_314_600} == client.page("laravel_")
    client.clock.advance(24 * 60 * MINUTE - 5 * MINUTE)
    assert {} == client.page("laravel_")


def test_a_type_that_is_no_longer_reported_is_gone(client: Client) -> None:
    """A healthy push ends an alert on exceptions though it does not mention them; other systems keep theirs."""
    client.push("/api/monitoring", changed("system", "shop"))
    client.push("/api/monitoring", DOCUMENT)
    client.push("/api/monitoring", changed("telescope.entry_types", {"request": 1}))
    assert {f'{BY_TYPE}{{server="web-1",system="laravel_app",type="request"}}': 1} == {
        series: value for series, value in client.page(BY_TYPE).items() if "laravel_app" in series
    }
    assert 7 == sum("shop" in series for series in client.page(BY_TYPE))


@pytest.mark.parametrize("path", ["telescope", "pulse", "server_info", "telescope.entry_types", "pulse.entry_types"])
def test_php_writes_an_empty_object_as_a_list(client: Client, path: str) -> None:
    """json_encode([]) is `[]`, whatever was meant."""
    assert 200 == client.push("/api/monitoring", changed(path, [])).status


@pytest.mark.parametrize(
    "path",
    [
        "server_info",
        "telescope.total_entries",
        "telescope.entry_types",
        "pulse.recent_entries_data",
        "server_info.php_version",
    ],
)
def test_only_the_four_fields_are_required(client: Client, path: str) -> None:
    """Without an optional field its gauges are missing, and nothing else."""
    assert (200, 200) == (
        client.push("/api/monitoring", changed(path, ...)).status,
        client.push("/api/monitoring", changed(path, None)).status,
    )


@pytest.mark.parametrize(
    ("types", "expected"),
    [((), "timestamp, system, telescope, pulse"), (("system", "telescope", "pulse"), "timestamp")],
)
def test_missing_fields_are_named(client: Client, types: tuple[str, ...], expected: str) -> None:
    """MISSING_FIELDS lists each field that is absent or null, in the order of the contract."""
    answer = client.push("/api/monitoring", {"timestamp": None, **{name: DOCUMENT[name] for name in types}})
    assert (400, "MISSING_FIELDS") == (answer.status, answer.json["error_code"])
    assert f"Missing required fields: {expected}" == answer.json["message"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("timestamp", "yesterday", "timestamp: not an ISO 8601 time: 'yesterday'"),
        ("timestamp", "0001-01-01T00:00:00+23:00", "timestamp: not an ISO 8601 time: '0001-01-01T00:00:00+23:00'"),
        ("timestamp", 1705314600, "timestamp: expected text: 1705314600"),
        ("system", "", "system: expected text of length >= 1: ''"),
        ("system", {"name": "x"}, "system: expected text: an object of 1"),
        ("telescope", "none", "telescope: expected an object: 'none'"),
        ("telescope.total_entries", "1500", "telescope.total_entries: expected a number or null: '1500'"),
        ("telescope.total_entries", True, "telescope.total_entries: expected a number or null: true"),
        ("pulse.recent_entries", -1, "pulse.recent_entries: expected a number >= 0: -1"),
        ("telescope.entry_types", [1], "telescope.entry_types: expected an object: a list of 1"),
        ("telescope.entry_types", {"log": "5"}, "telescope.entry_types.log: expected a number >= 0: '5'"),
        ("telescope.entry_types", {"": 5}, "telescope.entry_types: a type has 1 to 200 characters: ''"),
        ("telescope.entry_types", {str(n): 1 for n in range(101)}, "telescope.entry_types: more than 100 types: 101"),
        ("pulse.recent_entries_data", [{}] * 101,
         "pulse.recent_entries_data: expected a list of length <= 100: a list of 101"),
        ("pulse.recent_entries_data", [{}, 3], "pulse.recent_entries_data[1]: expected an object: 3"),
        ("pulse.recent_entries_data", [{"type": 3}], "pulse.recent_entries_data[0].type: expected text: 3"),
        ("server_info.memory_usage", [1], "server_info.memory_usage: expected a number or null: a list of 1"),
        ("server_info.php_version", 8.2, "server_info.php_version: expected text or null: 8.2"),
    ],
)  # fmt: skip
def test_invalid_data_names_the_path_and_the_value(client: Client, path: str, value: Any, message: str) -> None:
    """INVALID_DATA says where and what, and the push changes nothing."""
    answer = client.push("/api/monitoring", changed(path, value))
    assert (400, "INVALID_DATA", message) == (answer.status, answer.json["error_code"], answer.json["message"])
    assert {} == client.page("laravel_")


@pytest.mark.parametrize("content", [None, "text", [], {}, {"duration": None}, {"duration": "soon"}, {"duration": True},
                                     {"duration": -1}, {"duration": "nan"}, {"duration": "1e999"}])  # fmt: skip
def test_free_form_content_never_spoils_a_push(client: Client, content: Any) -> None:
    """An entry without a sensible duration counts for none of the durations."""
    document = changed("pulse.recent_entries_data", [{"type": "request", "content": content}])
    document["telescope"]["recent_entries_data"] = [{"type": "query", "content": content}]
    assert 200 == client.push("/api/monitoring", document).status
    assert {} == client.page("laravel_request_duration")
    assert [0.0] == list(client.page("laravel_recent_slow_queries").values())
