"""docker_sd against a stand-in for a daemon: containers, networks and ports become the targets of Prometheus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.errors import DiscoveryError
from common.secrets import Secret, Url
from ruler.scrape.config import DockerDiscovery, DockerFilter
from ruler.scrape.discovery.docker import DockerDiscoverer
from ruler.scrape.http.settings import BasicAuth
from tests.ruler.scrape.discovery.daemon import Daemon, container, daemon, endpoint, network, networks, port

Targets = list[dict[str, str]]


def asking(folder: Path, use: Callable[[Daemon], Awaitable[None]]) -> None:
    async def run() -> None:
        async with daemon(folder) as here:
            await use(here)

    asyncio.run(run())


async def refreshed(settings: DockerDiscovery) -> Targets:
    with ThreadPoolExecutor(1) as pool:
        return list(await DockerDiscoverer(settings, pool).refresh())


async def targets_of(here: Daemon, **settings: Any) -> Targets:
    return await refreshed(DockerDiscovery(host=Url(f"unix://{here.socket}"), **settings))


def addresses(targets: Targets, name: str) -> list[str]:
    """The addresses of a container's targets."""
    return [each["__address__"] for each in targets if each["__meta_docker_container_name"] == f"/{name}"]


def test_a_published_port_has_all_labels(tmp_path: Path) -> None:
    """A target knows its container, its network, and its port inside and outside."""

    async def use(here: Daemon) -> None:
        first = (await targets_of(here))[0]
        assert {
            "__address__": "172.17.0.2:80",
            "__meta_docker_container_id": "c-web",
            "__meta_docker_container_name": "/web",
            "__meta_docker_container_network_mode": "bridge",
            "__meta_docker_container_label_com_docker_compose_service": "web",
            "__meta_docker_container_label_prometheus_job": "shop",
            "__meta_docker_network_id": "net-bridge",
            "__meta_docker_network_name": "bridge",
            "__meta_docker_network_scope": "local",
            "__meta_docker_network_internal": "false",
            "__meta_docker_network_ingress": "false",
            "__meta_docker_network_ip": "172.17.0.2",
            "__meta_docker_port_private": "80",
            "__meta_docker_port_public": "8080",
            "__meta_docker_port_public_ip": "0.0.0.0",
        } == first

    asking(tmp_path, use)


def test_each_container_is_found_in_its_way(tmp_path: Path) -> None:
    """Each TCP port is a target; without one the settings' port stands in; a host's container has the host's name."""

    async def use(here: Daemon) -> None:
        targets = await targets_of(here, port=8000, host_networking_host="10.0.0.9")
        assert {
            "web": ["172.17.0.2:80", "172.17.0.2:80", "172.17.0.2:9100"],
            "db": ["10.2.0.5:5432"],
            "db-exporter": ["10.2.0.5:9187"],
            "node": ["10.0.0.9"],
            "worker": ["172.17.0.2:8000"],
            "resolver": ["172.17.0.2:8000"],
            "orphan": [],
            "x": [],
        } == {
            name: addresses(targets, name)
            for name in ("web", "db", "db-exporter", "node", "worker", "resolver", "orphan", "x")
        }

    asking(tmp_path, use)


def test_all_networks_are_found_where_that_is_asked(tmp_path: Path) -> None:
    """Without match_first_network a container is a target in each of its networks."""

    async def use(here: Daemon) -> None:
        targets = await targets_of(here, match_first_network=False)
        assert ["10.2.0.5:5432", "10.1.0.5:5432"] == addresses(targets, "db")
        assert ["10.2.0.5:9187", "10.1.0.5:9187"] == addresses(targets, "db-exporter")
        front = next(each for each in targets if each["__address__"] == "10.1.0.5:5432")
        assert ("shop_front", "front") == (
            front["__meta_docker_network_name"],
            front["__meta_docker_network_label_com_docker_compose_network"],
        )

    asking(tmp_path, use)


def test_containers_that_share_a_network_in_a_ring_are_passed_over(tmp_path: Path) -> None:
    """A daemon that lists nonsense, or nulls, ends nothing."""

    async def use(here: Daemon) -> None:
        here.pages["/containers/json"] = [
            container("a", "a", "container:b", **networks()),
            container("b", "b", "container:a", **networks()),
            container("c", "c", NetworkSettings=None, Labels=None, Ports=None),
            container("d", "d", **networks(none=None)),  # type: ignore[arg-type]  # null is what a daemon may say
            container("e", "e", **networks(six=endpoint("net-6", "fd00::5")), Ports=[port(9100)]),
        ]
        here.pages["/networks"] = [network("net-6", "six", Labels=None)]
        assert ["[fd00::5]:9100"] == [each["__address__"] for each in await targets_of(here)]
        here.pages["/containers/json"] = here.pages["/networks"] = None
        assert [] == await targets_of(here)

    asking(tmp_path, use)


def test_filters_are_for_the_daemon(tmp_path: Path) -> None:
    """Filters go along in the daemon's own form, over the version of the API that it speaks."""

    async def use(here: Daemon) -> None:
        filters = (DockerFilter(name="label", values=("a", "b=1")), DockerFilter(name="name", values=("web",)))
        await targets_of(here, filters=filters)
        paths = [path for path, _ in here.asked]
        assert ["/_ping", "/v1.44/containers/json", "/v1.44/networks"] == paths
        assert {"label": ["a", "b=1"], "name": ["web"]} == json.loads(here.asked[1][1]["filters"][0])

    asking(tmp_path, use)


def test_a_daemon_may_be_asked_over_tcp_and_http(tmp_path: Path) -> None:
    """tcp is HTTP without the client block; http takes it, and a path in front."""

    async def use(here: Daemon) -> None:
        there = f"127.0.0.1:{here.port}"
        assert 8 == len(await refreshed(DockerDiscovery(host=Url(f"tcp://{there}"))))
        here.pages = {f"/proxy{path}": page for path, page in here.pages.items()}
        here.version = ""
        auth = BasicAuth(username="u", password=Secret("p"))
        assert 8 == len(await refreshed(DockerDiscovery(host=Url(f"http://{there}/proxy/"), basic_auth=auth)))

    asking(tmp_path, use)


@pytest.mark.parametrize(
    ("path", "page", "problem"),
    [
        ("/containers/json", 500, "docker: /v1.44/containers/json: HTTP status 500 Internal Server Error: "),
        ("/_ping", 403, "docker: /_ping: HTTP status 403 Forbidden: "),
        ("/networks", b"{", "docker: networks that cannot be read: "),
        ("/containers/json", b'[{"Id": 5}]', "docker: containers that cannot be read: "),
    ],
)
def test_an_answer_that_cannot_be_used_is_said(tmp_path: Path, path: str, page: object, problem: str) -> None:
    """A daemon that refuses, or talks nonsense, is a failure that names the question."""

    async def use(here: Daemon) -> None:
        here.pages[path] = page
        with pytest.raises(DiscoveryError) as error:
            await targets_of(here)
        assert problem in str(error.value)

    asking(tmp_path, use)


def test_a_daemon_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The socket is named."""
    with pytest.raises(DiscoveryError):
        asyncio.run(refreshed(DockerDiscovery(host=Url(f"unix://{tmp_path}/none.sock"))))


def test_settings_with_the_same_content_are_the_same() -> None:
    """What is compared at a reload is what is written, secrets with it."""
    one = DockerDiscovery(host=Url("http://x"), basic_auth=BasicAuth(password=Secret("p")))
    assert one == msgspec.structs.replace(one, port=80)
    assert one != msgspec.structs.replace(one, basic_auth=BasicAuth(password=Secret("q")))
