"""What several stages ask of a file system: names that last, and its size."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Make a file, or the names in a directory, survive a power loss: without those a new file may not be found."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_of_disk(path: Path) -> int:
    """The bytes of the whole file system that `path` is on, or will be on once it is made."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    stat = os.statvfs(path)
    return stat.f_blocks * stat.f_frsize
