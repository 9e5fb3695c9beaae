"""Exports and imports over HTTP: VictoriaMetrics's paths, what is refused and how, and bodies that are streamed."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence

import orjson
import pytest
import requests
from a2wsgi import WSGIMiddleware
from flask import Flask
from flask.testing import FlaskClient

from common.clock import ManualClock
from common.serving import HttpServer, Listener, bind
from ruler.api import transfer
from ruler.api.respond import install_error_handlers
from ruler.api.transfer import TransferOptions
from ruler.transfer.series import Imported, Importer, SeriesSamples
from tests.ruler.api.conftest import World
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.transfer.world import BASE, ListImporter, labelled, series

NOW = BASE + 3_600_000
LINE = b'{"metric":{"__name__":"a","x":"y"},"values":[1.5,null],"timestamps":[%d,%d]}\n' % (BASE, BASE + 1)
Stored = dict[str, list[tuple[int, float]]]


class Place:
    """A place to export from and to import into, behind the API."""

    def __init__(self, *, admin: bool = True, importing: bool = True, **limits: int) -> None:
        self.storage = MemoryStorage()
        importer: Importer | None = ListImporter(self.storage) if importing else None
        self.flask = Flask("transfer")
        self.flask.config["MAX_CONTENT_LENGTH"] = 1 << 20
        install_error_handlers(self.flask)
        options = TransferOptions(admin=admin, **limits)
        routes = transfer.blueprint(self.storage, importer, ManualClock(NOW), options)
        self.flask.register_blueprint(routes, url_prefix="/api/v1")

    @property
    def client(self) -> FlaskClient:
        return self.flask.test_client()

    def stored(self) -> Stored:
        return {str(labels): samples for labels, samples in self.storage.series.items()}

    def refusal(self, path: str, body: bytes = b"", **headers: str) -> tuple[int, str, str]:
        response = self.client.post(f"/api/v1/{path}", data=body, headers=headers)
        answer = response.get_json()
        return response.status_code, answer["errorType"], answer["error"]


@pytest.fixture
def place() -> Place:
    place = Place()
    ListImporter(place.storage).put(
        [
            series(labelled("a", x="y"), [(BASE + t * 1000, float(t)) for t in range(5)]),
            series(labelled("b"), [(BASE, 1.0)]),
        ]
    )
    return place


def test_exports_have_victoriametrics_shape(place: Place) -> None:
    """JSON lines by default, cut to the span and to the rows that were asked for."""
    query = {"match[]": ["a", '{x="y"}'], "start": BASE / 1000 + 1, "end": BASE / 1000 + 3, "max_rows_per_line": 2}
    answer = place.client.get("/api/v1/export", query_string=query)
    assert "application/stream+json; charset=utf-8" == answer.content_type
    metric = {"__name__": "a", "x": "y"}
    assert [
        {"metric": metric, "values": [1, 2], "timestamps": [BASE + 1000, BASE + 2000]},
        {"metric": metric, "values": [3], "timestamps": [BASE + 3000]},
    ] == [orjson.loads(line) for line in answer.data.splitlines()]


def test_exports_have_two_more_formats(place: Place) -> None:
    """OpenMetrics on a path of its own and by `format`; CSV with the columns that are asked for, or with all."""
    query = {"match[]": "b"}
    page = b"b 1 %d\n# EOF\n" % (BASE // 1000)
    assert page == place.client.get("/api/v1/export/openmetrics", query_string=query).data
    assert page == place.client.post("/api/v1/export", data={**query, "format": "openmetrics"}).data
    table = place.client.get("/api/v1/export/csv", query_string={"match[]": '{__name__=~"a|b"}', "end": BASE / 1000})
    assert b"__name__,x,__value__,__timestamp__:unix_ms\na,y,0,%d\nb,,1,%d\n" % (BASE, BASE) == table.data
    asked = {**query, "format": "__timestamp__:unix_s,__value__,__name__"}
    expected = b"__timestamp__:unix_s,__value__,__name__\n%d,1,b\n" % (BASE // 1000)
    assert expected == place.client.get("/api/v1/export/csv", query_string=asked).data


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("export", "no match[] parameter provided"),
        ("export?match[]=a&start=2&end=1", 'invalid parameter "end": end timestamp must not be before start time'),
        ("export?match[]=a&format=xml", 'invalid parameter "format": unknown value "xml" (write json or openmetrics)'),
        (
            "export?match[]=a&max_rows_per_line=x",
            'invalid parameter "max_rows_per_line": not a non-negative number: "x"',
        ),
        ("export/csv?match[]=a&format=a", "invalid parameter \"format\": format: no column of values: 'a'"),
        ("import?timestamp=now", 'invalid parameter "timestamp": not a time in ms: "now"'),
        ("import?extra_label=a", 'invalid parameter "extra_label": not name=value: "a"'),
        (
            "import/csv?format=1:gauge:x",
            "invalid parameter \"format\": format: not a kind of column: 'gauge' (write label, metric or time)",
        ),
    ],
)
def test_bad_parameters_are_named(place: Place, path: str, error: str) -> None:
    """Each is a 400 that says which parameter and why."""
    assert (400, "bad_data", error) == place.refusal(path)


def test_imports_answer_as_victoriametrics_does() -> None:
    """204, whose head counts what was stored and what was refused and why."""
    place = Place()
    first = place.client.post("/api/v1/import", data=LINE)
    again = place.client.post("/api/v1/import", data=LINE)
    assert (204, "2", None) == (
        first.status_code,
        first.headers["X-Tocsin-Stored"],
        first.headers.get("X-Tocsin-Refused"),
    )
    assert (204, "0", "duplicate=2") == (
        again.status_code,
        again.headers["X-Tocsin-Stored"],
        again.headers["X-Tocsin-Refused"],
    )


def test_imports_have_four_formats() -> None:
    """Each path reads its own; labels may be added, and a time for samples without one."""
    place = Place()
    bodies = {
        "import?extra_label=x=z&extra_label=site=here": LINE,
        "import/openmetrics": b"b 1 1.5\n# EOF\n",
        "import/prometheus?timestamp=5": b"c 1\nc 2 6\n",
        "import/csv": b"__name__,__value__,__timestamp__:unix_s\nd,1,7\n",
        "import/csv?format=1:label:host,2:metric:e": b"h,8\n",
    }
    for path, body in bodies.items():
        assert 204 == place.client.post(f"/api/v1/{path}", data=body).status_code
    assert {
        'a{site="here", x="z"}': [BASE, BASE + 1],
        "b": [1500],
        "c": [5, 6],
        "d": [7000],
        'e{host="h"}': [NOW],
    } == {labels: [time for time, _ in samples] for labels, samples in place.stored().items()}


def test_a_bad_line_is_a_400_that_says_what_is_stored() -> None:
    """What came before the line is stored, and the answer says so."""
    place = Place()
    problem = "line 2: not JSON of an export: input data was truncated (2 samples before that are stored)"
    assert (400, "bad_data", problem) == place.refusal("import", LINE + b"{")
    assert ['a{x="y"}'] == list(place.stored())


def test_imports_need_the_admin_api() -> None:
    """Without the flag nothing is read; with it, a ruler in memory says why it cannot."""
    off, memory = Place(admin=False), Place(importing=False)
    text = "admin APIs disabled (start the ruler with --web.enable-admin-api)"
    for path in ("import", "import/csv", "import/prometheus", "import/openmetrics"):
        assert (403, "forbidden", text) == off.refusal(path, LINE)
        assert (503, "unavailable") == memory.refusal(path, LINE)[:2]
    assert {} == off.stored()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(LINE)),
        ("gzip", gzip.compress(LINE[:20]) + gzip.compress(LINE[20:])),
        ("deflate", zlib.compress(LINE)),
        ("identity", LINE),
    ],
)
def test_bodies_may_be_compressed(encoding: str, body: bytes) -> None:
    """gzip, in any number of members, and deflate."""
    place = Place()
    headers = {"Content-Encoding": encoding}
    assert 204 == place.client.post("/api/v1/import", data=body, headers=headers).status_code
    assert ['a{x="y"}'] == list(place.stored())


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ("br", LINE, (400, 'Content-Encoding: not known: "br" (send gzip, deflate or none)')),
        ("gzip", LINE, (400, "the body is not gzip: ")),
        ("gzip", gzip.compress(LINE)[:-9], (400, "the body is not whole: its gzip stream does not end")),
        ("gzip", gzip.compress(b" \n" * 200_000), (413, "request body too large")),
        ("identity", b" \n" * 200_000, (413, "request body too large")),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(encoding: str, body: bytes, expected: tuple[int, str]) -> None:
    """Also what grows too large only when it is inflated."""
    status, _, error = Place(max_body=300_000, max_inflated=300_000).refusal(
        "import", body, **{"Content-Encoding": encoding}
    )
    assert expected == (status, error[: len(expected[1])])


def test_exports_at_once_are_bounded(place: Place) -> None:
    """One too many is a 503, and a place is free again when an export was read or given up."""
    place = Place(exports_at_once=1)
    ListImporter(place.storage).put([series(labelled("a"), [(BASE, 1.0)])])
    ask = {"match[]": "a"}
    given_up = place.client.get("/api/v1/export", query_string=ask, buffered=False)
    busy = place.client.get("/api/v1/export", query_string=ask)
    given_up.close()  # as a server does when its client has gone
    read = place.client.get("/api/v1/export", query_string=ask, buffered=True)
    head = place.client.head("/api/v1/export", query_string=ask, buffered=True)
    again = place.client.get("/api/v1/export", query_string=ask)
    assert [200, 503, 200, 200, 200] == [each.status_code for each in (given_up, busy, read, head, again)]


def test_one_import_runs_at_a_time() -> None:
    """The second one is told to come later, and what it sent is not read."""
    place = Place()
    inner = ListImporter(place.storage)
    answers: list[int] = []

    class Asking:
        def put(self, found: Sequence[SeriesSamples]) -> Imported:
            answers.append(place.client.post("/api/v1/import/prometheus", data=b"b 1\n").status_code)
            return inner.put(found)

    busy = Flask("busy")
    install_error_handlers(busy)
    place.flask = busy
    busy.register_blueprint(
        transfer.blueprint(place.storage, Asking(), ManualClock(NOW), TransferOptions(admin=True)), url_prefix="/api/v1"
    )
    assert 204 == place.client.post("/api/v1/import", data=LINE).status_code
    assert ([503], ['a{x="y"}']) == (answers, list(place.stored()))


@pytest.fixture
def served() -> Iterator[tuple[Place, str]]:
    place = Place()
    middleware = WSGIMiddleware(place.flask, workers=2)  # type: ignore[arg-type]  # its own words for WSGI's types
    server = HttpServer([Listener("test", bind("127.0.0.1:0", "test"), middleware)])  # type: ignore[arg-type]  # and for ASGI's
    server.start()
    yield place, f"http://{server.addresses[0]}/api/v1"
    server.stop()
    middleware.executor.shutdown()


def test_large_bodies_stream_both_ways(served: tuple[Place, str]) -> None:
    """A body of many pieces, sent in chunks and compressed, comes in whole, and goes out the same."""
    place, url = served
    times = [BASE + tick for tick in range(2_000)]
    metrics = [{"__name__": "a", "n": f"{n:02}"} for n in range(40)]
    lines = [orjson.dumps({"metric": metric, "values": times, "timestamps": times}) for metric in metrics]
    body = gzip.compress(b"\n".join(lines), 1)
    pieces = (body[at : at + 10_000] for at in range(0, len(body), 10_000))
    answer = requests.post(f"{url}/import", pieces, headers={"Content-Encoding": "gzip"}, timeout=30)
    assert (204, "80000") == (answer.status_code, answer.headers["X-Tocsin-Stored"])
    assert 40 == len(place.storage.series)
    assert lines == requests.get(f"{url}/export", {"match[]": "a"}, timeout=30).content.splitlines()


def test_a_body_that_may_be_cut_off_is_not_taken_for_whole(served: tuple[Place, str]) -> None:
    """Sent in chunks, it has to end with a line; a length says for itself when something is missing."""
    _, url = served
    answer = requests.post(f"{url}/import/prometheus", iter([b"a 1 1", b"2"]), timeout=30)
    why = "the body was sent in chunks and ends within a line: it may have been cut off"
    assert (400, f"{why} (0 samples before that are stored)") == (answer.status_code, answer.json()["error"])
    assert 204 == requests.post(f"{url}/import/prometheus", io.BytesIO(b"a 1 12"), timeout=30).status_code


def test_a_ruler_exports_what_it_has_and_imports_nothing_by_default(world: World) -> None:
    """Its own samples go out; coming in needs a flag."""
    world.write({"__name__": "a", "x": "y"}, {30: 1.0, 15: 2.5})
    line = b'{"metric":{"__name__":"a","x":"y"},"values":[1,2.5],"timestamps":[1699999970000,1699999985000]}\n'
    assert line == world.client.get("/api/v1/export", query_string={"match[]": "a"}).data
    assert 403 == world.client.post("/api/v1/import", data=line).status_code
