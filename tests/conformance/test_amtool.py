"""The real amtool against our API v2, and our routes against its own routing."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from a2wsgi import WSGIMiddleware
from flask import Flask
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.labels import Labels
from common.serving import HttpServer, Listener, address_of, bind
from ruler.api.v2 import blueprint
from ruler.database import open_database
from ruler.dispatch.dispatcher import Dispatcher
from ruler.dispatch.silences import Silences
from ruler.notify.notifier import Notifier
from ruler.notify.receiver import log_receiver
from tests.ruler.dispatch.conftest import routes_of

pytestmark = pytest.mark.conformance

ROUTES = """
receiver: a
group_by: [alertname]
routes:
- {receiver: b, matchers: ['team="x"'], group_by: ['...'], repeat_interval: 1d}
"""
Amtool = Callable[..., str]


@pytest.fixture
def amtool(peers: Path, tmp_path: Path) -> Amtool:
    def run(*arguments: str, fails: bool = False) -> str:
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(
            [peers / "amtool", *arguments], capture_output=True, text=True, timeout=30, check=False, env=environment
        )
        assert fails == (done.returncode != 0), done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Dispatcher]]:
    database, registry, clock = open_database(tmp_path / "db"), CollectorRegistry(), SystemClock()
    silences = Silences(database, registry)
    notifier = Notifier([log_receiver("a"), log_receiver("b")], [silences], database, registry)
    dispatcher = Dispatcher(routes_of(ROUTES), notifier.notify, registry, muters=[silences])
    app = Flask("ruler")
    app.register_blueprint(blueprint(dispatcher, silences, notifier, clock, registry))
    wsgi = WSGIMiddleware(app)
    socket = bind("127.0.0.1:0", "ruler")
    server = HttpServer([Listener("ruler", socket, wsgi)])
    server.start()
    yield f"--alertmanager.url=http://{address_of(socket)}", dispatcher
    server.stop()
    wsgi.executor.shutdown()
    notifier.close()
    database.close()


def test_amtool_adds_finds_and_ends_a_silence(amtool, served):
    """A silence made by amtool is found by its matchers, changed, and gone from the list once expired."""
    url, _ = served
    command = ("silence", "add", "-a", "me", "-c", "because", "-d", "1h", "alertname=Z", "team=~a.*", "x!=y")
    known = amtool(url, *command).strip()
    listed = json.loads(amtool(url, "silence", "query", "-o", "json", "alertname=Z"))
    assert [(known, "active", "me", "because")] == [
        (each["id"], each["status"]["state"], each["createdBy"], each["comment"]) for each in listed
    ]
    assert {("alertname", "Z", True, False), ("team", "a.*", True, True), ("x", "y", False, False)} == {
        (each["name"], each["value"], each["isEqual"], each["isRegex"]) for each in listed[0]["matchers"]
    }
    assert [] == json.loads(amtool(url, "silence", "query", "-o", "json", "alertname=other"))
    assert known in amtool(url, "silence", "update", "-c", "still", known)
    amtool(url, "silence", "expire", known)
    assert [] == json.loads(amtool(url, "silence", "query", "-o", "json"))
    assert [known] == [each["id"] for each in json.loads(amtool(url, "silence", "query", "--expired", "-o", "json"))]


def test_amtool_adds_and_lists_alerts(amtool, served):
    """An alert sent by amtool is listed, filtered, and suppressed once silenced."""
    url, dispatcher = served
    amtool(url, "alert", "add", "Disk", "team=x", "--annotation=summary=full")
    dispatcher.tick(SystemClock().now())
    assert re.search(r"Disk +\d{4}-.* full +active", amtool(url, "alert"))
    (alert,) = json.loads(amtool(url, "alert", "query", "-o", "json", "team=x"))
    assert ({"alertname": "Disk", "team": "x"}, [{"name": "b"}]) == (alert["labels"], alert["receivers"])
    amtool(url, "silence", "add", "-a", "me", "-c", "x", "alertname=Disk")
    assert [] == json.loads(amtool(url, "alert", "query", "-o", "json"))
    (silenced,) = json.loads(amtool(url, "alert", "query", "-s", "-o", "json"))
    assert "suppressed" == silenced["status"]["state"]


def test_amtool_shows_errors(amtool, served):
    """What we refuse, amtool shows with our sentence."""
    url, _ = served
    assert "bad matcher format" in amtool(url, "silence", "add", "-a", "me", "-c", "x", "oops=~", "a b=c", fails=True)
    assert "404" in amtool(url, "silence", "expire", "00000000-0000-4000-8000-000000000000", fails=True)


def test_amtool_reads_the_shown_config(amtool, served):
    """amtool loads the config of /status and routes by it."""
    url, _ = served
    assert 'team="x"' in amtool(url, "config", "routes", "show")
    assert "b\n" == amtool(url, "config", "routes", "test", "team=x")


TREES = {
    "continue": """
receiver: a
routes:
- {receiver: b, match: {owner: A}, continue: true}
- {receiver: c, match_re: {owner: "A|B"}, routes: [{receiver: d, matchers: ['env=~"prod.*"']}, {receiver: e}]}
- {receiver: d, matchers: ['owner!~"A|B"', 'env="prod"'], continue: true}
- {receiver: e, matchers: ['{owner="C",env!="test"}']}
""",
    "syntax": """
receiver: a
routes:
- {receiver: b, matchers: ['owner = "A, B"', ' env != prod ']}
- {receiver: c, matchers: ['owner=~A|B,env="x\\ny"']}
- {receiver: d, matchers: ['owner=']}
- {receiver: e, matchers: ['"owner"="C D"']}
""",
}
LABELS = [
    dict(zip(("owner", "env"), values, strict=True))
    for values in [
        ("A", "prod"), ("A", "test"), ("B", "production"), ("B", "x"), ("C", "prod"), ("C", "test"), ("A, B", "x"),
        ("A, B", "prod"), ("C D", "x"), ("", "prod"), ("A", "x\ny"),
    ]
]  # fmt: skip


@pytest.mark.parametrize("tree", TREES)
def test_routes_are_amtools(amtool, tmp_path, tree):
    """For every alert of a table, our tree gives the receivers that `amtool config routes test` gives."""
    document = {"route": yaml.safe_load(TREES[tree]), "receivers": [{"name": name} for name in "abcde"]}
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump(document))
    root = routes_of(TREES[tree])
    for labels in LABELS:
        written = [f"{name}={json.dumps(value)}" for name, value in labels.items()]
        theirs = amtool("config", "routes", "test", f"--config.file={config}", *written).splitlines()[-1]
        assert theirs == ",".join(route.receiver for route in root.match(Labels(labels))), labels
