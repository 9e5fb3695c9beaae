"""The operator's files become one checked Config, or an error that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.durations import DAY, HOUR, MINUTE
from common.errors import ConfigError
from common.labels import Labels
from ruler.config import load


def written(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_prometheus_own_example_loads(testdata: Path) -> None:
    """The file that Prometheus ships is read unmodified; what has no effect yet is one warning."""
    config = load(testdata / "prometheus/documentation/examples/prometheus.yml")
    assert ["prometheus"] == [job.job_name for job in config.scrape_configs]
    assert 15_000 == config.evaluation_interval
    assert (
        "native histograms are not supported yet; without effect: scrape_configs[0].scrape_native_histograms",
    ) == config.warnings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("remote_write: []", "prometheus.yml:1: remote_write: unknown key 'remote_write'"),
        (
            "scrape_configs:\n- job_name: x\n  kubernetes_sd_configs: []",
            "prometheus.yml:3: scrape_configs[0].kubernetes_sd_configs: unknown key 'kubernetes_sd_configs'",
        ),
        (
            "global: {scrape_interval: 5x}",
            (
                "prometheus.yml:1: global.scrape_interval: "
                "not a valid duration string: '5x' (write it like 30s, 5m or 1h30m)"
            ),
        ),
        (
            "alerting:\n  alertmanagers:\n  - static_configs: [{targets: ['a:9093']}]",
            (
                "prometheus.yml:3: alerting.alertmanagers[0]: alerts cannot be sent to an Alertmanager yet: "
                "the ruler notifies itself (see notify in tocsin.yml)"
            ),
        ),
        (
            "rule_files: ['*/a/*.yml']",
            "prometheus.yml:1: rule_files[0]: only the last part of a path may have a *: '*/a/*.yml'",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    """No key is ever ignored: file, line, path and what is wrong."""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "prometheus.yml", text))
    assert f"{tmp_path}/{message}" == str(caught.value)


def test_rule_files_are_found_beside_the_config(tmp_path: Path) -> None:
    """Patterns are relative to the config; a plain name that is missing is a warning."""
    (tmp_path / "rules").mkdir()
    written(tmp_path / "rules", "a.yml", "groups: [{name: g, rules: [{record: x, expr: vector(1)}]}]")
    config = load(written(tmp_path, "prometheus.yml", "rule_files: ['rules/*.yml', rules/a.yml, none.yml]"))
    assert ["g"] == [group.name for group in config.groups]
    assert (f"{tmp_path}/prometheus.yml:1: rule_files[2]: no such rule file: 'none.yml'",) == config.warnings


def test_a_bad_rule_file_is_named_with_its_line(tmp_path: Path) -> None:
    """The error is that of the rule file, not of the config that names it."""
    written(tmp_path, "r.yml", "groups:\n- name: g\n  rules:\n  - record: x\n    expr: sum(")
    with pytest.raises(ConfigError, match=r"r\.yml:5: .*parse error"):
        load(written(tmp_path, "prometheus.yml", "rule_files: [r.yml]"))


def test_external_labels_take_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """${VAR} and $VAR are filled in, in external labels alone, as Prometheus does."""
    monkeypatch.setenv("SITE", "attic")
    text = "global: {external_labels: {site: '${SITE}', price: '$$5', gone: '${NO_SUCH_VARIABLE}'}}"
    assert Labels({"site": "attic", "price": "$5"}) == load(written(tmp_path, "p.yml", text)).external_labels


def test_without_tocsin_yml_alerts_go_to_the_log(tmp_path: Path) -> None:
    """The default receiver writes log lines; a URL from outside takes its place."""
    prometheus = written(tmp_path, "p.yml", "")
    notify = load(prometheus).notify
    assert [("default", ["log"])] == [
        (each.name, [destination.transport.integration for destination in each.destinations])
        for each in notify.receivers
    ]
    notify = load(prometheus, notify_url="json://me:hunter2@127.0.0.1/").notify
    [destination] = notify.receivers[0].destinations
    assert ("json://<secret>", False) == (destination.shown, "hunter2" in repr(notify))


def test_notify_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """notify_file names an alertmanager.yml; both at once are refused."""
    prometheus = written(tmp_path, "p.yml", "")
    written(tmp_path, "am.yml", "route: {receiver: ops}\nreceivers: [{name: ops}]")
    assert "ops" == load(prometheus, written(tmp_path, "t.yml", "notify_file: am.yml")).notify.routes.receiver
    with pytest.raises(ConfigError, match=r"t\.yml:2: notify_file: at most one of notify and notify_file"):
        load(prometheus, written(tmp_path, "t.yml", "notify: {}\nnotify_file: am.yml"))


def test_storage_is_read_from_both_files(tmp_path: Path) -> None:
    """Retention is Prometheus's, archives are ours; a bad selector is the error of tocsin.yml."""
    text = "storage: {tsdb: {out_of_order_time_window: 30m, retention: {time: 30d, size: 10GB}}}"
    prometheus = written(tmp_path, "p.yml", text)
    ours = written(tmp_path, "t.yml", "archives: [{match: ['{job=\"node\"}'], raw: 15d, 5m: 90d, 1h: 2y}]")
    storage = load(prometheus, ours).storage
    assert (30 * DAY, 10 << 30, 30 * MINUTE) == (storage.time, storage.size, storage.out_of_order_time_window)
    assert [(5 * MINUTE, 90 * DAY), (HOUR, 730 * DAY)] == list(storage.archives[0].resolutions)
    with pytest.raises(ConfigError) as caught:
        load(prometheus, written(tmp_path, "t.yml", "archives:\n- {match: ['{job'], raw: 15d}"))
    assert f"{tmp_path}/t.yml:2: archives[0].match[0]: not a selector: '{{job'" in str(caught.value)


def test_the_config_is_shown_without_its_secrets(tmp_path: Path) -> None:
    """Passwords are hidden, defaults left out, durations written as people write them."""
    text = "scrape_configs: [{job_name: x, scrape_interval: 90s, basic_auth: {username: u, password: hunter2}}]"
    assert (
        "scrape_configs:\n- job_name: x\n  scrape_interval: 1m30s\n"
        "  basic_auth:\n    username: u\n    password: <secret>\n"
    ) == load(written(tmp_path, "p.yml", text)).yaml


def test_a_missing_certificate_is_found_by_the_check(tmp_path: Path) -> None:
    """Not when the first target is scraped."""
    text = "scrape_configs:\n- job_name: x\n  tls_config: {ca_file: none.pem}"
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "p.yml", text))
    assert f"{tmp_path}/p.yml:3: scrape_configs[0].tls_config: no such file: '{tmp_path}/none.pem'" == str(caught.value)
