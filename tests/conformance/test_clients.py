"""Clients that people use with Prometheus work with the ruler unchanged: promtool and prometheus-api-client."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from prometheus_api_client import PrometheusConnect

from common.clock import ManualClock
from common.labels import Labels
from common.serving import HttpServer, Listener, bind
from ruler.app import Ruler
from ruler.settings import RulerSettings
from tocsin.query import query

pytestmark = pytest.mark.conformance

NOW = 1_700_000_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A ruler with a little history of `things`, served over HTTP."""
    config = tmp_path / "prometheus.yml"
    config.write_text("scrape_configs: []\n", encoding="utf-8")
    ruler = Ruler(RulerSettings(config_file=config), ManualClock(NOW))

    def fill() -> None:
        stream = ruler._db.stream("test", 15_000)
        ids = ruler._db.series([Labels({"__name__": "things", "job": job}) for job in ("a", "b")])
        for ago in range(300_000, -1, -15_000):
            at = NOW - ago
            stream.append(at - at % 15_000, at, ids, np.array([ago / 1000, 1.5]))

    ruler._loop.call(fill)
    http = HttpServer([Listener("ruler", bind("127.0.0.1:0", "ruler"), ruler.app)])
    http.start()
    yield f"http://{http.addresses[0]}"
    http.stop()
    ruler.stop()


def promtool(peers: Path, *arguments: str) -> str:
    done = subprocess.run(
        [peers / "promtool", "query", *arguments], capture_output=True, text=True, timeout=20, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_promtool_asks_the_ruler(peers: Path, server: str) -> None:
    """instant, range, series and labels give what they give on Prometheus."""
    at = f"--time={NOW // 1000}"
    assert 'things{job="a"} => 0 @[1700000000]\nthings{job="b"} => 1.5 @[1700000000]\n' == promtool(
        peers, "instant", at, server, "sort(things)"
    )
    start, end = f"--start={NOW // 1000 - 30}", f"--end={NOW // 1000}"
    assert ('things{job="a"} =>\n30 @[1699999970]\n15 @[1699999985]\n0 @[1700000000]\n') == promtool(
        peers, "range", start, end, "--step=15s", server, 'things{job="a"}'
    )
    listed = promtool(peers, "series", "--match=things", start, end, server)
    assert ['{__name__="things", job="a"}', '{__name__="things", job="b"}'] == sorted(listed.splitlines())
    assert ["a", "b"] == promtool(peers, "labels", start, end, server, "job").split()


def test_our_own_query_prints_what_promtool_prints(peers: Path, server: str) -> None:
    """`tocsin query` is read as `promtool query` is: vectors, matrices and scalars alike."""
    start, end = f"--start={NOW // 1000 - 30}", f"--end={NOW // 1000}"
    for expr in ("sort(things)", "sum(things)", "2 * 3", r'label_replace(things, "job", "\"$1", "job", "(.)")'):
        theirs = promtool(peers, "instant", f"--time={NOW // 1000}", server, expr)
        ours = CliRunner().invoke(query, ["instant", "--server", server, f"--time={NOW // 1000}", expr])
        assert (theirs, 0) == (ours.stdout, ours.exit_code)
    theirs = promtool(peers, "range", start, end, "--step=15s", server, "things")
    ours = CliRunner().invoke(query, ["range", "--server", server, start, end, "things"])
    assert (theirs, 0) == (ours.stdout, ours.exit_code)


def test_promtool_prints_the_ruler_errors(peers: Path, server: str) -> None:
    """A client that understands Prometheus's errors understands ours."""
    done = subprocess.run(
        [peers / "promtool", "query", "instant", server, "sum("],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert 1 == done.returncode
    assert 'bad_data: invalid parameter "query": 1:5: parse error: ' in done.stderr


def test_prometheus_api_client_reads_the_ruler(server: str) -> None:
    """The Python client from PyPI: connection check, names, labels, instant, range."""
    client = PrometheusConnect(url=server)
    assert client.check_prometheus_connection()
    assert ["things"] == client.all_metrics()
    assert ["a", "b"] == client.get_label_values("job")
    [series] = client.custom_query('things{job="b"}', params={"time": NOW // 1000})
    assert [NOW // 1000, "1.5"] == series["value"]
    end = datetime.fromtimestamp(NOW / 1000, UTC)
    start = datetime.fromtimestamp(NOW / 1000 - 30, UTC)
    [series] = client.custom_query_range('things{job="a"}', start, end, "15")
    assert ["30", "15", "0"] == [value for _, value in series["values"]]
