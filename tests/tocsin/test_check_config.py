"""`tocsin check config`: promtool's verdicts and exit codes, in our words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tocsin.check import check

FOLDER = "prometheus/cmd/promtool/testdata"
OPTIONS = (
    "",
    "--syntax-only",
    "--lint=all",
    "--lint=all --lint-fatal",
    "--lint=none --lint-fatal",
    "--lint=x --lint-fatal",
)
FILES = (
    "authorization_credentials_file.bad.yml",
    "authorization_credentials_file.good.yml",
    "config_with_rule_files.yml",
    "config_with_tls_files.yml",
    "prometheus-config.bad.yml",
    "prometheus-config.good.yml",
    "prometheus-config.lint.too_long_scrape_interval.yml",
    "prometheus-config.lint.yml",
    "url_in_scrape_targetgroup_with_relabel_config.bad.yml",
    "url_in_scrape_targetgroup_with_relabel_config.good.yml",
)


def checked(*arguments: str | Path) -> Result:
    return CliRunner().invoke(check, ["config", *map(str, arguments)])


@pytest.mark.parametrize("name", FILES)
def test_promtool_exits_alike(testdata: Path, peers: Path, name: str) -> None:
    """Each of promtool's own files gives its exit status, with each way to ask."""
    path = testdata / FOLDER / name
    for options in OPTIONS:
        arguments = [*options.split(), path]
        theirs = subprocess.run([peers / "promtool", "check", "config", *arguments], capture_output=True, check=False)
        assert (options, theirs.returncode) == (options, checked(*arguments).exit_code)


def test_what_is_left_out_needs_leave(testdata: Path) -> None:
    """A cloud's discovery is refused, and warned of with --config.lenient; a missing discovery file is a warning."""
    path = testdata / FOLDER / "prometheus-aws-sd-empty-region.good.yml"
    assert 1 == checked(path).exit_code
    lenient = checked("--config.lenient", path)
    assert (0, 6) == (lenient.exit_code, lenient.stderr.count("is left out: list its targets over HTTP"))
    missing = checked("--config.lenient", testdata / FOLDER / "config_with_service_discovery_files.yml")
    assert 0 == missing.exit_code
    assert "warning: job 'prometheus': no such discovery file" in missing.stderr


def test_agent_mode_has_no_rules_and_no_alerts(testdata: Path) -> None:
    """--agent refuses what Prometheus refuses there, and takes remote_write."""
    files = sorted((testdata / "prometheus/config/testdata").glob("agent_mode.*.yml"))
    refused = {path.name for path in files if checked("--agent", path).exit_code}
    without = ("alert_manager", "alert_relabels", "remote_reads", "rule_files")
    assert {f"agent_mode.with_{each}.yml" for each in without} == refused


def test_every_file_is_looked_at(tmp_path: Path) -> None:
    """One bad file among good ones is told, the others are counted, and the exit status is 1."""
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text("scrape_configs: [{job_name: a, basic_auth: {password_file: none}}]", encoding="utf-8")
    bad.write_text("scrape_configs: [{job_name: a}, {job_name: a}]", encoding="utf-8")
    result = checked(bad, good)
    assert (1, f"{good}: valid: 1 scrape configs, 0 rule groups, 0 rules\n") == (result.exit_code, result.stdout)
    twice = f"{bad}:1: scrape_configs[1].job_name: found multiple scrape configs with job name 'a'"
    gone = f"{good}:1: scrape_configs[0].basic_auth.password_file: no such file: '{tmp_path}/none'"
    assert f"Error: {twice}\nwarning: {gone}\n" == result.stderr


def test_bad_discovery_files_are_mistakes(tmp_path: Path) -> None:
    """A discovery file that cannot be read, or lists what cannot be scraped, is told with its job."""
    config = tmp_path / "p.yml"
    config.write_text("scrape_configs: [{job_name: a, file_sd_configs: [{files: ['*.json']}]}]", encoding="utf-8")
    (tmp_path / "a.json").write_text('[{"targets": ["http://x"]}]', encoding="utf-8")
    (tmp_path / "b.json").write_text("[{", encoding="utf-8")
    result = checked(config)
    assert (1, ["a.json: 'http://x' is not a valid hostname", "b.json"]) == (
        result.exit_code,
        [
            line.removeprefix(f"Error: job 'a': {tmp_path}/").partition(" (write")[0].partition(": input")[0]
            for line in result.stderr.splitlines()
        ],
    )
    assert 0 == checked("--syntax-only", config).exit_code


def test_unknown_keys_of_rules_can_be_ignored(testdata: Path, tmp_path: Path) -> None:
    """--ignore-unknown-fields is for rule files alone."""
    rules = testdata / FOLDER / "rules_extrafields.yml"
    config = tmp_path / "p.yml"
    config.write_text(f"rule_files: ['{rules}']", encoding="utf-8")
    assert [1, 0] == [checked(*flags, config).exit_code for flags in ((), ("--ignore-unknown-fields",))]
    config.write_text("extra: 1", encoding="utf-8")
    assert 1 == checked("--ignore-unknown-fields", config).exit_code
