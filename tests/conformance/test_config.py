"""Prometheus's own good and bad configurations: the good ones load, the bad ones are refused for their reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from common.config import load_yaml
from common.errors import ConfigError
from ruler.prometheus import BLOCKS, Reading, read_prometheus
from ruler.scrape.config import StaticGroup
from ruler.scrape.leftout import DISCOVERIES
from ruler.tsdb.config import build_storage

pytestmark = pytest.mark.conformance

FOLDER = "prometheus/config/testdata"
LEFT_OUT = {*DISCOVERIES, *BLOCKS, "alerting"}
TARGET_GROUP = "static_config.bad.yml"  # a file of file_sd_configs, not a prometheus.yml
INCLUDES_LEFT_OUT = {"scrape_config_files_glob.good.yml"}
UNMARKED_BAD = {
    "config_with_deprecated_am_api_config.yml",
    "otlp_allow_utf8.incompatible.yml",
    "otlp_no_translation.incompatible.yml",
}

ONLY_REGEX = r"relabel_configs\[0\]: {} action requires only 'regex', and no other fields"
NO_TARGET = r"relabel_configs\[0\]: relabel configuration for {} action requires 'target_label' value"
TWO_TOKENS = "bearer_token_file: at most one of bearer_token & bearer_token_file must be configured"
JOB_TWICE = r"scrape_config_files.good.yml:\d+: .*job_name: found multiple scrape configs with job name 'prometheus'"
REASONS = {
    "bearertoken.bad.yml": TWO_TOKENS,
    "bearertoken_basicauth.bad.yml": "bearer_token: at most one of basic_auth, oauth2, bearer_token &",
    "dropequal.bad.yml": NO_TARGET.format("dropequal"),
    "dropequal1.bad.yml": r"relabel_configs\[0\]: dropequal action requires only 'source_labels' and `target_label`",
    "empty_metric_relabel_config.bad.yml": r"metric_relabel_configs\[0\]: empty or null",
    "empty_scrape_config.bad.yml": r"scrape_configs\[0\]: empty or null",
    "empty_scrape_config_action.bad.yml": r"relabel_configs\[0\].action: unknown word ''",
    "empty_static_config.bad.yml": r"static_configs\[0\]: empty or null",
    "empty_target_relabel_config.bad.yml": r"\.relabel_configs\[0\]: empty or null",
    "http_token_file.bad.yml": r"http_sd_configs\[0\]." + TWO_TOKENS,
    "http_url_bad_scheme.bad.yml": r"http_sd_configs\[0\].url: URL scheme must be 'http' or 'https': 'ftp:",
    "http_url_no_host.bad.yml": r"http_sd_configs\[0\].url: host is missing in URL: 'http://'",
    "http_url_no_scheme.bad.yml": r"http_sd_configs\[0\].url: URL scheme must be 'http' or 'https': 'invalid'",
    "jobname.bad.yml": r"scrape_configs\[0\].job_name: job_name is empty",
    "jobname_dup.bad.yml": "job_name: found multiple scrape configs with job name 'prometheus'",
    "keepequal.bad.yml": NO_TARGET.format("keepequal"),
    "keepequal1.bad.yml": r"relabel_configs\[0\]: keepequal action requires only 'source_labels' and `target_label`",
    **{f"labeldrop{number}.bad.yml": ONLY_REGEX.format("labeldrop") for number in ("", 2, 3, 4, 5)},
    **{f"labelkeep{number}.bad.yml": ONLY_REGEX.format("labelkeep") for number in ("", 2, 3, 4, 5)},
    "labelmap.bad.yml": "replacement: !!binary with invalid base64 data",
    "labelname.bad.yml": "global.external_labels: not UTF-8 text",
    "labelvalue.bad.yml": "global.external_labels.name: not UTF-8 text",
    "lowercase.bad.yml": NO_TARGET.format("lowercase"),
    "lowercase3.bad.yml": "'replacement' can not be set for lowercase action",
    "metric_name_validation_scheme.bad.yml": "metric_name_validation_scheme: unknown word",
    "modulus_missing.bad.yml": "relabel configuration for hashmod requires non-zero modulus",
    "regex.bad.yml": "regex: error parsing regexp: missing closing",
    "rules.bad.yml": r"rule_files\[1\]: only the last part of a path may have a \*: 'my/\*/rule'",
    "scrape_body_size_limit.bad.yml": "body_size_limit: not a size: '100'",
    "scrape_config_files.bad.yml": "scrape_timeout: scrape timeout greater than scrape interval",
    "scrape_config_files_double_import.bad.yml": JOB_TWICE,
    "scrape_config_files_duplicate.bad.yml": JOB_TWICE,
    "scrape_config_files_fallback_scrape_protocol1.bad.yml": "fallback_scrape_protocol: unknown word 'prometheusproto'",
    "scrape_config_files_fallback_scrape_protocol2.bad.yml": "fallback_scrape_protocol: not a text",
    "scrape_config_files_glob.bad.yml": r"scrape_config_files\[0\]: only the last part of a path may have a \*",
    "scrape_config_files_global.bad.yml": r"scrape_config_files.bad.yml:\d+: .*scrape_timeout: scrape timeout greater",
    "scrape_config_files_global_duplicate.bad.yml": JOB_TWICE,
    "scrape_config_files_scrape_protocols.bad.yml": r"scrape_protocols\[0\]: unknown word 'prometheusproto'",
    "scrape_config_files_scrape_protocols2.bad.yml": "scrape_protocols: duplicated protocol in scrape_protocols",
    "scrape_config_utf8_conflicting.bad.yml": "utf8 metric names requested but validation scheme is not set to UTF8",
    "scrape_interval.bad.yml": "scrape_timeout: scrape timeout greater than scrape interval",
    "section_key_dup.bad.yml": "key given twice: 'scrape_configs'",
    TARGET_GROUP: "labels: not UTF-8 text",
    "target_label_hashmod_missing.bad.yml": NO_TARGET.format("hashmod"),
    "target_label_missing.bad.yml": NO_TARGET.format("replace"),
    "tsdb_chunk_encoding_floats.bad.yml": "storage.tsdb.chunk_encoding.floats: must be xor or xor2",
    "tsdb_chunk_encoding_floats_wrong_case.bad.yml": "storage.tsdb.chunk_encoding.floats: must be xor or xor2: 'XOR'",
    "tsdb_chunk_encoding_floats_wrong_case_xor2.bad.yml": "storage.tsdb.chunk_encoding.floats: .*: 'XOR2'",
    "tsdb_retention_percentage.bad.yml": "storage.tsdb.retention.percentage: must be between 0 and 100",
    "tsdb_retention_percentage_negative.bad.yml": "storage.tsdb.retention.percentage: must be between 0 and 100: -",
    "tsdb_retention_size.bad.yml": "storage.tsdb.retention.size: not a size",
    "tsdb_retention_time.bad.yml": "storage.tsdb.retention.time: not a valid duration string: '-1h'",
    "unknown_attr.bad.yml": "unknown key 'consult_sd_configs'",
    "unknown_global_attr.bad.yml": "global.nonexistent_field: unknown key 'nonexistent_field'",
    "uppercase.bad.yml": NO_TARGET.format("uppercase"),
    "uppercase3.bad.yml": "'replacement' can not be set for uppercase action",
    "url_in_targetgroup.bad.yml": r"static_configs\[0\].targets\[0\]: 'http://bad' is not a valid hostname",
}


def refusal(path: Path, *, lenient: bool = False) -> str:
    """Why we refuse a file, or nothing."""
    try:
        if path.name == TARGET_GROUP:
            load_yaml(path).decode(StaticGroup)
        else:
            prometheus = read_prometheus(path, Reading(lenient=lenient))
            build_storage(prometheus.settings.storage, prometheus.document, ())
    except ConfigError as error:
        return str(error)
    return ""


def left_out(path: Path) -> set[str]:
    """What a file asks for that is left out here, by its keys."""
    keys = set(re.findall(r"^[ -]*(\w+):", path.read_text(encoding="utf-8"), re.MULTILINE))
    return keys & LEFT_OUT or ({"vultr_sd_configs"} if path.name in INCLUDES_LEFT_OUT else set())


def disagreement(path: Path) -> str:
    """What is wrong about our judgement of a file, or nothing."""
    reason, missing = refusal(path), left_out(path)
    bad = ".bad." in path.name or path.name in UNMARKED_BAD
    if missing:
        if not any(f"{key}" in reason for key in missing):
            return f"not refused for {missing}: {reason}"
        return "" if bad else refusal(path, lenient=True)
    if bad:
        return "" if re.search(REASONS[path.name], reason) else f"refused for another reason: {reason or 'not at all'}"
    return reason


def test_prometheus_own_files_are_judged_as_there(testdata: Path) -> None:
    """Good files load, with leave also those that ask for what is left out; bad ones are refused for their reason."""
    files = sorted((testdata / FOLDER).glob("*.yml"))
    apart = [path for path in files if left_out(path)]
    differing = {path.name: problem for path in files if (problem := disagreement(path))}
    agreed = len(files) - len(differing)
    print(f"{agreed} of {len(files)} configurations judged alike, {len(apart)} of them ask for what is left out")
    assert {} == differing
    assert len(files) >= 215
    assert len(files) - len(apart) >= 103


def test_every_reason_is_of_a_file(testdata: Path) -> None:
    """The table has no reason for a file that there is not."""
    assert set() == REASONS.keys() - {path.name for path in (testdata / FOLDER).glob("*.yml")}
