"""`tocsin check service-discovery` beside promtool's: the same targets with the same labels, from the same sources."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ruler.scrape.discovery.daemon import Daemon, daemon
from tests.ruler.scrape.world import PageServer, answer, page_server

JSON = "application/json"
RULES = [
    {"source_labels": ["__address__"], "regex": ".*:5432", "action": "drop"},
    {"source_labels": ["__meta_docker_container_name"], "regex": "/(.+)", "target_label": "container"},
    {"source_labels": ["__meta_filepath"], "regex": ".*/(.+)[.]json", "target_label": "file"},
]


STATIC = {
    "job_name": "static",  # promtool falls over static targets beside other sources
    "relabel_configs": [{"source_labels": ["__address__"], "regex": "s:2", "action": "drop"}],
    "static_configs": [{"targets": ["s:1", "s:2"], "labels": {"a": "b", "empty": ""}}, {"targets": ["s:1"]}],
}


def sources(folder: Path, docker: Daemon, server: PageServer) -> dict[str, Any]:
    """A job with every kind of source that a test can have."""
    server.pages["/list"] = answer(
        b'[{"targets": ["h:1"], "labels": {"x": "y", "__scheme__": "https"}}]', content_type=JSON
    )
    (folder / "hosts.json").write_text('[{"targets": ["f:1", "f:1"], "labels": {"__param_module": "icmp"}}]')
    (folder / ".hidden.yml").write_text("- targets: ['g:1']\n  labels: {__metrics_path__: /m, __meta_filepath: mine}\n")
    return {
        "job_name": "sources",
        "params": {"module": ["http"]},
        "relabel_configs": RULES,
        "file_sd_configs": [{"files": [f"{folder}/*.json", f"{folder}/*.yml"]}],
        "http_sd_configs": [{"url": f"http://{server.address}/list"}],
        "docker_sd_configs": [
            {"host": f"unix://{docker.socket}", "port": 8000, "host_networking_host": "10.0.0.9"},
            {"host": f"tcp://127.0.0.1:{docker.port}", "match_first_network": False},
            {"host": f"http://127.0.0.1:{docker.port}", "filters": [{"name": "label", "values": ["a"]}]},
        ],
    }


def beside(folder: Path, use: Callable[[Daemon, PageServer], Awaitable[None]]) -> None:
    async def run() -> None:
        async with daemon(folder) as docker, page_server() as server:
            await use(docker, server)

    asyncio.run(run())


async def said(*command: str) -> tuple[int, str, str]:
    """How a program ended, and what it said."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def ours(*arguments: str) -> tuple[int, str, str]:
    return await said(sys.executable, "-m", "tocsin", "check", "service-discovery", *arguments)


def in_order(results: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(result, sort_keys=True) for result in results)


@pytest.mark.parametrize(("job", "least"), [("static", 3), ("sources", 16)])
def test_the_same_is_discovered_as_by_promtool(tmp_path: Path, peers: Path, job: str, least: int) -> None:
    """Containers, lists and files give the same targets with the same labels, before and after relabelling."""

    async def use(docker: Daemon, server: PageServer) -> None:
        config = tmp_path / "prometheus.yml"
        folder = tmp_path / "targets"
        folder.mkdir()
        config.write_text(yaml.safe_dump({"scrape_configs": [STATIC, sources(folder, docker, server)]}))
        command = ("check", "service-discovery", "--timeout=1500ms", str(config), job)
        (_, theirs, trouble), (_, mine, problems) = await asyncio.gather(
            said(str(peers / "promtool"), *command), ours("--timeout=10s", str(config), job)
        )
        assert "" == problems
        assert theirs, trouble
        assert in_order(json.loads(theirs)) == in_order(json.loads(mine))
        assert least <= len(json.loads(mine))

    beside(tmp_path, use)


def test_what_cannot_be_discovered_is_said(tmp_path: Path) -> None:
    """A source that fails is one line beside the targets of the others; the exit code is promtool's."""

    async def use(docker: Daemon, server: PageServer) -> None:
        config = tmp_path / "prometheus.yml"
        server.pages["/none"] = None
        docker.pages = {}
        urls = (f"http://{server.address}/list", f"http://{server.address}/none")
        job = {
            "job_name": "j",
            "static_configs": [{"targets": ["s:1", "bad:1"]}],
            "http_sd_configs": [{"url": url} for url in urls],
            "docker_sd_configs": [{"host": f"unix://{docker.socket}"}],
            "relabel_configs": [
                {"source_labels": ["__address__"], "regex": "bad:1", "target_label": "__scheme__", "replacement": "ftp"}
            ],
        }
        config.write_text(yaml.safe_dump({"scrape_configs": [job]}))
        code, out, err = await ours("--timeout=1s", str(config), "j")
        assert (0, ["s:1", "bad:1"]) == (code, [each["discoveredLabels"]["__address__"] for each in json.loads(out)])
        assert [None, "invalid scheme: 'ftp'"] == [each.get("error") for each in json.loads(out)]
        assert [
            "http: unable to discover targets: server returned HTTP status 404 Not Found",
            "http: unable to discover targets: no answer in 1 s",
            "docker: unable to discover targets: docker: /_ping: HTTP status 404 Not Found: page not found",
        ] == err.splitlines()

    beside(tmp_path, use)


@pytest.mark.parametrize("name", ["nope", ""])
def test_a_job_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    """The jobs that there are are named, and the exit code is 1."""
    config = tmp_path / "prometheus.yml"
    config.write_text("scrape_configs: [{job_name: one}, {job_name: two}]")
    code, out, err = asyncio.run(ours(str(config), name))
    assert (1, "", f"Error: Job {name} not found. Select one of:\n\tone\n\ttwo\n") == (code, out, err)


def test_a_config_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    """The error is that of `check config`, and the exit code is 1."""
    config = tmp_path / "prometheus.yml"
    config.write_text("scrape_configs: [{job_name: one, nonsense: 1}]")
    code, _, err = asyncio.run(ours(str(config), "one"))
    assert 1 == code
    assert "nonsense" in err
