"""On the peer's own fake host the page has the peer's own names, types, labels and values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from common.labels import METRIC_NAME
from exporter.host import Host
from exporter.scrape import Scraper
from exporter.settings import ExporterSettings
from tests.exporter.pages import Page, page_of, read
from tests.exporter.ttar import unpack

# The families of the collectors that both have and that read nothing but the fixtures.
SHARED = re.compile(
    r"node_(boot_time|context_switches|cpu_(core|package)_throttles|cpu_(guest_)?seconds|cpu_isolated|disk_|filefd_|"
    r"forks|hwmon_|intr_|load|memory_(?!numa)|procs_(running|blocked)|softirqs_total|thermal_zone|cooling_device|"
    r"time_clocksource|textfile_scrape_error)|testmetric"
)
CHIPS = "(applesmc|asus_nb_wmi|coretemp|hwmon4|ieee80211|nct6779)"
COLLECTORS = ("cpu", "diskstats", "filefd", "hwmon", "loadavg", "meminfo", "stat", "textfile", "thermal_zone", "time")


@pytest.fixture(scope="module")
def expected(testdata: Path) -> Page:
    """What the peer expects of itself."""
    return read((testdata / "node_exporter/collector/fixtures/e2e-output.txt").read_bytes())


@pytest.fixture(scope="module")
def ours(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """What we make of the same host."""
    fixtures, tree = testdata / "node_exporter/collector/fixtures", tmp_path_factory.mktemp("peer")
    unpack(fixtures / "sys.ttar", tree)
    unpack(fixtures / "udev.ttar", tree)
    settings = ExporterSettings(
        host=Host(str(fixtures / "proc"), f"{tree}/sys", str(fixtures), f"{tree}/udev/data"),
        flags={
            "hwmon.chip-include": CHIPS,
            "stat.softirq": True,
            "textfile.directory": str(fixtures / "textfile/two_metric_files"),
        },
    )
    scraper = Scraper(settings, "test")
    return page_of(scraper.scrape(COLLECTORS))


def test_every_family_is_there(expected: Page, ours: Page) -> None:
    """No family of the shared collectors is missing, none has another type."""
    shared = {name: type_ for name, type_ in expected.types.items() if SHARED.match(name)}
    assert len(shared) > 140
    assert shared == {name: ours.types.get(name) for name in shared}


def test_nothing_else_is_there(expected: Page, ours: Page) -> None:
    """No family that the peer does not know, but for those of the time and of the exporter itself."""
    more = {name for name in ours.types if name not in expected.types}
    assert set() == more


def test_every_series_has_the_same_value(expected: Page, ours: Page) -> None:
    """Labels and values are the peer's, to the last digit of a float."""
    theirs = {labels: value for labels, value in expected.values.items() if SHARED.match(labels[METRIC_NAME])}
    of_ours = {labels: value for labels, value in ours.values.items() if SHARED.match(labels[METRIC_NAME])}
    assert theirs.keys() == of_ours.keys()
    assert [] == [
        (str(labels), value, of_ours[labels])
        for labels, value in theirs.items()
        if of_ours[labels] != pytest.approx(value, rel=1e-12)
    ]


def test_every_collector_succeeds(ours: Page) -> None:
    """None of them fails on the peer's host."""
    verdicts = ours.of("node_scrape_collector_success")
    assert {f'node_scrape_collector_success{{collector="{name}"}}': 1.0 for name in COLLECTORS} == verdicts
