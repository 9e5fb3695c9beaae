"""Odd pages in every format, scraped by the real Prometheus and by us: the same verdict, series and values.

One target for each page; what is compared is all that its series say after a scrape, the automatic ones included.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from common.labels import Labels
from ruler.model.arrays import is_stale
from tests.peers import Prometheus, prometheus
from tests.ruler.scrape.odd_pages import LEGACY, PAGES, STRICTER, Page
from tests.ruler.scrape.world import PageServer, World, answer, page_server

Said = dict[str, dict[str, str]]  # by page: what each of its series says


def jobs(pages: dict[str, Page], address: str) -> list[dict[str, object]]:
    """Two jobs: one takes all names, and one classic ones."""
    odd = {name: page for name, page in pages.items() if not name.startswith(LEGACY)}
    classic = job("classic", pages.keys() - odd.keys(), address)
    names = {"metric_name_validation_scheme": "legacy", "metric_name_escaping_scheme": "underscores"}
    return [job("odd", odd, address), {**classic, **names}]


def job(name: str, pages: Iterable[str], address: str) -> dict[str, object]:
    groups = [{"targets": [address], "labels": {"page": page, "__metrics_path__": f"/{page}"}} for page in pages]
    return {"job_name": name, "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": groups}


def theirs(peer: Prometheus, pages: dict[str, Page]) -> Said:
    said: Said = {name: {} for name in pages}
    for series in peer.query('{page=~".+"}'):
        labels = Labels(series["metric"])
        note(said, labels, series["value"][1])
    return said


def ours(here: World, pages: dict[str, Page]) -> Said:
    said: Said = {name: {} for name in pages}
    for row in here.storage.rows:
        stale = is_stale(row.values)
        for place, id_ in enumerate(row.ids.tolist()):
            if not stale[place]:
                note(said, here.storage.labels(id_), repr(float(row.values[place])))
    return said


def note(said: Said, labels: Labels, value: str) -> None:
    name = labels["__name__"]
    if name not in ("scrape_duration_seconds", "scrape_series_added"):
        number = float(value)
        said[labels["page"]][str(labels.without(("page",)))] = "-0" if str(number) == "-0.0" else f"{number:.17g}"


def verdict(said: dict[str, str]) -> dict[str, str]:
    """What a page comes to: of one that is refused, how many samples were read before that is nothing."""
    counted = said if is_up(said) else {name: value for name, value in said.items() if not name.startswith("scrape_")}
    return dict(sorted(counted.items()))


def is_up(said: dict[str, str]) -> bool:
    return any(name.startswith('up{instance="127') and value == "1" for name, value in said.items())


def serve(server: PageServer, pages: dict[str, Page]) -> None:
    server.pages = {f"/{name}": answer(page.body, content_type=page.content_type) for name, page in pages.items()}


async def both(peers: Path, folder: Path, pages: dict[str, Page]) -> tuple[Said, Said]:
    async with page_server() as server:
        serve(server, pages)
        configs = jobs(pages, server.address)
        here = World()
        here.apply(json.dumps(configs))
        await asyncio.gather(*(each.settling for each in here.manager._supplied.values() if each.settling is not None))
        while any(loop.status.last_scrape is None for loop in here.manager._loops):
            await here.tick()
        with ExitStack() as running:
            peer = await asyncio.to_thread(
                running.enter_context, prometheus(peers, folder, {"scrape_configs": configs})
            )
            for _ in range(100):
                scraped = await asyncio.to_thread(peer.values, 'count(up{exported_instance=""})')
                if scraped == [float(len(pages))]:
                    break
                await asyncio.sleep(0.1)
            expected = await asyncio.to_thread(theirs, peer, pages)
            await asyncio.to_thread(running.close)
        actual = ours(here, pages)
        await here.manager.close()
        return expected, actual


def test_prometheuss_verdicts(peers: Path, tmp_path: Path) -> None:
    """Every odd page is refused or stored as Prometheus does; those that we alone refuse are named."""
    expected, actual = asyncio.run(both(peers, tmp_path, PAGES))
    different = {name for name in PAGES if verdict(expected[name]) != verdict(actual[name])}
    assert {} == {name: (expected[name], actual[name]) for name in different - STRICTER}
    assert STRICTER == different
    assert (STRICTER, set()) == tuple({name for name in STRICTER if is_up(said[name])} for said in (expected, actual))
    refused = sum(not is_up(said) for said in expected.values())
    assert (200, 102) == (len(PAGES), refused)
