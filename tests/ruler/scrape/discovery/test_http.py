"""http_sd against a real server: what is listed is found, and whatever is wrong is said and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from common.config import Duration
from common.errors import DiscoveryError
from common.secrets import Secret, Url
from ruler.scrape.config import HTTPDiscovery
from ruler.scrape.discovery import groups
from ruler.scrape.discovery.http import HTTPDiscoverer, written_seconds
from ruler.scrape.discovery.metrics import DiscoveryMetrics
from ruler.scrape.http.settings import BasicAuth
from tests.ruler.scrape.world import PageServer, answer, page_server

JSON = "application/json"
LIST = b'[{"targets": ["a:1", "b:1"], "labels": {"team": "x", "__meta_url": "theirs"}}, {"targets": null}]'


def listing(use: Callable[[PageServer], Awaitable[None]]) -> None:
    async def run() -> None:
        async with page_server() as server:
            await use(server)

    asyncio.run(run())


async def refreshed(settings: HTTPDiscovery, registry: CollectorRegistry | None = None) -> list[dict[str, str]]:
    with ThreadPoolExecutor(1) as pool:
        discoverer = HTTPDiscoverer(settings, DiscoveryMetrics(registry or CollectorRegistry()), pool)
        return list(await discoverer.refresh())


def test_what_is_listed_is_found() -> None:
    """A group's labels go to each of its targets, with the URL that they are from, which no list can forge."""

    async def use(server: PageServer) -> None:
        url = f"http://{server.address}/list"
        server.pages["/list"] = answer(LIST, content_type=JSON, gzipped=True)
        expected = [{"__address__": address, "team": "x", "__meta_url": url} for address in ("a:1", "b:1")]
        assert expected == await refreshed(HTTPDiscovery(url=Url(url)))

    listing(use)


def test_the_server_is_told_what_prometheus_tells_it() -> None:
    """JSON is asked for, the interval is said, and credentials go with it."""

    async def use(server: PageServer) -> None:
        server.pages["/list"] = answer(b"[]", content_type=JSON)
        auth = BasicAuth(username="u", password=Secret("p"))
        url = f"http://{server.address}/list"
        await refreshed(HTTPDiscovery(url=Url(url), refresh_interval=Duration(90_500), basic_auth=auth))
        ((_, headers),) = server.requests
        assert (JSON, "90.5", "Basic dTpw") == (
            headers["accept"],
            headers["x-prometheus-refresh-interval-seconds"],
            headers["authorization"],
        )

    listing(use)


def test_the_password_of_a_url_is_not_in_the_labels() -> None:
    """Labels before relabelling are shown to everybody."""

    async def use(server: PageServer) -> None:
        server.pages["/list"] = answer(LIST, content_type=JSON)
        found = await refreshed(HTTPDiscovery(url=Url(f"http://me:canary@{server.address}/list")))
        assert f"http://me:<secret>@{server.address}/list" == found[0]["__meta_url"]

    listing(use)


@pytest.mark.parametrize("media", [JSON, "Application/JSON", f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"'])
def test_json_may_be_called_so(media: str) -> None:
    """The ways to say JSON in UTF-8 are all taken."""

    async def use(server: PageServer) -> None:
        server.pages["/list"] = answer(LIST, content_type=media)
        assert 2 == len(await refreshed(HTTPDiscovery(url=Url(f"http://{server.address}/list"))))

    listing(use)


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (answer(LIST, content_type="text/plain"), "unsupported content type 'text/plain'"),
        (answer(LIST, content_type=""), "unsupported content type ''"),
        (answer(LIST, content_type=f"{JSON}; charset=latin-1"), "unsupported content type"),
        (answer(LIST, "503 Service Unavailable"), "server returned HTTP status 503 Service Unavailable"),
        (answer(LIST, "404 Not Found", JSON), "server returned HTTP status 404 Not Found"),
        (answer(b'[{"targets": ["a:1"]', content_type=JSON), "truncated"),
        (answer(b"[null]", content_type=JSON), "null"),
        (answer(b'[{"targets": [1]}]', content_type=JSON), "str"),
        (answer(b'[{"target": ["a:1"]}]', content_type=JSON), "unknown field `target`"),
        (answer(b'[{"labels": {"": "x"}}]', content_type=JSON), "'' is not a valid label name"),
        (answer(b'[{"targets": ["a", "b", "c", "d"]}]', content_type=JSON), "more than 3 targets: 4"),
        (b"", "eof"),
    ],
)
def test_a_list_that_cannot_be_used_is_counted(page: bytes, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong is a failure that says why; nothing of a bad list is taken."""
    monkeypatch.setattr(groups, "MAX_TARGETS", 3)

    async def use(server: PageServer) -> None:
        server.pages["/list"] = page
        registry = CollectorRegistry()
        with pytest.raises(DiscoveryError) as error:
            await refreshed(HTTPDiscovery(url=Url(f"http://{server.address}/list")), registry)
        assert problem in str(error.value)
        assert 1.0 == registry.get_sample_value("prometheus_sd_http_failures_total")

    listing(use)


def test_an_empty_list_is_an_answer() -> None:
    """No groups, and null as Go writes none, mean that there are no targets."""

    async def use(server: PageServer) -> None:
        for body in (b"[]", b"null"):
            server.pages["/list"] = answer(body, content_type=JSON)
            assert [] == await refreshed(HTTPDiscovery(url=Url(f"http://{server.address}/list")))

    listing(use)


def test_a_server_has_the_interval_to_answer() -> None:
    """A list that does not come is a failure before the next one is due."""

    async def use(server: PageServer) -> None:
        server.pages["/list"] = None
        with pytest.raises(DiscoveryError, match="deadline exceeded"):
            await refreshed(HTTPDiscovery(url=Url(f"http://{server.address}/list"), refresh_interval=Duration(50)))

    listing(use)


@pytest.mark.parametrize(
    ("length", "expected"), [(60_000, "60"), (500, "0.5"), (100, "0.1"), (86_400_000_000, "86400000")]
)
def test_seconds_are_written_as_go_writes_them(length: int, expected: str) -> None:
    """Without an exponent."""
    assert expected == written_seconds(length)
