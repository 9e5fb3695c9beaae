"""What several stages ask of a file system: names that last, and its size."""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss: without it, a new file may not be found after one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
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
