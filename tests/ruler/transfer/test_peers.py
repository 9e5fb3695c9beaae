"""The real VictoriaMetrics and Prometheus read what is written here, and what they write is read here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import requests

from common.labels import Labels
from ruler.model.arrays import NAN, STALE
from ruler.transfer import csvcolumns
from ruler.transfer.formats import Format, Reading, Wanted, export, parse
from ruler.transfer.series import SeriesSamples
from tests.peers import free_port, program, prometheus
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.transfer.world import (
    ALWAYS,
    BASE,
    EVERYTHING,
    QUERIES,
    ListImporter,
    answers,
    bits,
    filled,
    labelled,
    series,
)

pytestmark = pytest.mark.conformance

DESCRIBED = "1:time:unix_ms,3:label:host,4:metric:described"
WANTED = Wanted(matcher_sets=EVERYTHING, start=ALWAYS[0], end=ALWAYS[1])


@contextmanager
def victoria(peers: Path, folder: Path) -> Iterator[str]:
    """The real VictoriaMetrics, with everything that it was given visible at once."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(peers / "victoria-metrics"),
        f"-storageDataPath={folder / 'vm'}",
        f"-httpListenAddr={address}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
    ]
    with program(command, f"http://{address}/health", folder / "vm.log"):
        yield f"http://{address}"


def asked(url: str, path: str, **parameters: str) -> bytes:
    requests.get(f"{url}/internal/force_flush", timeout=20)
    return requests.get(f"{url}/api/v1/{path}", {"match[]": '{__name__=~".+"}', **parameters}, timeout=20).content


def stored(every: Sequence[SeriesSamples]) -> MemoryStorage:
    storage = MemoryStorage()
    ListImporter(storage).put(every)
    return storage


def lines_of(text: bytes) -> list[Any]:
    """JSON lines in one order, their numbers as floats: VictoriaMetrics writes them out, and series in any order."""
    lines = [orjson.loads(line) for line in text.splitlines()]
    shape = [(sorted(line["metric"].items()), line["timestamps"], line["values"]) for line in lines]
    return sorted(
        (labels, times, [v if isinstance(v, str) else float(v) for v in values]) for labels, times, values in shape
    )


def flat(found: dict[str, dict[str, list[Any]]]) -> dict[tuple[str, str, float], float]:
    return {
        (query, labels, time): float(value)
        for query, each in found.items()
        for labels, points in each.items()
        for time, value in points
    }


def test_victoriametrics_exports_what_it_imports(peers: Path, tmp_path: Path) -> None:
    """Its export of our export is ours line by line, but for NaN and stale markers, which it drops; and comes back."""
    counter = series(labelled("counter", host='ö"\\\n{'), [(BASE + t * 15_000, float(t * 7)) for t in range(50)])
    gauge = series(labelled("gauge", host="a"), [(BASE + t * 15_000 + t, t / 8 - 2) for t in range(50)])
    infinite = [(BASE, 1.0), (BASE + 1, np.inf), (BASE + 2, -np.inf)]
    ending = series(labelled("ends", host="a"), [*infinite, (BASE + 3, NAN), (BASE + 4, STALE)])
    kept = (counter, gauge, series(ending.labels, infinite))
    part = Wanted(matcher_sets=EVERYTHING, start=BASE, end=BASE + 60_000, rows_per_line=3)
    part_there = {"start": str(BASE / 1000), "end": str(BASE / 1000 + 60), "max_rows_per_line": "3"}
    with victoria(peers, tmp_path) as url:
        ours = b"".join(export(stored((counter, gauge, ending)), Format.JSON, WANTED))
        assert 204 == requests.post(f"{url}/api/v1/import", ours, timeout=20).status_code
        theirs = asked(url, "export")
        assert lines_of(b"".join(export(stored(kept), Format.JSON, WANTED))) == lines_of(theirs)
        part_here = b"".join(export(stored(kept), Format.JSON, part))
        assert lines_of(part_here) == lines_of(asked(url, "export", **part_there))
        assert bits(kept) == bits(parse(Format.JSON, [theirs], Reading(now=0)))
        columns = "__timestamp__:rfc3339,host,__name__,__value__"  # its quotes are JSON's, which no reader of CSV knows
        table = asked(url, "export/csv", format=columns, **{"match[]": '{host="a"}'})
        assert bits(kept[1:]) == bits(parse(Format.CSV, [table], Reading(now=0)))
        described = csvcolumns.described(DESCRIBED)
        text = f'{BASE},x,"a,b",1.5\n{BASE + 1},x,c,2\n'.encode()
        requests.post(f"{url}/api/v1/import/csv", text, params={"format": DESCRIBED}, timeout=20)
        here = bits(parse(Format.CSV, [text], Reading(now=0, columns=described)))
        there = asked(url, "export", **{"match[]": "described"})
        assert here == bits(parse(Format.JSON, [there], Reading(now=0)))


def test_prometheus_answers_queries_over_our_openmetrics_as_we_do(peers: Path, tmp_path: Path) -> None:
    """promtool makes blocks of our export, and range queries over them give what they give here."""
    source = filled(ended=False)
    page = tmp_path / "page.om"
    page.write_bytes(b"".join(export(source, Format.OPENMETRICS, WANTED)))
    command = [peers / "promtool", "tsdb", "create-blocks-from", "openmetrics", page, tmp_path / "data"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (made.returncode, made.stderr)
    queries = [query for query in QUERIES if "explicit" not in query]  # whose stale markers are NaN there
    span = {"start": str(BASE / 1000 - 60), "end": str(BASE / 1000 + 2400), "step": "13"}
    flags = ("--storage.tsdb.retention.time=100y", "--enable-feature=promql-delayed-name-removal")
    with prometheus(peers, tmp_path, {}, *flags) as real:
        theirs = {
            query: {
                str(Labels(each["metric"])): each["values"]
                for each in real.ask("query_range", query=query, **span)["data"]["result"]
            }
            for query in queries
        }
    # The peer adds up in another order, so sums may differ in their last bits.
    assert pytest.approx(flat(answers(source, queries)), rel=1e-13, abs=0, nan_ok=True) == flat(theirs)
