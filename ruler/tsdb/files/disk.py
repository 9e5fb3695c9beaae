"""The door to the file system: each call that can fail for lack of space, rights or luck is a method of Disk.

Tests put a Disk that fails in its place.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ruler.files import sync

Data = bytes | npt.NDArray[Any]

_datasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Disk:
    """The file system of the machine."""

    def open(self, path: Path) -> int:
        """A descriptor to read and write the file at `path`, made if there is none."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def resize(self, descriptor: int, size: int) -> None:
        """Give the file its size, with the room for it: where a hole is filled by reading it (tmpfs), a full disk would
        otherwise end the process (SIGBUS).
        """
        os.ftruncate(descriptor, size)
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(descriptor, 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise

    def cut(self, descriptor: int, size: int) -> None:
        """End the file at `size`."""
        os.ftruncate(descriptor, size)

    def write(self, descriptor: int, data: Data, offset: int, size: int) -> None:
        """Write all `size` bytes of `data`, or raise OSError."""
        if os.pwrite(descriptor, data, offset) != size:  # type: ignore[arg-type]  # typeshed knows no arrays
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self, descriptor: int) -> None:
        _datasync(descriptor)

    def forget(self, descriptor: int) -> None:
        """Let the system drop what it caches of the file, which is synced and not read soon."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def sync_names(self, directory: Path) -> None:
        sync(directory)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def link(self, old: Path, new: Path) -> None:
        """Give a file one more name."""
        os.link(old, new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def free(self, directory: Path) -> int:
        """How many bytes there is room for."""
        stat = os.statvfs(directory)
        return stat.f_bavail * stat.f_frsize
