"""thermal_zone: the temperature of each thermal zone, and how hard each cooling device works, from sysfs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from common.exposition import Family, gauge
from exporter.host import attribute_or, entries, read_attribute
from exporter.settings import ExporterSettings, Flag

ZONE, DEVICE = "thermal_zone", "cooling_device"


class ThermalZone:
    """The thermal_zone collector."""

    name: ClassVar[str] = "thermal_zone"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host

    def collect(self) -> Iterator[Family]:
        base = f"{self._host.sys}/class/thermal"
        zones, current, maximum = [], [], []
        for entry in entries(base):
            path = f"{base}/{entry}"
            type_ = attribute_or(f"{path}/type", "")
            if entry.startswith(ZONE):
                try:
                    temperature = int(read_attribute(f"{path}/temp"))
                except OSError:  # a zone that is switched off refuses to be read
                    continue
                zones.append(((type_, entry.removeprefix(ZONE)), temperature / 1000))
            elif entry.startswith(DEVICE):
                labels = (entry.removeprefix(DEVICE), type_)
                current.append((labels, int(read_attribute(f"{path}/cur_state"))))
                maximum.append((labels, int(read_attribute(f"{path}/max_state"))))
        yield gauge(
            "node_thermal_zone_temp",
            "Temperature of the thermal zone, in degrees Celsius.",
            ("type", "zone"),
            zones,
        )
        yield gauge(
            "node_cooling_device_cur_state", "How hard the cooling device works now.", ("name", "type"), current
        )
        yield gauge("node_cooling_device_max_state", "How hard the cooling device can work.", ("name", "type"), maximum)
