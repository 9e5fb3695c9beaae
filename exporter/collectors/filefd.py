"""filefd: open file handles of the whole host and their limit, from /proc/sys/fs/file-nr."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from common.exposition import Family, gauge_of
from exporter.settings import ExporterSettings, Flag


class Filefd:
    """The filefd collector."""

    name: ClassVar[str] = "filefd"
    flags: ClassVar[tuple[Flag, ...]] = ()

    def __init__(self, settings: ExporterSettings) -> None:
        self._host = settings.host

    def collect(self) -> Iterator[Family]:
        allocated, maximum = parse_filefd(self._host.read_proc("sys/fs/file-nr"))
        yield gauge_of("node_filefd_allocated", "File handles that are allocated.", allocated)
        yield gauge_of("node_filefd_maximum", "File handles that may be allocated.", maximum)


def parse_filefd(text: str) -> tuple[int, int]:
    """The (allocated, maximum) of the text of /proc/sys/fs/file-nr; the free count between them is always 0."""
    allocated, _, maximum = text.split()
    return int(allocated), int(maximum)
