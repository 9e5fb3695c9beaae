"""Alertmanager's API v2; what is expected here was seen at a real Alertmanager 0.33."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from common.clock import ManualClock
from common.labels import Labels
from common.secrets import Secret
from ruler.api.alertmanager_config import alertmanager_yml
from ruler.api.v2 import blueprint
from ruler.database import open_database
from ruler.dispatch.dispatcher import Dispatcher
from ruler.dispatch.silences import Silences
from ruler.model.alert import Alert
from ruler.notify.config import receiver_of
from ruler.notify.notifier import Notifier
from ruler.notify.receiver import log_receiver
from tests.ruler.dispatch.conftest import routes_of

NOW = 1_795_219_711_363  # 2026-11-21T00:08:31.363Z
ROUTES = """
receiver: a
group_by: [alertname]
routes:
- {receiver: b, matchers: ['team="x"', 'sev=~"a|b"']}
"""


@dataclass
class Api:
    client: FlaskClient
    clock: ManualClock
    dispatcher: Dispatcher
    registry: CollectorRegistry

    def get(self, path: str, **query: str) -> Any:
        return self.client.get(f"/api/v2{path}", query_string=query).get_json()

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        answer = self.client.post(f"/api/v2{path}", data=orjson.dumps(body), content_type="application/json")
        self.dispatcher.tick(self.clock.now())
        return answer.status_code, answer.get_json(silent=True)

    def silence(self, **changes: Any) -> str:
        status, body = self.post("/silences", silence(**changes))
        assert 200 == status, body
        return body["silenceID"]


def silence(name: str = "alertname", value: str = "X", **changes: Any) -> dict[str, Any]:
    return {
        "matchers": [{"name": name, "value": value, "isRegex": False}],
        "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2999-01-01T00:00:00Z",
        "createdBy": "me",
        "comment": "c",
        **changes,
    }


X = {"alertname": "X", "team": "x", "sev": "a"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    database, registry, clock = open_database(tmp_path / "db"), CollectorRegistry(), ManualClock(NOW)
    silences = Silences(database, registry)
    notifier = Notifier([log_receiver("a"), log_receiver("b")], [silences], database, registry)
    dispatcher = Dispatcher(routes_of(ROUTES, "a b"), notifier.notify, registry, muters=[silences])
    app = Flask("ruler")
    app.register_blueprint(blueprint(dispatcher, silences, notifier, clock, registry, {"version": "0.1.0"}))
    yield Api(app.test_client(), clock, dispatcher, registry)
    notifier.close()
    database.close()


def test_an_alert_has_alertmanagers_shape(api):
    """GET /alerts gives each firing alert with its receivers, its status and its fingerprint."""
    api.post("/alerts", [{"labels": X, "annotations": {"s": "hi"}, "generatorURL": "http://x/y?z"}])
    assert [
        {
            "annotations": {"s": "hi"},
            "endsAt": "2026-11-21T00:13:31.363Z",
            "fingerprint": "cca4acc6015dea28",
            "receivers": [{"name": "b"}],
            "startsAt": "2026-11-21T00:08:31.363Z",
            "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"},
            "updatedAt": "2026-11-21T00:08:31.363Z",
            "generatorURL": "http://x/y?z",
            "labels": X,
        }
    ] == api.get("/alerts")


def test_groups_have_their_alerts(api):
    """GET /alerts/groups gives groups by label and receiver, each with its alerts."""
    api.post("/alerts", [{"labels": {"alertname": "Y"}, "startsAt": "2024-01-01T00:00:00Z"}, {"labels": X}])
    groups = api.get("/alerts/groups")
    assert [({"alertname": "X"}, {"name": "b"}, [X]), ({"alertname": "Y"}, {"name": "a"}, [{"alertname": "Y"}])] == [
        (group["labels"], group["receiver"], [alert["labels"] for alert in group["alerts"]]) for group in groups
    ]
    assert ["a"] == [group["receiver"]["name"] for group in api.get("/alerts/groups", receiver="a|z")]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, "X Y"),
        ({"filter": "alertname=X"}, "X"),
        ({"filter": 'team!="x"'}, "Y"),
        ({"receiver": "b"}, "X"),
        ({"silenced": "false"}, "Y"),
        ({"active": "false"}, "X"),
        ({"active": "maybe", "silenced": "maybe"}, ""),
    ],
)
def test_alerts_are_filtered(api, query, names):
    """Each parameter of GET /alerts leaves out what Alertmanager leaves out."""
    api.post("/alerts", [{"labels": X}, {"labels": {"alertname": "Y"}}])
    known = api.silence()
    found = sorted(api.get("/alerts", **query), key=lambda alert: alert["labels"]["alertname"])
    assert names.split() == [alert["labels"]["alertname"] for alert in found]
    assert {"X": [known], "Y": []} == {
        alert["labels"]["alertname"]: alert["status"]["silencedBy"] for alert in api.get("/alerts")
    }


def test_resolved_alerts_are_not_listed(api):
    """An alert whose end has come is no longer among the alerts."""
    api.post("/alerts", [{"labels": X}])
    api.post("/alerts", [{"labels": X, "endsAt": "2026-11-21T00:08:31.363Z"}])
    assert [] == api.get("/alerts")
    counts = [
        api.registry.get_sample_value("alertmanager_alerts_received_total", {"status": status, "version": "v2"})
        for status in ("firing", "resolved")
    ]
    assert [1, 1] == counts


def test_a_silence_has_alertmanagers_shape(api):
    """A silence that was posted is shown as Alertmanager shows it, and starts now at the earliest."""
    known = api.silence(annotations={"ticket": "7"})
    expected = {
        "id": known,
        "status": {"state": "active"},
        "updatedAt": "2026-11-21T00:08:31.363Z",
        "comment": "c",
        "createdBy": "me",
        "endsAt": "2999-01-01T00:00:00.000Z",
        "matchers": [{"isEqual": True, "isRegex": False, "name": "alertname", "value": "X"}],
        "startsAt": "2026-11-21T00:08:31.363Z",
        "annotations": {"ticket": "7"},
    }
    assert ([expected], expected) == (api.get("/silences"), api.get(f"/silence/{known}"))


def test_a_silence_ends_when_deleted(api):
    """DELETE ends a silence, which stays in the list as expired; the list is ordered and can be filtered."""
    first, second = api.silence(), api.silence(name="team", startsAt="2998-01-01T00:00:00Z")
    assert 200 == api.client.delete(f"/api/v2/silence/{first}").status_code
    third = api.silence(name="sev")
    assert [third, second, first] == [each["id"] for each in api.get("/silences")]
    assert [first] == [each["id"] for each in api.get("/silences", active="false", pending="false")]
    assert [second] == [each["id"] for each in api.get("/silences", filter='team="X"')]


REGEX = {"matchers": [{"name": "a", "value": "(", "isRegex": True}]}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        (silence(matchers=[]), 422, {"code": 612, "message": "matchers in body should have at least 1 items"}),
        ({}, 422, {"code": 602, "message": "comment in body is required"}),
        (
            silence(matchers=[{"name": "a"}]),
            422,
            {"code": 602, "message": "matchers.0.isRegex in body is required"},
        ),
        (
            silence(value=""),
            400,
            "invalid silence: matcher set 0: at least one matcher must not match the empty string",
        ),
        (silence(name=""), 400, 'invalid silence: invalid label matcher 0 in set 0: invalid label name ""'),
        (
            silence(endsAt="2021-01-01T00:00:00Z"),
            400,
            "Failed to create silence: end time can't be in the past",
        ),
        (
            silence(endsAt="2019-01-01T00:00:00Z"),
            400,
            "Failed to create silence: start time must be before end time",
        ),
        (silence(id="nope"), 404, "silence not found"),
        (silence(**REGEX), 400, "invalid silence: invalid label matcher 0 in set 0: invalid regular expression"),
        (
            silence(startsAt="yesterday"),
            400,
            {"code": 400, "message": 'parsing silence body from "" failed, because parsing time "yesterday"'},
        ),
        ([], 400, {"code": 400, "message": 'parsing silence body from "" failed, because not an object: []'}),
    ],
)  # fmt: skip
def test_a_bad_silence_is_refused(api, body, status, answer):
    """Each mistake has Alertmanager's status and sentence."""
    got_status, got = api.post("/silences", body)
    assert (status, answer) == (got_status, got[: len(answer)] if isinstance(answer, str) else got)


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        (
            [{"labels": {}}, {"labels": {"a": ""}}, {"labels": X}],
            400,
            "at least one label pair required\nat least one label pair required",
        ),
        ([{}], 422, {"code": 602, "message": "0.labels in body is required"}),
        (
            [{"labels": X, "startsAt": "2024-01-02T00:00:00Z", "endsAt": "2024-01-01T00:00:00Z"}],
            400,
            "start time must be before end time",
        ),
        ({}, 400, {"code": 400, "message": 'parsing alerts body from "" failed, because not a list: {}'}),
    ],
)
def test_bad_alerts_are_refused(api, body, status, answer):
    """Bad alerts are named and the good ones beside them are taken."""
    assert (status, answer) == api.post("/alerts", body)
    assert (1 if len(body) == 3 else 0) == len(api.get("/alerts"))


def test_requests_that_are_none(api):
    """Unknown paths, methods, ids, filters and media types are answered as Alertmanager answers them."""
    client = api.client
    answers = [
        client.get("/api/v2/nope"),
        client.put("/api/v2/alerts"),
        client.get("/api/v2/silence/abc"),
        client.post("/api/v2/alerts", data="[]", content_type="text/plain"),
        client.post("/api/v2/silences", data="", content_type="application/json"),
        client.get("/api/v2/alerts?filter=alertname"),
        client.get("/api/v2/alerts?filter=%7Ba=b%7D"),
        client.get("/api/v2/alerts?receiver=("),
    ]
    assert [
        (404, {"code": 404, "message": "path /api/v2/nope was not found"}),
        (405, {"code": 405, "message": "method PUT is not allowed, but [POST,GET] are"}),
        (422, {"code": 601, "message": 'silenceID in path must be of type uuid: "abc"'}),
        (415, {"code": 415, "message": 'unsupported media type "text/plain", only [application/json] are allowed'}),
        (422, {"code": 602, "message": "silence in body is required"}),
        (400, "bad matcher format: alertname"),
        (400, "unexpected open or close brace: {a=b}"),
        (400, "failed to parse receiver param: error parsing regexp: missing closing ): `(`"),
    ] == [(answer.status_code, answer.get_json()) for answer in answers]
    for method in (client.get, client.delete):
        answer = method(f"/api/v2/silence/{UNKNOWN}")
        assert (404, b"") == (answer.status_code, answer.data)


def test_receivers(api):
    """GET /receivers names them all, or those that a matcher finds."""
    both = [{"labels": {"name": name}, "name": name} for name in "ab"]
    assert (both, both[1:]) == (api.get("/receivers"), api.get("/receivers", receiver_matchers="name=b"))


def test_status(api):
    """GET /status shows the version, the start and the config."""
    status = api.get("/status")
    assert ({"peers": [], "status": "disabled"}, "2026-11-21T00:08:31.363Z", "0.1.0") == (
        status["cluster"],
        status["uptime"],
        status["versionInfo"]["version"],
    )
    assert "a" == yaml.safe_load(status["config"]["original"])["route"]["receiver"]


def test_the_shown_config_says_what_was_configured():
    """The config that is shown describes the same tree, and no secret."""
    text = """
receiver: a
group_by: ['...']
group_wait: 1s
routes:
- {receiver: b, matchers: ['team="x: y"'], continue: true, group_by: [z, y], repeat_interval: 1d}
- {receiver: b, match: {x: y}, routes: [{group_interval: 1m}]}
"""
    receivers = [log_receiver("b"), receiver_of("a", [Secret("json://u:s3cret@h/s3cret")])]
    shown = alertmanager_yml(routes_of(text), receivers, 300_000)
    document = yaml.safe_load(shown)
    assert routes_of(text) == routes_of(yaml.safe_dump(document["route"]))
    assert ["b", "a"] == [receiver["name"] for receiver in document["receivers"]]
    assert ("# to: json://<secret>" in shown, "s3cret" in shown) == (True, False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["labels", "startsAt", "endsAt", "matchers", "comment", "createdBy", "name", "value", "isRegex"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values)
def test_any_document_is_an_answer(api, body):
    """Whatever is posted, the answer is a 200 or says what is wrong; never a fault."""
    for path in ("/alerts", "/silences"):
        status, _ = api.post(path, body)
        assert status in (200, 400, 404, 422)


def test_an_alert_of_two_routes_has_two_receivers(api):
    """An alert in the groups of two routes names both receivers."""
    api.dispatcher.apply(routes_of("{receiver: a, routes: [{receiver: b, continue: true}, {receiver: a}]}"))
    api.dispatcher.send([Alert(Labels(X), Labels(), NOW, NOW + 1_000, NOW)])
    api.dispatcher.tick(NOW)
    assert [[{"name": "a"}, {"name": "b"}]] == [
        sorted(alert["receivers"], key=lambda each: each["name"]) for alert in api.get("/alerts")
    ]
