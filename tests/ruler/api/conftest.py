"""A whole ruler in memory on a clock that stands still, with samples written by hand; asked through its HTTP app."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from common.clock import ManualClock
from common.labels import Labels
from ruler.app import Ruler
from ruler.settings import RulerSettings
from tests.asgi import AsgiClient

NOW = 1_700_000_000_000

CONFIG = """\
global:
  scrape_interval: 15s
  external_labels: {site: here}
rule_files: [rules.yml]
scrape_configs:
  - job_name: quiet
    basic_auth: {username: me, password: hunter2}
    static_configs: [{targets: ["127.0.0.1:1"], labels: {env: test}}]
    relabel_configs: [{source_labels: [__address__], regex: dropped.*, action: drop}]
"""

RULES = """\
groups:
  - name: g
    interval: 30s
    rules:
      - alert: Many
        expr: things > 1
        for: 5m
        labels: {severity: warning}
        annotations: {summary: "{{ $value }} things"}
      - record: things:sum
        expr: sum(things)
"""


@dataclass(frozen=True)
class World:
    """A ruler, its clock, and two clients: of its Flask app, and of all that it answers over HTTP."""

    ruler: Ruler
    clock: ManualClock
    client: FlaskClient
    http: AsgiClient
    directory: Path

    def write(self, labels: dict[str, str], samples: dict[int, float]) -> None:
        """Append samples {seconds before now: value} to one series."""
        database = self.ruler._db

        def append() -> None:
            stream = database.stream(str(labels), 15_000)
            ids = database.series([Labels(labels)])
            for ago, value in sorted(samples.items(), reverse=True):
                time = NOW - ago * 1000
                stream.append(time - time % 15_000, time, ids, np.array([value], dtype=np.float64))

        self.ruler._loop.call(append)

    def get(self, path: str, **parameters: Any) -> Any:
        return self.http.get(path, query_string=parameters).get_json()

    def refusal(self, path: str, **parameters: Any) -> tuple[int, str, str]:
        response = self.http.get(path, query_string=parameters)
        body = response.get_json()
        return response.status_code, body["errorType"], body["error"]


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A ruler in memory; a test may give it other settings by indirect parameters."""
    (tmp_path / "prometheus.yml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "rules.yml").write_text(RULES, encoding="utf-8")
    clock = ManualClock(NOW)
    settings = RulerSettings(
        config_file=tmp_path / "prometheus.yml",
        lifecycle=True,
        flags={"config.file": "prometheus.yml"},
        **getattr(request, "param", {}),
    )
    ruler = Ruler(settings, clock)
    ruler._apply(ruler._config)
    yield World(ruler, clock, ruler._core.front.flask.test_client(), AsgiClient(ruler.app), tmp_path)
    ruler.stop()
