"""meminfo: every field of /proc/meminfo as a gauge; those in kB become bytes and say so in their name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from common.exposition import Family, gauge_of
from exporter.settings import Flag, Settings


class Meminfo:
    """The meminfo collector."""

    name: ClassVar[str] = "meminfo"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, settings: Settings) -> None:
        self._host = settings.host

    def collect(self) -> Iterator[Family]:
        for field, value in parse_meminfo(self._host.read_proc("meminfo")).items():
            yield gauge_of(f"node_memory_{field}", f"Memory information field {field}.", value)


def parse_meminfo(text: str) -> dict[str, int]:
    """The fields of the text of /proc/meminfo: `Active(anon): 4 kB` is `Active_anon_bytes` of 4096."""
    fields = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        value, *unit = rest.split()
        name = name.replace("(", "_").removesuffix(")")
        if unit:
            fields[f"{name}_bytes"] = int(value) * 1024
        else:
            fields[name] = int(value)
    return fields
