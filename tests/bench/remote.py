"""Writing samples of the past into a real Prometheus, as its remote-write receiver takes them: protobuf in snappy.

The messages are made of arrays: every sample of these years takes the same 18 bytes, only numbers and times differ.
Snappy is used without compressing: one literal.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
SAMPLE_SIZE = 18  # field 2 of a series: tag, length 16 | field 1: tag, double | field 2: tag, varint of 6 bytes


class RemoteWriter:
    """A RemoteWriter sends to one receiver over one connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=120)

    def write(self, series: Sequence[bytes], times: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> None:
        """Send `values` [series × samples] at `times` (ms), for series given as `encoded_labels`."""
        self.send(encoded(series, times, values))

    def send(self, body: bytes) -> None:
        """Send what `encoded` made."""
        self._connection.request("POST", "/api/v1/write", body, HEADERS)
        response = self._connection.getresponse()
        problem = response.read()
        if response.status // 100 != 2:
            raise RuntimeError(f"remote write: refused: {response.status} {problem!r}")

    def close(self) -> None:
        self._connection.close()


def encoded_labels(labels: Mapping[str, str]) -> bytes:
    """The labels of a series, as its message begins."""
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels.items())
    )


def encoded(series: Sequence[bytes], times: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> bytes:
    """The body of a request: `values` [series × samples] at `times` (ms), for series given as `encoded_labels`."""
    samples = np.empty((*values.shape, SAMPLE_SIZE), dtype=np.uint8)
    samples[:, :, :3] = (0x12, SAMPLE_SIZE - 2, 0x09)
    samples[:, :, 3:11] = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)
    samples[:, :, 11] = 0x10
    for place in range(6):
        more = 0x80 if place < 5 else 0
        samples[:, :, 12 + place] = (times >> (7 * place)) & 0x7F | more
    message = b"".join(
        [
            _field(1, labels + row.tobytes())
            for labels, row in zip(series, samples.reshape(len(series), -1), strict=True)
        ]
    )
    return _in_snappy(message)


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _in_snappy(content: bytes) -> bytes:
    return _varint(len(content)) + b"\xfc" + (len(content) - 1).to_bytes(4, "little") + content
