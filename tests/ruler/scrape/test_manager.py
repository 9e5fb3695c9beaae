"""Managers and pools: a reload changes what it must and nothing else; files are watched without a restart."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from common.errors import ConfigError
from tests.ruler.scrape.world import PageServer, World, answer, page_server, world


def scraping(use: Callable[[World, PageServer], Awaitable[None]]) -> None:
    async def run() -> None:
        async with page_server() as server, world() as here:
            server.pages = {"/metrics": answer(b"a 1\n"), "/other": answer(b"b 1\n")}
            await use(here, server)

    asyncio.run(run())


def job(*targets: str, extra: str = "", name: str = "j") -> str:
    return f"- {{job_name: {name}, scrape_interval: 10s, static_configs: [{{targets: {list(targets)}}}]{extra}}}"


def test_unchanged_targets_keep_their_loop_over_a_reload() -> None:
    """State, connection and offset of a target that stays are untouched, even when its discovered labels change."""

    async def use(here: World, server: PageServer) -> None:
        here.apply(job(server.address))
        await here.tick()
        (loop,) = here.manager._loops
        here.apply(
            job(server.address, "127.0.0.1:1", extra=", relabel_configs: [{target_label: __meta_x, replacement: y}]")
        )
        assert loop in here.manager._loops
        assert 2 == len(here.manager.targets())
        await here.tick()
        await here.tick()
        assert 1 == server.connections
        assert [] == here.storage.ended
        assert 2.0 == here.metric("prometheus_target_scrape_pool_targets", scrape_job="j")

    scraping(use)


def test_a_removed_target_is_marked_stale_at_the_tick_it_misses() -> None:
    """The time of the marker is the first tick without a scrape; it waits for a tick more, for a successor to write."""

    async def use(here: World, server: PageServer) -> None:
        here.apply(job(server.address))
        await here.tick()
        scraped = here.clock.now()
        here.apply("[]")
        assert () == here.manager.targets()
        here.due()
        assert [] == here.storage.ended
        here.due()
        assert [scraped + 10_000] == [time for _, time in here.storage.ended]
        assert 1 == len(here.storage.rows)

    scraping(use)


def test_a_job_that_fetches_otherwise_starts_anew() -> None:
    """Another way of scraping replaces the loop; the old stream ends after the new one has written."""

    async def use(here: World, server: PageServer) -> None:
        here.apply(job(server.address))
        await here.tick()
        (loop,) = here.manager._loops
        here.apply(job(server.address, extra=", sample_limit: 5"))
        assert loop not in here.manager._loops
        for _ in range(2):
            await here.tick()
            await here.settled()
        assert [1.0, 1.0] == here.up()[:2]
        assert 1 == len(here.storage.ended)

    scraping(use)


def test_a_reload_that_cannot_be_changes_nothing() -> None:
    """Everything that can fail comes first: a bad certificate leaves the old jobs in force."""

    async def use(here: World, server: PageServer) -> None:
        here.apply(job(server.address))
        before = here.manager.targets()
        with pytest.raises(ConfigError):
            here.apply(job("127.0.0.1:1", name="new", extra=", tls_config: {ca_file: /does/not/exist}"))
        assert before == here.manager.targets()

    scraping(use)


def test_dropped_targets_are_shown() -> None:
    """What relabelling leaves out is not scraped, but can be seen with the labels that it was found with."""

    async def use(here: World, server: PageServer) -> None:
        keep = ", relabel_configs: [{source_labels: [__address__], regex: '127.*', action: keep}]"
        here.apply(job(server.address, "example:1", extra=keep))
        (dropped,) = here.manager.dropped()
        assert ("j", "example:1", "http") == (
            dropped.pool,
            dropped.discovered["__address__"],
            dropped.discovered["__scheme__"],
        )
        assert [server.address] == [status.labels["instance"] for status in here.manager.targets()]

    scraping(use)


def test_the_same_target_twice_is_scraped_once() -> None:
    """Targets with equal labels and URL are one target."""

    async def use(here: World, server: PageServer) -> None:
        here.apply(job(server.address, server.address))
        assert 1 == len(here.manager.targets())

    scraping(use)


def test_an_unusable_target_is_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A target that relabelling spoils does not disturb the others."""

    async def use(here: World, server: PageServer) -> None:
        rule = "source_labels: [__address__], regex: 'x:1', target_label: __scheme__, replacement: ftp"
        spoil = f", relabel_configs: [{{{rule}}}]"
        here.apply(job(server.address, "x:1", extra=spoil))
        assert 1 == len(here.manager.targets())
        assert 1.0 == here.metric("prometheus_target_sync_failed_total", scrape_job="j")

    with caplog.at_level(logging.ERROR):
        scraping(use)
    assert ["cannot scrape target"] == [record.getMessage() for record in caplog.records]


def write(path: Path, *targets: str) -> None:
    """A discovery file, changed for everyone who looks at its time."""
    path.write_text(json.dumps([{"targets": list(targets), "labels": {"team": "x"}}]))
    later = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later, later))


def test_a_line_added_to_a_file_is_picked_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files are looked at every 5 s; a broken one keeps its last targets, with one line in the log and a metric."""
    file = tmp_path / "hosts.json"

    async def use(here: World, server: PageServer) -> None:
        write(file, server.address)
        here.apply(f"- {{job_name: j, scrape_interval: 1h, file_sd_configs: [{{files: ['{tmp_path}/*.json']}}]}}")
        await here.discovered()
        (status,) = here.manager.targets()
        assert ("x", str(file)) == (status.labels["team"], status.discovered["__meta_filepath"])

        write(file, server.address, "127.0.0.1:1")
        start = here.clock.now()
        here.due()
        await here.discovered()
        assert here.clock.now() - start <= 5_000
        assert 2 == len(here.manager.targets())

        file.write_text("[{")
        here.due()
        await here.discovered()
        here.due()
        await here.discovered()
        assert 2 == len(here.manager.targets())
        assert 2.0 == here.metric("prometheus_sd_file_read_errors_total")

        write(file, server.address)
        (tmp_path / "more.json").write_text('[{"targets": ["127.0.0.1:2"]}]')
        here.due()
        await here.discovered()
        assert {server.address, "127.0.0.1:2"} == {status.labels["instance"] for status in here.manager.targets()}
        file.unlink()
        here.due()
        await here.discovered()
        assert ["127.0.0.1:2"] == [status.labels["instance"] for status in here.manager.targets()]

    with caplog.at_level(logging.ERROR):
        scraping(use)
    assert ["cannot use discovery file, keeping its last targets"] == [record.getMessage() for record in caplog.records]


def test_closing_leaves_no_stale_markers() -> None:
    """A ruler that stops says nothing about its targets."""

    async def run() -> None:
        async with page_server() as server, world() as here:
            server.pages["/metrics"] = answer(b"a 1\n")
            here.apply(job(server.address))
            await here.tick()
            await here.manager.close()
            assert [None] == [time for _, time in here.storage.ended]

    asyncio.run(run())
