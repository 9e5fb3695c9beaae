"""The collectors of other systems: psutil answers here too, so here they are tried."""

from __future__ import annotations

import pytest

from exporter.collectors import Collector
from exporter.collectors.portable import Boottime, Cpu, Diskstats, Filesystem, Meminfo, Netdev
from exporter.settings import ExporterSettings
from tests.exporter.pages import page_of

PORTABLE = (Boottime, Cpu, Diskstats, Filesystem, Meminfo, Netdev)


@pytest.mark.parametrize("collector", PORTABLE, ids=[collector.name for collector in PORTABLE])
def test_names_are_those_of_the_field(collector: type[Collector]) -> None:
    """Each gives families of node_exporter, counters in _total, every value finite."""
    page = page_of(collector(ExporterSettings()).collect())
    assert page.types
    for name, type_ in page.types.items():
        assert name.startswith("node_")
        assert ("counter" == type_) == name.endswith("_total")
    assert all(value >= 0 for value in page.values.values())


def test_filesystems_have_sizes() -> None:
    """Mounts of psutil go the way of those of Linux."""
    page = page_of(Filesystem(ExporterSettings()).collect())
    assert any(labels["mountpoint"] == "/" for labels in page.values)
    assert set(page.of("node_filesystem_size_bytes").values()) != {0.0}


def test_devices_can_be_chosen() -> None:
    """The flags of the filters are the same."""
    page = page_of(Netdev(ExporterSettings(flags={"netdev.device-include": "^lo$"})).collect())
    assert {"lo"} == {labels["device"] for labels in page.values}
