"""A real Prometheus that is given worlds over remote write and asked many queries at once."""

from __future__ import annotations

import http.client
import json
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from common.labels import Labels
from tests.peers import prometheus
from tests.ruler.promql.oracle.answers import Answer, theirs
from tests.ruler.promql.oracle.queries import Asked
from tests.ruler.promql.oracle.world import Sample

FEATURES = "promql-delayed-name-removal,promql-experimental-functions,promql-duration-expr"
_LITERAL = 65_536
_THREADS = 2


class Peer:
    """A Peer answers queries from the samples that it has been given."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._own = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="shared-peer")

    def close(self) -> None:
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()

    def put(self, series: Mapping[Labels, Sequence[Sample]]) -> None:
        """Store samples, staleness markers among them."""
        headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        status, said = self._post("/api/v1/write", snappy(write_request(series)), headers)
        assert status == 204, said

    def ask(self, asked: Asked) -> Future[Answer]:
        """The answer to a query, when it has come."""
        return self._pool.submit(self._answer, asked)

    def _answer(self, asked: Asked) -> Answer:
        form: dict[str, str] = {"query": asked.text}
        if asked.lookback is not None:
            form["lookback_delta"] = f"{asked.lookback / 1000}"
        if asked.instant:
            path = "query"
            form["time"] = f"{asked.start / 1000:.3f}"
        else:
            path = "query_range"
            form |= {
                "start": f"{asked.start / 1000:.3f}",
                "end": f"{asked.end / 1000:.3f}",
                "step": f"{asked.step / 1000:.3f}",
            }
        return theirs(self.document(path, form)[1])

    def document(self, path: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """The status and the answer of the API at `path`."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, body = self._post(f"/api/v1/{path}", urlencode(form).encode(), headers)
        return status, json.loads(body)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(self._address, timeout=60)
            self._connections.append(connection)
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()


@contextmanager
def peer(peers: Path, folder: Path) -> Iterator[Peer]:
    """A Prometheus that knows all that this one can know; its blocks are as long as time."""
    flags = (
        f"--enable-feature={FEATURES}",
        "--web.enable-remote-write-receiver",
        "--storage.tsdb.min-block-duration=36500d",
        "--storage.tsdb.max-block-duration=36500d",
        "--storage.tsdb.retention.time=36500d",
    )
    with prometheus(peers, folder, {}, *flags) as running:
        asked = Peer(running.url)
        try:
            yield asked
        finally:
            asked.close()


def write_request(series: Mapping[Labels, Sequence[Sample]]) -> bytes:
    """A prometheus.WriteRequest."""
    return b"".join(_field(1, _time_series(labels, samples)) for labels, samples in series.items())


def _time_series(labels: Labels, samples: Sequence[Sample]) -> bytes:
    named = [_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels.items()]
    valued = [_field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time)) for time, value in samples]
    return b"".join((*named, *valued))


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


def snappy(content: bytes) -> bytes:
    """A snappy block that compresses nothing."""
    parts = [_varint(len(content))]
    for start in range(0, len(content), _LITERAL):
        part = content[start : start + _LITERAL]
        parts += [b"\xf4", (len(part) - 1).to_bytes(2, "little"), part]
    return b"".join(parts)
