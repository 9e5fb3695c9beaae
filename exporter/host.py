"""The host: where its pseudo-files are, and how they are read. Parsing is the collectors' business.

Files of /proc and /sys are read whole or not at all; what a driver answers is never waited for twice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from common.clock import Clock, SystemClock
from common.errors import TocsinError

MAX_BYTES = 4 << 20
_SYSFS_BYTES = 4096  # sysfs shows at most a page for each attribute


class NoData(TocsinError):  # noqa: N818  (an outcome, not a fault)
    """The host has nothing of what a collector looks for."""


@dataclass(frozen=True, slots=True)
class Host:
    """A Host is the machine whose files are read: its /proc, /sys, root and udev data, and its clock."""

    proc: str = "/proc"
    sys: str = "/sys"
    root: str = "/"
    udev: str = "/run/udev/data"
    clock: Clock = field(default_factory=SystemClock)

    def read_proc(self, path: str) -> str:
        """The text of a file below /proc; raises OSError."""
        return read_text(f"{self.proc}/{path}")


def read_text(path: str) -> str:
    """The text of a file of at most MAX_BYTES; bytes that are not UTF-8 become U+FFFD. Raises OSError."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (a Path costs more than the read)
        pieces, size = [], 0
        while piece := file.read(65_536):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_BYTES:
                raise OSError(f"{path}: larger than {MAX_BYTES} bytes")
    return b"".join(pieces).decode("utf-8", "replace")


def read_attribute(path: str) -> str:
    """The value of a sysfs attribute, read once: a broken driver that says EAGAIN must not be asked for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, _SYSFS_BYTES).decode("utf-8", "replace").strip("\n")
    finally:
        os.close(descriptor)


def attribute_or(path: str, default: str) -> str:
    """The value of a sysfs attribute, or `default` where it cannot be read."""
    try:
        return read_attribute(path)
    except OSError:
        return default


def entries(directory: str) -> list[str]:
    """The names in a directory, sorted; none where there is no such directory. Raises OSError for all else."""
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
