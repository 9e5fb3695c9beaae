"""The page of a fake host, whole: `UPDATE_GOLDEN=1 pytest tests/exporter/test_golden.py` writes it anew.

Left out are the collectors that read the machine itself (filesystem, time, timex, uname) and how long anything took.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.exposition import write_text
from exporter.scrape import Scraper
from exporter.settings import ExporterSettings
from tests.exporter.pages import fake_host

GOLDEN = Path(__file__).parent / "golden/metrics.prom"
OF_THE_MACHINE = ("filesystem", "time", "timex", "uname")
NOT_GOLDEN = ("node_exporter_build_info", "node_scrape_collector_duration_seconds")


def test_page_is_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a name, a label, a number or a word of the page changes unnoticed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 100}.__getitem__)
    settings = ExporterSettings(
        host=fake_host(tmp_path),
        switched=dict.fromkeys(OF_THE_MACHINE, False),
        flags={"textfile.directory": "textfile", "stat.softirq": True},
    )
    scraper = Scraper(settings, "test")
    families = [family for family in scraper.scrape(scraper.names) if family.name not in NOT_GOLDEN]
    page = write_text(families).decode()
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(page)
    assert GOLDEN.read_text() == page
