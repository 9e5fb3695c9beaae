"""The admin API over the real database, with Prometheus's answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from common.clock import ManualClock
from ruler.api import admin
from ruler.api.respond import install_error_handlers
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import BASE, named, read

PATHS = ("snapshot", "delete_series", "clean_tombstones")

NO_TIME = 'invalid parameter "{0}": invalid time value for \'{0}\': cannot parse "x" to a valid timestamp'


@pytest.fixture
def db(tmp_path: Path) -> Iterator[DB]:
    db = DB.open(tmp_path, clock=ManualClock(BASE), retention=Retention(10**13))
    stream, ids = db.stream("a", 1_000), db.series([named("a"), named("b", x="y")])
    for tick in range(10):
        stream.append(BASE + tick * 1_000, BASE + tick * 1_000, ids, np.ones(2))
    yield db
    db.close()


def client(db: DB, *, enabled: bool = True) -> FlaskClient:
    flask = Flask("admin")
    install_error_handlers(flask)
    flask.register_blueprint(admin.blueprint(db, ManualClock(BASE), enabled=enabled), url_prefix="/api/v1")
    return flask.test_client()


def left(db: DB) -> dict[str, int]:
    return {labels: len(samples) for labels, samples in read(db, BASE - 1, BASE + 10**6).items()}


@pytest.mark.parametrize("path", PATHS)
def test_nothing_goes_without_the_flag(db: DB, path: str) -> None:
    """With the words and the status of Prometheus 3.5."""
    answer = client(db, enabled=False).post(f"/api/v1/admin/tsdb/{path}?match[]=a")
    expected = {"status": "error", "errorType": "unavailable", "error": "admin APIs disabled"}
    assert (500, expected) == (answer.status_code, answer.get_json())
    assert {"a": 10, 'b{x="y"}': 10} == left(db)


@pytest.mark.parametrize("path", PATHS)
def test_only_post_and_put_change_anything(db: DB, path: str) -> None:
    """A link that is followed deletes nothing."""
    assert 405 == client(db).get(f"/api/v1/admin/tsdb/{path}?match[]=a").status_code
    assert {"a": 10, 'b{x="y"}': 10} == left(db)


@pytest.mark.parametrize("method", ["post", "put"])
def test_a_snapshot_has_a_name(db: DB, tmp_path: Path, method: str) -> None:
    """That of its directory, made of the time and chance."""
    answer = getattr(client(db), method)("/api/v1/admin/tsdb/snapshot?skip_head=false").get_json()
    name = answer["data"]["name"]
    assert {"status": "success", "data": {"name": name}} == answer
    assert re.fullmatch(r"20231114T220000Z-[0-9a-f]{16}", name)
    assert [name] == [path.name for path in (tmp_path / "snapshots").iterdir()]


def test_series_are_deleted_by_form_or_url(db: DB) -> None:
    """Several selectors are joined; both ends count; what does not exist is no error, nor is an empty span."""
    url = "/api/v1/admin/tsdb/delete_series"
    assert 204 == client(db).post(url, data={"match[]": "nosuch"}).status_code
    assert 204 == client(db).post(f"{url}?match[]=a&start={BASE // 1000 + 5}&end={BASE // 1000}").status_code
    assert {"a": 10, 'b{x="y"}': 10} == left(db)
    assert 204 == client(db).put(f"{url}?match[]=a&start={BASE // 1000 + 2}&end={BASE // 1000 + 4}").status_code
    assert {"a": 7, 'b{x="y"}': 10} == left(db)
    answer = client(db).post(url, data={"match[]": ["a", '{x="y"}'], "end": BASE / 1000})
    assert (204, b"") == (answer.status_code, answer.data)
    assert {"a": 6, 'b{x="y"}': 9} == left(db)
    assert 204 == client(db).post(url, data={"match[]": "b"}).status_code
    assert 204 == client(db).post("/api/v1/admin/tsdb/clean_tombstones").status_code
    assert {"a": 6} == left(db)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("delete_series", "no match[] parameter provided"),
        (
            "delete_series?match[]=up{",
            'invalid parameter "match[]": 1:4: parse error: unexpected end of input inside braces',
        ),
        ("delete_series?match[]=up&start=x", NO_TIME.format("start")),
        ("delete_series?match[]=up&end=x", NO_TIME.format("end")),
        (
            "snapshot?skip_head=so",
            'invalid parameter "skip_head": unable to parse boolean: strconv.ParseBool: parsing "so": invalid syntax',
        ),
    ],
)
def test_bad_parameters_are_named(db: DB, path: str, error: str) -> None:
    """Each is a 400 that says which and why."""
    answer = client(db).post(f"/api/v1/admin/tsdb/{path}")
    assert (400, error) == (answer.status_code, answer.get_json()["error"])


def test_without_a_directory_there_is_no_snapshot() -> None:
    """It could be answered by another ruler: 503."""
    answer = client(DB.open(None)).post("/api/v1/admin/tsdb/snapshot")
    assert (503, "unavailable") == (answer.status_code, answer.get_json()["errorType"])
