"""Whatever stands in a prometheus.yml, it is read or refused: with a place, and never in another way."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ConfigError
from ruler.prometheus import Prometheus, Reading, read_prometheus

WHOLE = """
global: {scrape_interval: 15s, external_labels: {a: b}, scrape_protocols: [PrometheusText0.0.4], body_size_limit: 1MB}
runtime: {gogc: 5}
rule_files: [a/*.yml]
scrape_config_files: [b/*.yml]
alerting: {alertmanagers: [{static_configs: [{targets: []}]}]}
storage: {tsdb: {retention: {time: 1d, size: 1GB}, out_of_order_time_window: 5m}}
scrape_configs:
- job_name: a
  params: {module: [x]}
  basic_auth: {username: u, password: p}
  tls_config: {ca_file: c, min_version: TLS12}
  http_headers: {x: {values: [a], secrets: [b], files: [c]}}
  relabel_configs: [{source_labels: [a], regex: b, action: keep}]
  static_configs: [{targets: ['x:1'], labels: {a: b}}]
- job_name: b
  oauth2: {client_id: a, token_url: 'http://x', scopes: [y]}
  file_sd_configs: [{files: [a.json]}]
  http_sd_configs: [{url: 'http://x', proxy_url: 'http://y'}]
  dns_sd_configs: [{names: [a], type: A, port: 9}]
  docker_sd_configs: [{host: 'unix:///x', filters: [{name: a, values: [b]}]}]
  consul_sd_configs: [{server: x}]
"""
ODD = st.sampled_from([None, "", "x", "${NONE}", "5s", "-1", True, [], {}, [None], [[]], [{}], {"x": None}, {"": {}}])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a document."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, held in below for place in places(held, (*path, step)))]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), lenient=st.booleans(), expand=st.booleans())
def test_any_document_is_read_or_refused(
    tmp_path_factory: Any, data: st.DataObject, lenient: bool, expand: bool
) -> None:
    """A config with anything anywhere gives its jobs, or an error that names the file."""
    document = yaml.safe_load(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(document)[1:] or [("x",)]))
        place = document
        for step in way:
            place = place[step]
        place[last] = copy.deepcopy(data.draw(ODD))
    path = Path(tmp_path_factory.getbasetemp()) / "prometheus.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    outcome = outcome_of(path, Reading(lenient=lenient, expand=expand))
    if isinstance(outcome, ConfigError):
        assert str(outcome).startswith(f"{path}:")
    else:
        assert all(job.interval > 0 and job.timeout > 0 and job.body_cap > 0 for job in outcome.jobs)


def outcome_of(path: Path, reading: Reading) -> Prometheus | ConfigError:
    try:
        return read_prometheus(path, reading)
    except ConfigError as error:
        return error
