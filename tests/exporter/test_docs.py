"""docs/exporter.md has every flag, collector and family."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from exporter.cli import exporter
from exporter.collectors import ALL
from tests.exporter.child import ROOT
from tests.exporter.pages import read

DOCS = (ROOT / "docs/exporter.md").read_text(encoding="utf-8")
GOLDEN = Path(__file__).parent / "golden/metrics.prom"
BY_PATTERN = re.compile(r"node_(hwmon|memory|network)_|backup_")  # described by element, field and direction


@pytest.mark.parametrize("option", [option for option in exporter.params if isinstance(option, click.Option)])
def test_flags_are_documented(option: click.Option) -> None:
    """Every flag is in the page, switches of collectors by their pattern."""
    for name in option.opts:
        switch = name.removeprefix("--collector.") in {collector.name for collector in ALL}
        assert switch or f"`{name}`" in DOCS


@pytest.mark.parametrize("collector", [collector.name for collector in ALL])
def test_collectors_are_documented(collector: str) -> None:
    """Every collector has its rows in the table."""
    assert f"| {collector} | " in DOCS


def test_families_are_documented() -> None:
    """Every family of the golden page is in the table; the many of sensors, memory and devices by their pattern."""
    families = {name for name in read(GOLDEN.read_bytes()).types if not BY_PATTERN.match(name)}
    assert set() == {name for name in families if f"`{name}`" not in DOCS}
