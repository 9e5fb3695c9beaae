"""The shipped rule packs under the real promtool, and under our own checker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKS = sorted((ROOT / "rules").glob("*.yml"))

pytestmark = pytest.mark.conformance


def run(*arguments: str | Path) -> str:
    """What a program prints; fails with it when the program does."""
    ended = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def alerts(pack: Path) -> list[str]:
    groups = yaml.safe_load(pack.read_text(encoding="utf-8"))["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.stem)
def test_promtool_finds_nothing_wrong(peers: Path, pack: Path) -> None:
    """Prometheus loads each pack as it is, lint included."""
    said = run(peers / "promtool", "check", "rules", "--lint=all", "--lint-fatal", pack)
    assert f"SUCCESS: {len(alerts(pack))} rules found" in said


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.stem)
def test_the_packs_tests_pass(peers: Path, pack: Path) -> None:
    """Every alert fires when it should, says what it should, and is silent otherwise."""
    assert "SUCCESS" in run(peers / "promtool", "test", "rules", ROOT / "tests" / "rules" / f"{pack.stem}_test.yml")


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.stem)
def test_our_own_checker_agrees(pack: Path) -> None:
    """What Prometheus loads, we load."""
    said = run(sys.executable, "-m", "tocsin", "check", "rules", pack)
    assert f"{pack}: valid: {len(alerts(pack))} rules\n" == said


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.stem)
def test_every_alert_has_a_firing_and_a_silent_test(pack: Path) -> None:
    """An alert without a test for both has none; the Watchdog alone is never silent."""
    text = (ROOT / "tests" / "rules" / f"{pack.stem}_test.yml").read_text(encoding="utf-8")
    tests = [case for test in yaml.safe_load(text)["tests"] for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in tests if case["exp_alerts"]}
    silent = {case["alertname"] for case in tests if not case["exp_alerts"]}
    assert (set(alerts(pack)), set(alerts(pack)) - {"Watchdog"}) == (firing, silent)


def test_the_stock_is_neither_thin_nor_a_flood() -> None:
    """15 to 30 alerts, each name once, each with a severity, a summary and a description."""
    groups = [group for pack in PACKS for group in yaml.safe_load(pack.read_text(encoding="utf-8"))["groups"]]
    rules = [rule for group in groups for rule in group["rules"]]
    assert 15 <= len(rules) <= 30
    assert len(rules) == len({rule["alert"] for rule in rules})
    assert {"critical", "warning", "info", "none"} == {rule["labels"]["severity"] for rule in rules}
    assert {("summary", "description")} == {tuple(rule["annotations"]) for rule in rules}


def test_every_stock_alert_is_documented() -> None:
    """docs/rules.md lists each alert with its pack."""
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \| (?:critical|warning|info|none) ", page, re.MULTILINE))
    assert {name for pack in PACKS for name in alerts(pack)} == listed
