"""Limits of a job: what is over one is refused whole, counted, and told in Prometheus's words."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from common.errors import ConfigError
from common.labels import Labels
from ruler.scrape.config import ScrapeSettings
from ruler.scrape.labelling import SampleLabels
from ruler.scrape.page.parse import OverLabelLimit
from tests.ruler.scrape.test_loop import scraping, show
from tests.ruler.scrape.world import PageServer, World, answer, page_server, world


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"label_limit": 2}, "label_limit exceeded (metric: metric_x, number of labels: 3, limit: 2)"),
        (
            {"label_name_length_limit": 7},
            "label_name_length_limit exceeded (metric: metric_x, label name: __name__, length: 8, limit: 7)",
        ),
        (
            {"label_value_length_limit": 7},
            (
                "label_value_length_limit exceeded (metric: metric_x, label name: __name__, "
                'value: "metric_x", length: 8, limit: 7)'
            ),
        ),
    ],
)
def test_labels_over_a_limit_are_told_as_prometheus_tells_them(settings: dict[str, int], expected: str) -> None:
    """The first limit that a series exceeds is named with the metric, the label, its length and the limit."""
    labels_of = SampleLabels(Labels({"job": "j"}), msgspec.convert({"job_name": "j", **settings}, ScrapeSettings))
    with pytest.raises(OverLabelLimit) as caught:
        labels_of((("__name__", "metric_x"), ("a", "é")))
    assert expected == str(caught.value)


def test_labels_within_the_limits_pass() -> None:
    """A limit is the most that there may be, counted after relabelling and in bytes."""
    job = ScrapeSettings(job_name="j", label_limit=3, label_name_length_limit=8, label_value_length_limit=2)
    labels_of = SampleLabels(Labels({"job": "j"}), job)
    assert Labels({"__name__": "m", "job": "j", "a": "é"}) == labels_of((("__name__", "m"), ("a", "é"), ("b", "")))
    with pytest.raises(OverLabelLimit, match="length: 3, limit: 2"):
        labels_of((("__name__", "m"), ("a", "é1")))


def test_a_page_with_too_many_labels_is_refused_whole() -> None:
    """What was there is stale, the lines up to the refused one are counted, and so is the scrape."""

    async def use(here: World, server: PageServer) -> None:
        show(server, b"a 1\n")
        await here.tick()
        show(server, b'a 1\nb{x="1"} 1\nc 1\n')
        await here.tick()
        row = here.storage.row()
        assert ({"a": "stale"}, 0.0, 2.0, 1.0) == (
            here.storage.page(),
            row["up"],
            row["scrape_samples_scraped"],
            row["scrape_samples_post_metric_relabeling"],
        )
        assert "label_limit exceeded (metric: b, number of labels: 4, limit: 3)" == here.manager.targets()[0].last_error
        assert 1.0 == here.metric("prometheus_target_scrape_pool_exceeded_label_limits_total")

    scraping(use, "label_limit: 3")


def test_too_many_targets_are_not_scraped_at_all() -> None:
    """Above target_limit each target of the job fails without being asked, and recovers when there are few enough."""

    async def run() -> None:
        async with page_server() as server, world() as here:
            server.pages["/metrics"] = answer(b"a 1\n")
            text = "- {{job_name: j, scrape_interval: 10s, target_limit: 1, static_configs: [{{targets: {0}}}]}}"
            here.apply(text.format([server.address, "127.0.0.1:1"]))
            await here.tick()
            assert {"target_limit exceeded (number of targets: 2, limit: 1)", ""} >= {
                status.last_error for status in here.manager.targets()
            }
            assert ([], {0.0}) == (server.requests, set(here.up()))
            assert 1.0 == here.metric("prometheus_target_scrape_pool_exceeded_target_limit_total")
            assert 1.0 == here.metric("prometheus_target_scrape_pool_target_limit", scrape_job="j")
            assert 0.0 == here.metric("prometheus_target_scrapes_exceeded_body_size_limit_total")
            here.apply(text.format([server.address]))
            for _ in range(3):
                await here.tick()
            assert 1.0 == here.up()[-1]

    asyncio.run(run())


def test_dropped_targets_are_kept_up_to_the_limit_and_all_counted() -> None:
    """keep_dropped_targets bounds what is shown, not what is counted."""

    async def run() -> None:
        async with world() as here:
            drop = "relabel_configs: [{regex: 'x.*', source_labels: [__address__], action: drop}]"
            targets = "static_configs: [{targets: ['x1:1', 'x2:1', 'x3:1']}]"
            here.apply(f"- {{job_name: j, keep_dropped_targets: 2, {targets}, {drop}}}")
            (pool,) = here.manager.pools()
            assert (["x1:1", "x2:1"], 3) == (
                [target.discovered["__address__"] for target in pool.dropped],
                pool.dropped_count,
            )

    asyncio.run(run())


def test_extra_metrics_tell_timeout_limit_and_size() -> None:
    """extra_scrape_metrics adds three series: the size is 0 where nothing came, -1 where it was too much."""

    async def use(here: World, server: PageServer) -> None:
        sizes = []
        for page in (b"a 1\n", b"a 1\nb 1\nc 1\n", None, b"a 1 # too long by far for the limit\n" * 3):
            show(server, page)
            await here.tick()
            row = here.storage.row()
            sizes.append(row["scrape_body_size_bytes"])
            assert (1.0, 2.0) == (row["scrape_timeout_seconds"], row["scrape_sample_limit"])
        assert [4.0, 12.0, 0.0, -1.0] == sizes
        assert 1.0 == here.metric("prometheus_target_scrapes_exceeded_body_size_limit_total")
        assert 1.0 == here.metric("prometheus_target_scrapes_exceeded_sample_limit_total")

    scraping(use, "extra_scrape_metrics: true, sample_limit: 2, body_size_limit: 64B")


@pytest.mark.parametrize(("track", "marked"), [("true", True), ("false", False)])
def test_series_with_their_own_times_end_where_that_is_tracked(track: str, marked: bool) -> None:
    """With track_timestamps_staleness such a series is marked at the scrape that misses it; without it never is."""

    async def use(here: World, server: PageServer) -> None:
        now = here.clock.now()
        for page in (b"t 7 %d\n" % now, b"", b"t 8 %d\n" % (now + 5), None):
            show(server, page)
            await here.tick()
        timed = [row for row in here.storage.rows if row.stream.endswith("timed")]
        stale = [row.time for row in timed if row.values[0] != row.values[0]]
        scrapes = sorted({row.time for row in here.storage.rows if row not in timed})
        assert ([scrapes[1], scrapes[3]] if marked else []) == stale

    scraping(use, f"track_timestamps_staleness: {track}")


def test_failed_scrapes_are_lines_of_a_file_that_a_reload_opens_anew(tmp_path: Path) -> None:
    """A file that was moved away is written no more after a reload; one that cannot be opened refuses the reload."""
    file = tmp_path / "failed.json"

    async def use(here: World, server: PageServer) -> None:
        show(server, None)
        await here.tick()
        (line,) = file.read_text().splitlines()
        told = json.loads(line)
        assert ("ERROR", "server returned HTTP status 500 Internal Server Error", "j") == (
            told["level"],
            told["msg"],
            told["job_name"],
        )
        assert f"http://{server.address}/metrics" == told["target"]
        assert "2001-09-09T01:46:4" == told["time"][:18]
        file.rename(tmp_path / "old.json")
        job = "- {{job_name: {1}, scrape_failure_log_file: {0}, static_configs: [{{targets: ['{2}']}}]}}"
        with pytest.raises(ConfigError, match=r"cannot be opened: .*No such file or directory"):
            here.apply(job.format(tmp_path / "none/x.json", "j", server.address))
        await here.tick()
        assert (2, False) == (len((tmp_path / "old.json").read_text().splitlines()), file.exists())
        here.manager.apply([loop_settings(here)])
        await here.tick()
        assert (2, 1) == (len((tmp_path / "old.json").read_text().splitlines()), len(file.read_text().splitlines()))

    scraping(use, f"scrape_failure_log_file: {file}")


def loop_settings(here: World) -> ScrapeSettings:
    """The settings of the one job that there is."""
    (pool,) = here.manager.pools()
    return pool.settings
