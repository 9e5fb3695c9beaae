"""Rule files that people and Prometheus's own tests have: read as promtool reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from common.errors import ConfigError
from ruler.promql.flags import needed_flags
from ruler.rule.config import load_rules

pytestmark = pytest.mark.conformance

FEATURES = "features.yml"  # of which promtool takes what the flags say that it is given
PROMTOOL_FOLDERS = ("model/rulefmt/testdata", "rules/fixtures", "cmd/promtool/testdata")


def rule_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".yml", ".yaml"))


def refused(path: Path) -> str:
    """Why we refuse a rule file, or nothing."""
    try:
        load_rules(path)
    except ConfigError as error:
        return str(error)
    return ""


def test_rules_that_people_use_load(testdata: Path) -> None:
    """Every rule file of a large public collection loads."""
    files = rule_files(testdata / "awesome-prometheus-alerts/dist/rules")
    assert len(files) > 100
    assert {} == {path.name: reason for path in files if (reason := refused(path))}


@pytest.mark.parametrize("folder", PROMTOOL_FOLDERS)
def test_promtool_judges_alike(testdata: Path, peers: Path, folder: str) -> None:
    """Prometheus's own good and bad rule files are accepted and refused as promtool does."""
    files = [path for path in rule_files(testdata / "prometheus" / folder) if path.stat().st_size]
    files = [path for path in files if path.name != FEATURES]
    assert files
    differing = {}
    for path in files:
        done = subprocess.run([peers / "promtool", "check", "rules", path], capture_output=True, text=True, check=False)
        if (done.returncode != 0) != bool(reason := refused(path)):
            differing[path.name] = (done.stderr, reason)
    assert {} == differing


def test_rules_that_need_a_flag_in_prometheus_load(testdata: Path) -> None:
    """What Prometheus has behind a flag is on here; the file's rules are called by the flags that they need there."""
    (group,) = load_rules(testdata / "prometheus/cmd/promtool/testdata" / FEATURES)
    needed = {rule.name: needed_flags(rule.expr) for rule in group.rules}
    assert len(needed) == 4
    assert {name: (name,) for name in needed} == needed


def test_promtool_gives_the_same_sentences(testdata: Path, peers: Path) -> None:
    """What is wrong with a rule is said in promtool's words."""
    told = {}
    for path in rule_files(testdata / "prometheus/model/rulefmt/testdata"):
        done = subprocess.run([peers / "promtool", "check", "rules", path], capture_output=True, text=True, check=False)
        group = done.stderr.partition('group "')[2].strip().replace('\\"', '"')
        reason = refused(path).replace('\\"', '"')
        if group and group not in reason:
            told[path.name] = (group, reason)
    assert {} == told
