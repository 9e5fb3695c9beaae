"""Asking a program over HTTP as cheaply as Python can, over one connection and without compression, and comparing what
several answer.
"""

from __future__ import annotations

import http.client
import time
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson

from tests.bench.programs import VICTORIA, Program

TOLERANCE = 1e-9
Answer = dict[tuple[tuple[str, str], ...], list[tuple[float, float]]]


class RefusedError(Exception):
    """A program that answers with an error what the others answer."""


class Asker:
    """An Asker is a connection to a program that is kept; VictoriaMetrics is told to use no cache of results."""

    def __init__(self, server: Program) -> None:
        self.server = server
        self._connection = http.client.HTTPConnection(server.address, timeout=300)
        self._extra = {"nocache": "1"} if server.name == VICTORIA else {}

    def ask(self, path: str, values: dict[str, str]) -> tuple[float, bytes]:
        """How long the answer took (ms), and its body."""
        target = f"/api/v1/{path}?{urlencode({**values, **self._extra})}"
        began = time.perf_counter()
        self._connection.request("GET", target)
        response = self._connection.getresponse()
        body = response.read()
        took = (time.perf_counter() - began) * 1000
        if response.status != http.HTTPStatus.OK:
            raise RefusedError(f"{self.server.name}: {values['query']}: {response.status} {body[:300]!r}")
        return took, body

    def close(self) -> None:
        self._connection.close()


def answer(body: bytes) -> Answer:
    """The points of each series."""
    found: Answer = {}
    for series in orjson.loads(body)["data"]["result"]:
        found[tuple(sorted(series["metric"].items()))] = [(at, float(value)) for at, value in _points(series)]
    return found


def _points(series: dict[str, Any]) -> list[tuple[float, str]]:
    return series["values"] if "values" in series else [series["value"]]


def difference(ours: Answer, theirs: Answer) -> str:
    """What is not the same in two answers; empty when all is, values to a billionth part."""
    if ours.keys() != theirs.keys():
        odd = sorted(ours.keys() ^ theirs.keys())
        return f"{len(ours)} and {len(theirs)} series, only one has {dict(odd[0])}"
    for labels, points in ours.items():
        one, other = np.array(points), np.array(theirs[labels])
        if one.shape != other.shape or not np.allclose(one, other, rtol=TOLERANCE, atol=0, equal_nan=True):
            return f"{dict(labels)}: {points[:3]} … and {theirs[labels][:3]} …"
    return ""
