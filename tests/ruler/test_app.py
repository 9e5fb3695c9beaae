"""A reload changes what its files say, and what they say no more falls back to the flags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import ManualClock
from common.durations import DAY, MINUTE
from ruler.app import Ruler
from ruler.settings import RulerSettings

NOW = 1_700_000_000_000


@pytest.fixture
def ruler(tmp_path: Path) -> Iterator[Ruler]:
    config = tmp_path / "prometheus.yml"
    config.write_text("storage: {tsdb: {retention: {time: 30d, size: 2GB}}}", encoding="utf-8")
    settings = RulerSettings(config_file=config, storage=tmp_path / "data", retention_time=3 * DAY)
    ruler = Ruler(settings, ManualClock(NOW))
    yield ruler
    ruler.stop()


def test_retention_follows_the_files(ruler: Ruler, tmp_path: Path) -> None:
    """The status tells what holds, and the storage keeps to it, from the reload on."""

    def told() -> str:
        return str(ruler._runtime()["storageRetention"])

    assert "30d or 2GiB" == told()
    config = tmp_path / "prometheus.yml"
    config.write_text("storage: {tsdb: {retention: {time: 1d}, out_of_order_time_window: 30m}}", encoding="utf-8")
    ruler.reload()
    assert ("1d", 30 * MINUTE) == (told(), ruler._db.out_of_order_window)
    config.write_text("", encoding="utf-8")
    ruler.reload()
    assert ("3d", 0) == (told(), ruler._db.out_of_order_window)
