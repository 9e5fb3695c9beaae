"""The life of alerts against Prometheus: the same made-up history, told by promtool."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ruler.rule.street import Street

pytestmark = pytest.mark.conformance

TICKS = 24
INSTANCES = ("a", "b")

History = dict[str, list[float | None]]  # by instance: the value at each tick, None where there is nothing new


def made_up(dice: random.Random) -> History:
    """Values that stay for a while above or below the threshold, sometimes end, and sometimes are not there."""
    history: History = {}
    for instance in INSTANCES:
        values: list[float | None] = []
        while len(values) < TICKS:
            values += [dice.choice([60.0, 60.0, 61.0, 1.0, None])] * dice.randint(1, 7)
        history[instance] = values[:TICKS]
    return history


def rule_file(dice: random.Random) -> str:
    """Alerting rules over one metric that wait and hold on for differing times."""
    rules = "".join(
        f"  - alert: Hot{number}\n    expr: temperature > 50\n"
        f"    for: {dice.randint(0, 5)}m\n    keep_firing_for: {dice.choice([0, 0, 1, 3])}m\n"
        for number in range(4)
    )
    return f"groups:\n- name: g\n  interval: 1m\n  rules:\n{rules}"


def ours(street: Street, rules: str, history: History) -> Iterator[dict[str, dict[str, float]]]:
    """What the ruler shows at each tick: the series of each query, times as seconds since tick 0."""
    street.rules(rules)
    for tick in range(TICKS):
        street.at(tick)
        for instance in INSTANCES:
            if (value := history[instance][tick]) is not None:
                street.push("temperature", value, instance=instance)
            else:
                street.hold_back("temperature", instance=instance)
        street.tick()
        since = {
            labels: value - street.tick_time(0) // 1000 for labels, value in street.shows("ALERTS_FOR_STATE").items()
        }
        yield {"ALERTS": street.shows("ALERTS"), "ALERTS_FOR_STATE": since}


def promtool_test(rules: str, history: History, shown: list[dict[str, dict[str, float]]]) -> str:
    """A promtool test that expects of Prometheus what we have shown."""
    text = f"rule_files: [{rules}]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n"
    for instance, values in history.items():
        written = " ".join("_" if value is None else f"{value:g}" for value in values)
        text += f"  - series: 'temperature{{instance=\"{instance}\"}}'\n    values: '{written}'\n"
    text += "  promql_expr_test:\n"
    for tick, series in enumerate(shown):
        for query, samples in series.items():
            text += f"  - expr: {query}\n    eval_time: {tick}m\n    exp_samples:\n"
            text += "".join(f"    - labels: '{labels}'\n      value: {value:g}\n" for labels, value in samples.items())
    return text


@pytest.mark.parametrize("seed", range(6))
def test_alerts_live_as_in_prometheus(tmp_path: Path, peers: Path, seed: int) -> None:
    """Given any history, alerts are pending, firing and gone at the same ticks as in Prometheus."""
    dice = random.Random(seed)
    rules, history = rule_file(dice), made_up(dice)
    street = Street(tmp_path)
    try:
        shown = list(ours(street, rules, history))
    finally:
        street.close()
    assert any(each["ALERTS"] for each in shown)
    (tmp_path / "test.yml").write_text(promtool_test("rules.yml", history, shown))
    done = subprocess.run(
        [peers / "promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "SUCCESS" in done.stdout, done.stdout + done.stderr
