"""Negotiation: what a job asks for, and what it takes an answer for, beside the real Prometheus."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from common.errors import ScrapeError
from ruler.scrape.http.media import Format, format_of, negotiation_of, status_text
from tests.peers import prometheus
from tests.ruler.scrape.world import jobs_of
from tests.waiting import until

PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
FORMATS = {
    "text/plain": Format.TEXT_0_0_4,
    "text/plain; version=0.0.4; charset=utf-8; escaping=values": Format.TEXT_0_0_4,
    "Text/Plain;version=1.0.0;escaping=allow-utf-8": Format.TEXT_1_0_0,
    "text/plain; version=7": Format.TEXT_0_0_4,
    'text/plain; version="1.0.0"': Format.TEXT_1_0_0,
    "application/openmetrics-text": Format.OPENMETRICS_0_0_1,
    "application/openmetrics-text; version=1.0.0; charset=utf-8": Format.OPENMETRICS_1_0_0,
    "application/openmetrics-text;charset=utf-8;version=0.0.1": Format.OPENMETRICS_0_0_1,
    "text/plain;": Format.TEXT_0_0_4,
    "text/plain ; charset=utf-8": Format.TEXT_0_0_4,
    PROTOBUF: Format.PROTOBUF,
}
REFUSED = {
    "": "blank Content-Type",
    "text/html": "received unsupported Content-Type",
    "application/json; charset=utf-8": "received unsupported Content-Type",
    "text": "received unsupported Content-Type",
    "text/plain; charset": "cannot parse Content-Type",
    "text/plain; =x": "cannot parse Content-Type",
    "text/plain/x": "cannot parse Content-Type",
    "text/plain, text/plain": "cannot parse Content-Type",
    ";": "cannot parse Content-Type",
    'text/plain; version="1': "cannot parse Content-Type",
}
JOBS: tuple[dict[str, Any], ...] = (
    {},
    {"enable_compression": False},
    {"scrape_protocols": ["PrometheusText0.0.4"]},
    {"scrape_protocols": ["PrometheusProto", "PrometheusText1.0.0", "OpenMetricsText0.0.1"]},
    {
        "scrape_protocols": ["OpenMetricsText1.0.0"],
        "metric_name_validation_scheme": "legacy",
        "metric_name_escaping_scheme": "underscores",
    },
    {"scrape_protocols": ["PrometheusText1.0.0"], "metric_name_escaping_scheme": "dots"},
)


@pytest.mark.parametrize(("said", "format_"), FORMATS.items())
def test_a_content_type_stands_for_a_format(said: str, format_: Format) -> None:
    """Case, order and white space of a media type count for nothing, and a fallback not where it is known."""
    assert format_ is format_of(said.encode(), Format.PROTOBUF)


@pytest.mark.parametrize(("said", "problem"), REFUSED.items())
def test_an_unknown_content_type_fails_unless_there_is_a_fallback(said: str, problem: str) -> None:
    """As in Prometheus 3, nothing is guessed; the error tells the key that would help."""
    with pytest.raises(ScrapeError, match=problem) as caught:
        format_of(said.encode())
    assert "no fallback_scrape_protocol" in str(caught.value)
    assert Format.OPENMETRICS_1_0_0 is format_of(said.encode(), Format.OPENMETRICS_1_0_0)


def test_what_a_status_is_called() -> None:
    """Statuses without a name are told by their number."""
    assert ["404 Not Found", "799"] == [status_text(status) for status in (404, 799)]


@contextmanager
def exporter() -> Iterator[tuple[int, dict[str, dict[str, str]]]]:
    """A server that answers with the content type of the path's number, and keeps the last headers of each path."""
    types = [*FORMATS, *REFUSED]
    asked: dict[str, dict[str, str]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] = dict(self.headers.items())
            number = self.path.rpartition("/")[2]
            said = types[int(number)] if number.isdigit() else "text/plain"
            body = b"" if said == PROTOBUF else b"a 1\n# EOF\n"
            self.send_response_only(200)
            if said:
                self.send_header("Content-Type", said)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library's name)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()
            thread.join()


def test_prometheus_asks_for_the_same_and_takes_the_same(peers: Path, tmp_path: Path) -> None:
    """Accept and Accept-Encoding (but for zstd) are the real one's, and so is the verdict on every Content-Type."""
    types = [*FORMATS, *REFUSED]
    with exporter() as (port, asked):
        targets = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"__metrics_path__": f"/{n}"}} for n in range(len(types))
        ]
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {"job_name": "types", "static_configs": targets},
                *(
                    {
                        "job_name": f"job{number}",
                        "metrics_path": f"/job{number}",
                        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                        **extra,
                    }
                    for number, extra in enumerate(JOBS)
                ),
            ],
        }
        wanted = len(types) + len(JOBS)
        with prometheus(peers, tmp_path, config) as real:

            def seen() -> list[dict[str, object]]:
                active = real.ask("targets")["data"]["activeTargets"]
                return active if sum(each["health"] != "unknown" for each in active) == wanted else []

            active = until("all are scraped", seen)
        taken = {
            types[int(number)]: each["health"] == "up"
            for each in active
            if (number := str(each["scrapeUrl"]).rpartition("/")[2]).isdigit()
        }
        assert {said: said in FORMATS for said in types} == taken
        for place, extra in enumerate(JOBS):
            ours, theirs = negotiation_of(jobs_of(json.dumps([{"job_name": "j", **extra}]))[0]), asked[f"/job{place}"]
            assert theirs["Accept"] == ours.accept
            assert theirs["Accept-Encoding"] == ours.encodings.replace(", zstd", "")
