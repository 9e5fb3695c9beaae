"""meminfo: the fields of /proc/meminfo as gauges; those in kB become bytes and say so in their name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from common.exposition import Family, gauge_of
from exporter.settings import ExporterSettings, Flag

# What node_exporter gives: since 1.9 a fixed list, so that a new kernel does not bring new names.
FIELDS = frozenset(
    """
    Active Active(anon) Active(file) AnonHugePages AnonPages Bounce Buffers Cached CmaFree CmaTotal CommitLimit
    Committed_AS DirectMap1G DirectMap2M DirectMap4k Dirty HardwareCorrupted HugePages_Free HugePages_Rsvd
    HugePages_Surp HugePages_Total Hugepagesize Inactive Inactive(anon) Inactive(file) KernelStack Mapped MemAvailable
    MemFree MemTotal Mlocked NFS_Unstable PageTables Percpu SReclaimable SUnreclaim Shmem ShmemHugePages
    ShmemPmdMapped Slab SwapCached SwapFree SwapTotal Unevictable VmallocChunk VmallocTotal VmallocUsed Writeback
    WritebackTmp Zswap Zswapped
    """.split()  # noqa: SIM905  (a list of words reads best as words)
)


class Meminfo:
    """The meminfo collector."""

    name: ClassVar[str] = "meminfo"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host

    def collect(self) -> Iterator[Family]:
        for field, value in parse_meminfo(self._host.read_proc("meminfo")).items():
            yield gauge_of(f"node_memory_{field}", f"Memory information field {field}.", value)


def parse_meminfo(text: str) -> dict[str, int]:
    """The FIELDS in the text of /proc/meminfo: `Active(anon): 4 kB` is `Active_anon_bytes` of 4096."""
    fields = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name not in FIELDS:
            continue
        value, *unit = rest.split()
        name = name.replace("(", "_").removesuffix(")")
        if unit:
            fields[f"{name}_bytes"] = int(value) * 1024
        else:
            fields[name] = int(value)
    return fields
