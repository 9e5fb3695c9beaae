"""netdev: bytes, packets and faults of each network device, from /proc/net/dev (and sysfs for what it lacks)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from common.exposition import Family, counter
from exporter.host import attribute_or
from exporter.settings import ExporterSettings, Flag, filter_of

RECEIVE = ("bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast")
TRANSMIT = ("bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed")
FIELDS = tuple(f"receive_{field}" for field in RECEIVE) + tuple(f"transmit_{field}" for field in TRANSMIT)

INCLUDE = Flag("netdev.device-include", "expression of network devices to give; not with -exclude")
EXCLUDE = Flag("netdev.device-exclude", "expression of network devices to leave out; not with -include")


class Netdev:
    """The netdev collector."""

    name: ClassVar[str] = "netdev"
    flags: ClassVar[tuple[Flag, ...]] = (INCLUDE, EXCLUDE)

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host
        self._devices = filter_of(settings, INCLUDE, EXCLUDE)

    def collect(self) -> Iterator[Family]:
        text = self._host.read_proc("net/dev")
        devices = {device: row for device, row in parse_netdev(text).items() if self._devices.lets(device)}
        for column, field in enumerate(FIELDS):
            pairs = [((device,), row[column]) for device, row in devices.items()]
            yield counter(f"node_network_{field}_total", f"Network device statistic {field}.", ("device",), pairs)
        unhandled = {
            device: attribute_or(f"{self._host.sys}/class/net/{device}/statistics/rx_nohandler", "")
            for device in devices
        }
        yield counter(
            "node_network_receive_nohandler_total",
            "Network device statistic receive_nohandler.",
            ("device",),
            [((device,), int(count)) for device, count in unhandled.items() if count],
        )


def parse_netdev(text: str) -> dict[str, tuple[int, ...]]:
    """The FIELDS of each device in the text of /proc/net/dev, whose first two lines are headings."""
    devices = {}
    for line in text.splitlines()[2:]:
        device, _, counts = line.rpartition(":")
        devices[device.strip()] = tuple(int(count) for count in counts.split()[: len(FIELDS)])
    return devices
