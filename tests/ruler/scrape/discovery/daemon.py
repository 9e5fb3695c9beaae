"""A stand-in for a Docker daemon: its HTTP API on TCP and on a unix socket, with answers as a daemon gives them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = "1.44"


def container(id_: str, name: str, mode: str = "bridge", **more: Any) -> dict[str, Any]:
    """A container as `GET /containers/json` has it, on the bridge as 172.17.0.2 where nothing else is said."""
    return {
        "Id": id_,
        "Names": [f"/{name}"],
        "Image": "quay.io/example/app:1",
        "ImageID": "sha256:0f5b",
        "Command": "/bin/app --serve",
        "Created": 1_795_000_000,
        "Ports": [],
        "Labels": {},
        "State": "running",
        "Status": "Up 2 hours",
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": {"bridge": endpoint("net-bridge", "172.17.0.2")}},
        "Mounts": [],
        **more,
    }


def endpoint(network: str, address: str) -> dict[str, Any]:
    """Where a container is in a network."""
    return {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": None,
        "MacAddress": "02:42:ac:11:00:02",
        "NetworkID": network,
        "EndpointID": "ep",
        "Gateway": "172.17.0.1",
        "IPAddress": address,
        "IPPrefixLen": 16,
        "GlobalIPv6Address": "",
    }


def networks(**by_name: dict[str, Any]) -> dict[str, Any]:
    """The networks of a container."""
    return {"NetworkSettings": {"Networks": by_name}}


def port(private: int, public: int = 0, type_: str = "tcp", ip: str = "0.0.0.0") -> dict[str, Any]:
    """A port of a container, published where it has a public one."""
    shown = {"IP": ip, "PublicPort": public} if public else {}
    return {"PrivatePort": private, "Type": type_, **shown}


def network(id_: str, name: str, **more: Any) -> dict[str, Any]:
    """A network as `GET /networks` has it."""
    return {
        "Name": name,
        "Id": id_,
        "Created": "2026-11-01T10:00:00Z",
        "Scope": "local",
        "Driver": "bridge",
        "Internal": False,
        "Ingress": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
        **more,
    }


CONTAINERS = [
    container(
        "c-web",
        "web",
        Labels={"com.docker.compose.service": "web", "prometheus-job": "shop"},
        Ports=[port(80, 8080), port(80, 8080, ip="::"), port(9100), port(53, type_="udp")],
    ),
    container(
        "c-db",
        "db",
        "shop_back",
        **networks(shop_front=endpoint("net-front", "10.1.0.5"), shop_back=endpoint("net-back", "10.2.0.5")),
        Ports=[port(5432)],
    ),
    container("c-exporter", "db-exporter", "container:c-db", **networks(), Ports=[port(9187)]),
    container("c-host", "node", "host", **networks(host=endpoint("net-host", ""))),
    container("c-plain", "worker"),
    container("c-udp", "resolver", Ports=[port(53, type_="udp")]),
    container("c-lost", "orphan", "container:gone", **networks()),
    container("c-nameless", "x", Names=[]),
]
NETWORKS = [
    network("net-bridge", "bridge"),
    network("net-front", "shop_front", Labels={"com.docker.compose.network": "front"}),
    network("net-back", "shop_back", Internal=True),
    network("net-host", "host", Driver="host"),
]


@dataclass
class Daemon:
    """A Daemon answers each path with what `pages` has for it: JSON, or a status. `asked` has all requests."""

    socket: Path
    port: int = 0
    pages: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    version: str = API

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:  # a connection that was only tried
            writer.close()
            return
        method, target, _ = head.split(" ", 2)
        url = urlsplit(target)
        self.asked.append((url.path, parse_qs(url.query)))
        page = self.pages.get(url.path.removeprefix(f"/v{self.version}"), 404)
        status = page if isinstance(page, int) else 200
        said = {"message": "page not found"} if isinstance(page, int) else page
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", "Connection: close"]
        lines += [f"Content-Length: {len(body)}", *([f"Api-Version: {self.version}"] if self.version else [])]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body))
        await writer.drain()
        writer.close()


@asynccontextmanager
async def daemon(folder: Path) -> AsyncIterator[Daemon]:
    """A Daemon with CONTAINERS and NETWORKS, gone afterwards."""
    state = Daemon(folder / "docker.sock")
    state.pages = {"/_ping": b"OK", "/containers/json": CONTAINERS, "/networks": NETWORKS}
    over_tcp = await asyncio.start_server(state.serve, "127.0.0.1", 0)
    over_unix = await asyncio.start_unix_server(state.serve, state.socket)
    state.port = over_tcp.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        over_tcp.close()
        over_unix.close()
        await asyncio.sleep(0)
