"""Queries are answered before the rest of the street stands, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from common.labels import Labels
from ruler.app import Ruler
from ruler.core import Core
from ruler.settings import RulerSettings
from tests.asgi import AsgiClient

NOW = 1_700_000_000_000


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    config = tmp_path / "prometheus.yml"
    config.write_text("scrape_configs: []\n", encoding="utf-8")
    core = Core(RulerSettings(config_file=config, storage=tmp_path / "data"), ManualClock(NOW))
    core.db.stream("test", 15_000).append(
        NOW, NOW, core.db.series([Labels({"__name__": "up"})]), np.array([1.0], dtype=np.float64)
    )
    yield core
    core.close()


def counted(core: Core) -> str:
    answer = AsgiClient(core.app).get("/api/v1/query", query_string={"query": "count(up)"})
    assert 200 == answer.status_code
    [found] = answer.get_json()["data"]["result"]
    return str(found["value"][1])


def test_queries_come_first(core: Core) -> None:
    """Before the other stages are built samples can be asked for."""
    assert "1" == counted(core)


@pytest.mark.parametrize("path", ["/-/ready", "/", "/alerts", "/api/v1/targets", "/api/v1/rules", "/api/v2/alerts"])
def test_what_is_not_there_yet_is_called_unavailable(core: Core, path: str) -> None:
    """Nobody is told that there are no alerts, or no such page, while nobody knows: 503, and alive all the same."""
    client = core.front.flask.test_client()
    assert (503, 200) == (client.get(path).status_code, client.get("/-/healthy").status_code)


@pytest.mark.parametrize("path", ["/-/reload", "/api/v1/import", "/api/v2/alerts"])
def test_nothing_is_taken_in_yet(core: Core, path: str) -> None:
    """What is posted is refused with an answer that asks to try again."""
    assert 503 == core.front.flask.test_client().post(path).status_code


def test_the_ruler_goes_on_with_what_answers_already(core: Core) -> None:
    """Once every stage is built all is answered, from the same samples; it is ready when it has started."""
    ruler = Ruler(core.settings, core=core)
    client = core.front.flask.test_client()
    assert ("1", 200, 503) == (
        counted(core),
        client.get("/api/v1/rules").status_code,
        client.get("/-/ready").status_code,
    )
    ruler.start()
    assert 200 == client.get("/-/ready").status_code
    ruler.stop()
