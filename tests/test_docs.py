"""All that a user can set, call or scrape is in README or docs/: flags, keys, endpoints, metrics, functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import pytest
import requests

from common.clock import ManualClock
from common.serving import HttpServer, Listener, bind
from receiver.app import Receiver, ReceiverSettings
from ruler.app import Ruler
from ruler.config import PrometheusSettings, TocsinSettings
from ruler.promql.signatures import SIGNATURES
from ruler.rule.config import RuleFileSettings
from ruler.settings import RulerSettings
from tocsin.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCS = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def commands() -> Iterator[tuple[str, click.Command]]:
    for name, (module, attribute, _) in COMMANDS.items():
        command = getattr(import_module(module), attribute)
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", each) for below, each in command.commands.items())
        else:
            yield name, command


def settings_of(type_: Any, seen: set[type]) -> Iterator[tuple[str, str]]:
    """(block, key) of every key that a settings type, and those inside it, have."""
    for argument in get_args(type_):
        yield from settings_of(argument, seen)
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct) and type_ not in seen:
        seen.add(type_)
        for field in msgspec.structs.fields(type_):
            yield type_.__name__, field.encode_name
            yield from settings_of(field.type, seen)


@pytest.fixture(scope="module")
def ruler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ruler]:
    config = tmp_path_factory.mktemp("docs") / "prometheus.yml"
    config.write_text("scrape_configs: []\n", encoding="utf-8")
    ruler = Ruler(RulerSettings(config_file=config), ManualClock(1_700_000_000_000))
    for thread in (ruler._loop._thread, ruler._database._thread):
        thread.name = f"shared-{thread.name}"
    yield ruler
    ruler.stop()


def test_every_flag_is_documented() -> None:
    """`--help` says nothing that the docs do not."""
    missing = [
        f"{name} {option}"
        for name, command in commands()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--") and not re.search(rf"{re.escape(option)}\b", DOCS)
    ]
    assert [] == missing


def test_every_environment_variable_is_documented() -> None:
    """Whatever reads the environment is named."""
    sources = [
        path
        for folder in ("common", "exporter", "receiver", "ruler", "tocsin")
        for path in (ROOT / folder).rglob("*.py")
    ]
    named = {name for path in sources for name in re.findall(r"\bTOCSIN_[A-Z_]+\b", path.read_text(encoding="utf-8"))}
    assert [] == sorted(name for name in named if name not in DOCS)


@pytest.mark.parametrize("file", [PrometheusSettings, TocsinSettings, RuleFileSettings])
def test_every_config_key_is_documented(file: type) -> None:
    """A key that is accepted is explained."""
    missing = [f"{block}.{key}" for block, key in settings_of(file, set()) if f"`{key}`" not in DOCS]
    assert [] == missing


def test_every_endpoint_of_the_ruler_is_documented(ruler: Ruler) -> None:
    """What answers is in the list of what answers."""
    paths = {re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", rule.rule) for rule in ruler._front.flask.url_map.iter_rules()}
    assert [] == sorted(path for path in paths if "<rest>" not in path and f"`{path}`" not in DOCS)


def own_metrics(page: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", page, re.MULTILINE))


def test_every_own_metric_is_documented(ruler: Ruler) -> None:
    """Each family on the ruler's and the receiver's /metrics is explained."""
    receiver = Receiver(ReceiverSettings(), ManualClock(1_700_000_000_000))
    server = HttpServer(
        [
            Listener("ruler", bind("127.0.0.1:0", "ruler"), ruler.app),
            Listener("receiver", bind("127.0.0.1:0", "receiver"), receiver.app),
        ]
    )
    server.start()
    try:
        families = set().union(
            *(own_metrics(requests.get(f"http://{each}/metrics", timeout=5).text) for each in server.addresses)
        )
    finally:
        server.stop()
        receiver.close()
    usual = ("process_", "python_", "promhttp_")
    assert [] == sorted(
        name
        for name in families
        if not name.startswith(usual) and not name.endswith("_created") and f"`{name}`" not in DOCS
    )


def test_every_promql_function_is_documented() -> None:
    """The list of functions is complete."""
    assert [] == sorted(name for name in SIGNATURES if f"`{name}`" not in DOCS)


def test_links_between_pages_lead_somewhere() -> None:
    """No page links to a file that is not there."""
    broken = [
        f"{page.name}: {target}"
        for page in (*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md")
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert [] == broken
