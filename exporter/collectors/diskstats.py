"""diskstats: what each block device has read, written, discarded and flushed, from /proc/diskstats, and what it is.

A kernel gives the first 11, 15 or 17 of the FIELDS; a device has no sample of a field that its line lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from common.exposition import Family, counter, gauge
from exporter.host import attribute_or, read_text
from exporter.settings import ExporterSettings, Flag, filter_of

SECTOR, MILLISECOND, ONE = 512, 0.001, 1

INCLUDE = Flag("diskstats.device-include", "expression of block devices to give; not with -exclude")
EXCLUDE = Flag(
    "diskstats.device-exclude",
    "expression of block devices to leave out; not with -include",
    default=r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
)

# (name, unit of the kernel's number, sentence), in the order of the line
FIELDS = (
    ("reads_completed_total", ONE, "Reads that were completed."),
    ("reads_merged_total", ONE, "Reads that were merged into others."),
    ("read_bytes_total", SECTOR, "Bytes read."),
    ("read_time_seconds_total", MILLISECOND, "Seconds that all reads took together."),
    ("writes_completed_total", ONE, "Writes that were completed."),
    ("writes_merged_total", ONE, "Writes that were merged into others."),
    ("written_bytes_total", SECTOR, "Bytes written."),
    ("write_time_seconds_total", MILLISECOND, "Seconds that all writes took together."),
    ("io_now", ONE, "Requests under way."),
    ("io_time_seconds_total", MILLISECOND, "Seconds during which any request was under way."),
    ("io_time_weighted_seconds_total", MILLISECOND, "Seconds that all requests took together, waiting included."),
    ("discards_completed_total", ONE, "Discards that were completed."),
    ("discards_merged_total", ONE, "Discards that were merged into others."),
    ("discarded_sectors_total", ONE, "Sectors discarded."),
    ("discard_time_seconds_total", MILLISECOND, "Seconds that all discards took together."),
    ("flush_requests_total", ONE, "Flush requests that were completed."),
    ("flush_requests_time_seconds_total", MILLISECOND, "Seconds that all flush requests took together."),
)
INFO = ("device", "major", "minor", "model", "path", "revision", "rotational", "serial", "wwn")
ATA = (
    ("ata_rotation_rate_rpm", "ID_ATA_ROTATION_RATE_RPM", "Rotations of an ATA disk a minute; 0 for one without."),
    ("ata_write_cache", "ID_ATA_WRITE_CACHE", "Whether an ATA disk has a write cache."),
    ("ata_write_cache_enabled", "ID_ATA_WRITE_CACHE_ENABLED", "Whether the write cache of an ATA disk is on."),
)


@dataclass(frozen=True, slots=True)
class Disk:
    """A Disk is one line of /proc/diskstats: a block device and its numbers."""

    device: str
    major: str
    minor: str
    counts: tuple[int, ...]


class Diskstats:
    """The diskstats collector."""

    name: ClassVar[str] = "diskstats"
    flags: ClassVar[tuple[Flag, ...]] = (INCLUDE, EXCLUDE)

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host
        self._devices = filter_of(settings, INCLUDE, EXCLUDE)

    def collect(self) -> Iterator[Family]:
        disks = [disk for disk in parse_diskstats(self._host.read_proc("diskstats")) if self._devices.lets(disk.device)]
        properties = {disk.device: self._properties(disk) for disk in disks}
        yield self._info(disks, properties)
        for column, (field, unit, text) in enumerate(FIELDS):
            make = gauge if field == "io_now" else counter
            pairs = [((disk.device,), disk.counts[column] * unit) for disk in disks if column < len(disk.counts)]
            yield make(f"node_disk_{field}", text, ("device",), pairs)
        yield from described(properties)

    def _info(self, disks: list[Disk], properties: dict[str, dict[str, str]]) -> Family:
        rows = []
        for disk in disks:
            known = properties[disk.device]
            serial = known.get("SCSI_IDENT_SERIAL") or known.get("ID_SERIAL_SHORT") or known.get("ID_SERIAL", "")
            rotational = attribute_or(f"{self._host.sys}/block/{disk.device}/queue/rotational", "0")
            values = (
                disk.device, disk.major, disk.minor, known.get("ID_MODEL", ""), known.get("ID_PATH", ""),
                known.get("ID_REVISION", ""), rotational, serial, known.get("ID_WWN", ""),
            )  # fmt: skip
            rows.append((values, 1))
        return gauge("node_disk_info", "What each block device is, as labels.", INFO, rows)

    def _properties(self, disk: Disk) -> dict[str, str]:
        try:
            return parse_udev(read_text(f"{self._host.udev}/b{disk.major}:{disk.minor}"))
        except OSError:  # no udev here, or nothing known of the device
            return {}


def described(properties: dict[str, dict[str, str]]) -> Iterator[Family]:
    """What udev says of each device's content, mapping and ATA features."""
    filesystems: list[tuple[tuple[str, ...], float]] = [
        ((device, known["ID_FS_TYPE"], *(known.get(f"ID_FS_{key}", "") for key in ("USAGE", "UUID", "VERSION"))), 1)
        for device, known in properties.items()
        if known.get("ID_FS_TYPE")
    ]
    yield gauge(
        "node_disk_filesystem_info",
        "What filesystem is on each block device.",
        ("device", "type", "usage", "uuid", "version"),
        filesystems,
    )
    mapped: list[tuple[tuple[str, ...], float]] = [
        ((device, *(known.get(f"DM_{key}", "") for key in ("LV_LAYER", "LV_NAME", "NAME", "UUID", "VG_NAME"))), 1)
        for device, known in properties.items()
        if known.get("DM_NAME")
    ]
    yield gauge(
        "node_disk_device_mapper_info",
        "What each device-mapper device is, as labels.",
        ("device", "lv_layer", "lv_name", "name", "uuid", "vg_name"),
        mapped,
    )
    for name, key, text in ATA:
        pairs = [
            ((device,), float(known[key]))
            for device, known in properties.items()
            if known.get("ID_ATA") and known.get(key, "").isdecimal()
        ]
        yield gauge(f"node_disk_{name}", text, ("device",), pairs)


def parse_diskstats(text: str) -> list[Disk]:
    """The Disks in the text of /proc/diskstats."""
    disks = []
    for line in text.splitlines():
        major, minor, device, *counts = line.split()
        disks.append(Disk(device, major, minor, tuple(int(count) for count in counts[: len(FIELDS)])))
    return disks


def parse_udev(text: str) -> dict[str, str]:
    """The properties (lines `E:KEY=value`) in the text of a file of udev's database."""
    lines = [line[2:].partition("=") for line in text.splitlines() if line.startswith("E:")]
    return {key: value for key, _, value in lines}
