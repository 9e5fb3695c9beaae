"""/api/v1's questions to the samples answer in Prometheus's shapes and refuse in its words."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.ruler.api.conftest import NOW, World

SECONDS = NOW // 1000


@pytest.fixture(autouse=True)
def samples(world: World) -> None:
    world.write({"__name__": "things", "job": "a"}, {60: 1, 45: 2, 30: 3, 15: 4, 0: 5})
    world.write({"__name__": "things", "job": "b"}, {60: 10, 45: 10, 30: 10, 15: 10, 0: 10})
    world.write({"__name__": "others"}, {0: 0.5})


def vector(*series: tuple[dict[str, str], str]) -> dict[str, Any]:
    result = [{"metric": metric, "value": [SECONDS, value]} for metric, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_query_answers_at_the_time_asked_for(world: World) -> None:
    """Without a time it is now; GET and POST are the same."""
    expected = vector(({"__name__": "things", "job": "a"}, "5"))
    assert expected == world.get("/api/v1/query", query='things{job="a"}')
    assert expected == world.http.post("/api/v1/query", data={"query": 'things{job="a"}'}).get_json()
    earlier = world.get("/api/v1/query", query='things{job="a"}', time=SECONDS - 30)
    assert [SECONDS - 30, "3"] == earlier["data"]["result"][0]["value"]
    written = world.get("/api/v1/query", query="vector(1)", time="2023-11-14T22:13:20.5Z")
    assert [SECONDS + 0.5, "1"] == written["data"]["result"][0]["value"]


def test_query_range_answers_at_every_step(world: World) -> None:
    """start and end are both included."""
    answer = world.get("/api/v1/query_range", query="sum(things)", start=SECONDS - 30, end=SECONDS, step="15s")
    assert [{"metric": {}, "values": [[SECONDS - 30, "13"], [SECONDS - 15, "14"], [SECONDS, "15"]]}] == answer["data"][
        "result"
    ]


def test_a_range_selector_gives_its_samples(world: World) -> None:
    """An instant query of a range vector is the raw samples, with their own times."""
    answer = world.get("/api/v1/query", query='things{job="a"}[30s]')
    assert "matrix" == answer["data"]["resultType"]
    assert [[SECONDS - 15, "4"], [SECONDS, "5"]] == answer["data"]["result"][0]["values"]


def test_labels_and_series_can_be_listed(world: World) -> None:
    """With match[], a time range and a limit, as Prometheus does."""
    assert ["__name__", "job"] == world.get("/api/v1/labels")["data"]
    assert ["others", "things"] == world.get("/api/v1/label/__name__/values")["data"]
    assert ["a", "b"] == world.get("/api/v1/label/job/values", **{"match[]": "things"})["data"]
    assert [] == world.get("/api/v1/label/job/values", **{"match[]": "others"})["data"]
    both = world.get("/api/v1/series", **{"match[]": ["things", 'things{job="a"}']})["data"]
    assert [{"__name__": "things", "job": "a"}, {"__name__": "things", "job": "b"}] == both
    limited = world.get("/api/v1/series", limit=1, **{"match[]": "things"})
    assert (1, ["results truncated due to limit"]) == (len(limited["data"]), limited["warnings"])
    assert [] == world.get("/api/v1/labels", start=SECONDS + 86400)["data"]


def test_results_can_be_limited(world: World) -> None:
    """A cut answer says that it was cut."""
    answer = world.get("/api/v1/query", query="things", limit=1)
    assert (1, ["results truncated due to limit"]) == (len(answer["data"]["result"]), answer["warnings"])


NO_TIME = "invalid time value for 'time': "
TOO_LONG = 'cannot parse "{}" to a valid duration. It overflows int64'
NO_LOOKBACK = 'error parsing lookback delta duration: cannot parse "x" to a valid duration'
BAD_STEP = "zero or negative query resolution step widths are not accepted. Try a positive integer"
TOO_FINE = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
NO_RANGE = 'invalid expression type "range vector" for range query, must be Scalar or instant Vector'
REVERSED = "end timestamp must not be before start time"
NO_MATCHER = "1:1: parse error: vector selector must contain at least one non-empty matcher"
DUPLICATE = "found duplicate series for the match group {} on the right hand-side of the operation"

# path, parameters, the parameter that the sentence names ("" for none), the sentence
REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("query", {"query": "up{"}, "query", "1:4: parse error: unexpected end of input inside braces"),
    ("query", {"query": "up", "time": "noon"}, "time", NO_TIME + 'cannot parse "noon" to a valid timestamp'),
    ("query", {"query": "up", "time": "NaN"}, "time", NO_TIME + 'cannot parse "NaN" to a valid timestamp'),
    ("query", {"query": "up", "time": "1e300"}, "time", NO_TIME + 'cannot parse "1e300" to a valid timestamp'),
    ("query", {"query": "up", "timeout": "x"}, "timeout", 'cannot parse "x" to a valid duration'),
    ("query", {"query": "up", "limit": "x"}, "limit", 'strconv.Atoi: parsing "x": invalid syntax'),
    ("query_range", {"query": "up", "start": 1, "end": 2, "step": 0}, "step", BAD_STEP),
    ("query", {"query": "up", "time": "-1e300"}, "time", NO_TIME + 'cannot parse "-1e300" to a valid timestamp'),
    ("query", {"query": "up", "time": " 1"}, "time", NO_TIME + 'cannot parse " 1" to a valid timestamp'),
    ("query", {"query": "up", "time": "1_000"}, "time", NO_TIME + 'cannot parse "1_000" to a valid timestamp'),
    ("query", {"query": "up", "limit": -1}, "limit", "limit must be non-negative"),
    ("query", {"query": "up", "limit": 10**20}, "limit", f'strconv.Atoi: parsing "{10**20}": value out of range'),
    ("query", {"query": "up", "lookback_delta": "x"}, "", NO_LOOKBACK),
    ("query", {"query": ["up", "down"]}, "query", "given more than once"),
    ("query_range", {"query": "up", "start": [1, 2], "end": 2, "step": 1}, "start", "given more than once"),
    ("query_range", {"query": "1", "end": 2, "step": 1}, "start", 'cannot parse "" to a valid timestamp'),
    ("query_range", {"query": "1", "start": "NaN", "end": 2, "step": 1}, "start", 'cannot parse "NaN" to a valid'),
    ("query_range", {"query": "1", "start": 1, "end": 2, "step": -1}, "step", BAD_STEP),
    ("query_range", {"query": "1", "start": 1, "end": 2, "step": "NaN"}, "step", BAD_STEP),
    ("query_range", {"query": "1", "start": 1, "end": 2, "step": 0.0001}, "step", BAD_STEP),
    ("query_range", {"query": "1", "start": 1, "end": 2, "step": "Inf"}, "step", TOO_LONG.format("Inf")),
    ("query_range", {"query": "1", "start": 1, "end": 2, "step": 1e300}, "step", TOO_LONG.format("1e+300")),
    ("query_range", {"query": "1", "start": 0, "end": 4102444800, "step": 0.001}, "", TOO_FINE),
    ("query_range", {"query": "up", "start": 1, "end": 2}, "step", 'cannot parse "" to a valid duration'),
    ("query_range", {"query": "up", "start": 2, "end": 1, "step": 1}, "end", REVERSED),
    ("query_range", {"query": "up", "start": 1, "end": 11002, "step": 1}, "", TOO_FINE),
    ("query_range", {"query": "up[5m]", "start": 1, "end": 2, "step": 1}, "query", NO_RANGE),
    ("series", {}, "", "no match[] parameter provided"),
    ("series", {"match[]": "{}"}, "match[]", NO_MATCHER),
    ("query", {"query": "things * on() group_left things"}, "", DUPLICATE),
]  # fmt: skip


@pytest.mark.parametrize(("path", "parameters", "named", "sentence"), REFUSALS)
def test_bad_requests_are_refused_in_prometheus_words(
    world: World, path: str, parameters: dict[str, Any], named: str, sentence: str
) -> None:
    """The status, the errorType and the sentence are those of a real Prometheus 3.5."""
    expected = f'invalid parameter "{named}": {sentence}' if named else sentence
    status, kind, text = world.refusal(f"/api/v1/{path}", **parameters)
    assert ((422, "execution") if sentence == DUPLICATE else (400, "bad_data")) == (status, kind)
    assert expected == text[: len(expected)]


def test_what_is_not_there_is_plainly_404(world: World) -> None:
    """An unknown path is no API answer; a wrong method is 405."""
    assert 404 == world.client.get("/api/v1/nope").status_code
    assert 405 == world.http.request("DELETE", "/api/v1/query").status_code
    assert 413 == world.http.post("/api/v1/query", data={"query": "x" * (3 << 20)}).status_code


def test_notes_say_which_place_they_are_about(world: World) -> None:
    """Warnings and infos stand beside the data, with line and column in the query as it was sent."""
    answer = world.get("/api/v1/query", query="sum(\n  rate(things[1m]))")
    [info] = answer["infos"]
    assert info.endswith('name does not end in _total/_sum/_count/_bucket: "things" (2:8)')


@pytest.mark.parametrize("query", ["sum_over_time((sum(things))[12h:1ms])", "count_over_time(vector(1)[100y:1s])"])
def test_a_query_that_is_too_large_is_refused_before_it_takes_memory(world: World, query: str) -> None:
    """What a query would make is charged before it is made."""
    status, kind, text = world.refusal("/api/v1/query", query=query)
    assert (422, "execution", True) == (status, kind, "too many samples" in text)


def test_a_subquery_without_a_step_takes_the_evaluation_interval(world: World) -> None:
    """As in Prometheus, and a reload changes it."""
    assert ["4"] == [
        each["value"][1]
        for each in world.get("/api/v1/query", query="count_over_time(vector(1)[4m:])")["data"]["result"]
    ]
    config = world.directory / "prometheus.yml"
    config.write_text(
        config.read_text(encoding="utf-8").replace("15s", "15s\n  evaluation_interval: 30s"), encoding="utf-8"
    )
    assert 200 == world.client.post("/-/reload").status_code
    assert ["8"] == [
        each["value"][1]
        for each in world.get("/api/v1/query", query="count_over_time(vector(1)[4m:])")["data"]["result"]
    ]


@pytest.mark.parametrize("time", ["-1", "-9007199254740", "9007199254740.9", "1e3"])
def test_any_moment_may_be_asked_about(world: World, time: str) -> None:
    """Also one before 1970: a query then finds nothing, or what does not depend on samples."""
    assert vector() == world.get("/api/v1/query", query="things", time=time)
    assert [float(time), "1"] == world.get("/api/v1/query", query="1", time=time)["data"]["result"]


def test_the_lookback_may_be_chosen(world: World) -> None:
    """And nothing, or less than that, is the ruler's own."""
    asked = {"query": 'things{job="a"}', "time": SECONDS + 20}
    assert [] == world.get("/api/v1/query", lookback_delta="15s", **asked)["data"]["result"]
    for lookback in ("21", "0", "-5"):
        assert 1 == len(world.get("/api/v1/query", lookback_delta=lookback, **asked)["data"]["result"])


ODD_TEXTS = ["\U0001f525 \u00e9", "\u202eeman", "a\x00b", "\n\\\"'`{}", "\u200d", "\ufeffx", "\U0010ffff", " "]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_any_text_comes_back_as_it_was_written(world: World, text: str) -> None:
    """In names of metrics and labels and in values: emoji, text from right to left, zeros, quotes."""
    labels = {"__name__": f"m{text}", f"l{text}": f"v{text}"}
    world.write(labels, {0: 1})
    escaped = {name: orjson.dumps(value).decode() for name, value in (("m", f"m{text}"), ("l", f"l{text}"))}
    query = f"{{{escaped['m']}, {escaped['l']}={orjson.dumps(f'v{text}').decode()}}}"
    assert vector((labels, "1")) == world.get("/api/v1/query", query=query)
    assert vector((labels, "1")) == world.http.post("/api/v1/query", {"query": query}).get_json()
    assert f"l{text}" in world.get("/api/v1/labels")["data"]
    assert f"m{text}" in world.get("/api/v1/label/__name__/values")["data"]


@pytest.mark.parametrize("encoded", [b"query=%ff", b'query=up{a="%c3%28"}', b"query=1&time=%ed%a0%80"])
def test_what_is_no_text_is_refused(world: World, encoded: bytes) -> None:
    """Bytes that are not UTF-8 never reach a query."""
    answer = world.http.get("/api/v1/query", encoded)
    assert (400, "bad_data") == (answer.status_code, answer.get_json()["errorType"])
    assert "invalid UTF-8 rune" in answer.get_json()["error"]
