"""A page always comes, whatever becomes of a collector, and says what became of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import ClassVar

import pytest

from common.exposition import Family, counter_of, gauge_of
from exporter.collectors import Collector
from exporter.host import NoData
from exporter.scrape import Scraper, SelectionError, merged
from exporter.settings import ExporterSettings, Flag
from tests.exporter.pages import Page, page_of


class Good:
    name: ClassVar[str] = "good"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, _settings: ExporterSettings) -> None:
        pass

    def collect(self) -> Iterable[Family]:
        return [gauge_of("node_good", "Good.", 1)]


class Failing(Good):
    name = "failing"

    def collect(self) -> Iterator[Family]:
        yield gauge_of("node_half", "Before the fault.", 1)
        raise ValueError("the file makes no sense")


class Empty(Good):
    name = "empty"

    def collect(self) -> Iterable[Family]:
        raise NoData("no such hardware")


class Hanging(Good):
    name = "hanging"
    release = threading.Event()

    def collect(self) -> Iterable[Family]:
        self.release.wait(30)
        return []


def scraper(*collectors: type[Collector], **settings: object) -> Scraper:
    """A scraper of these collectors with a short deadline."""
    return Scraper(ExporterSettings(collector_seconds=0.05, **settings), "1.2.3", collectors)  # type: ignore[arg-type]  (its fields)


def page(of: Scraper) -> Page:
    """The page of all its collectors."""
    return page_of(of.scrape(of.names))


def success(of: Page) -> dict[str, float]:
    """The verdicts, by collector."""
    return {
        labels["collector"]: value
        for labels, value in of.values.items()
        if labels["__name__"] == "node_scrape_collector_success"
    }


def test_a_failing_collector_leaves_the_page_whole() -> None:
    """Its families are left out, its verdict is 0, the others are as ever."""
    said = page(scraper(Failing, Good, Empty))
    assert {"failing": 0.0, "good": 1.0, "empty": 0.0} == success(said)
    assert ({"node_good": 1.0}, {}) == (said.of("node_good"), said.of("node_half"))
    assert 3 == len(said.of("node_scrape_collector_duration_seconds"))


def test_a_hanging_collector_leaves_the_page_whole() -> None:
    """It is reported as failed after its deadline, and costs the next scrape nothing."""
    Hanging.release.clear()
    of = scraper(Hanging, Good)
    try:
        for _ in range(2):
            assert {"hanging": 0.0, "good": 1.0} == success(page(of))
        assert 1 == sum(thread.name == "collect" for thread in threading.enumerate())
    finally:
        Hanging.release.set()


def test_trouble_is_logged_when_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    """A collector that fails at each scrape is one line, not one a scrape; missing hardware is none."""
    of = scraper(Failing, Empty)
    for _ in range(3):
        page(of)
    assert ["collector failed"] == [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_collectors_can_be_switched() -> None:
    """By name on or off; with the defaults disabled only those that were named."""
    assert ("good",) == scraper(Good, Empty, switched={"empty": False}).names
    assert ("empty",) == scraper(Good, Empty, switched={"empty": True}, disable_defaults=True).names


def test_a_query_chooses_collectors() -> None:
    """collect[] takes some, exclude[] leaves some out; nonsense is refused in words."""
    of = scraper(Good, Failing, Empty, switched={"empty": False})
    assert ("good", "failing") == of.chosen([], [])
    assert ("failing",) == of.chosen(["failing"], [])
    assert ("good",) == of.chosen([], ["failing", "unknown"])
    for collect, exclude, words in (
        (["nope"], [], "missing collector: 'nope'"),
        (["empty"], [], "disabled collector: 'empty'"),
        (["good"], ["failing"], "collect[] and exclude[] cannot be combined"),
    ):
        with pytest.raises(SelectionError) as caught:
            of.chosen(collect, exclude)
        assert words == str(caught.value)


def test_families_are_sorted_and_unique() -> None:
    """A file that brings a name which a collector has loses; a family without rows is not written."""
    first, second = gauge_of("b", "One.", 1), counter_of("b", "Two.", 2)
    empty = Family("a", first.type, "Nothing.", (), [])
    assert [first] == merged([empty, first, second])
    assert ["a", "b"] == [family.name for family in merged([first, gauge_of("a", "A.", 0)])]


def test_build_info_names_the_version() -> None:
    """The labels are node_exporter's, the version ours."""
    (labels,) = (labels for labels in page(scraper(Good)).values if labels["__name__"] == "node_exporter_build_info")
    assert ("1.2.3", "linux") == (labels["version"], labels["goos"])
