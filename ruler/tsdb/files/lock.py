"""One process for each directory: a lock file that the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from common.errors import StartError


class DirectoryLock:
    """A DirectoryLock is held from its making until `release`; it raises StartError when another process holds it."""

    def __init__(self, directory: Path) -> None:
        path = directory / "lock"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StartError(f"{directory}: cannot be written: {error.strerror}") from None
        if not _taken(self._descriptor):
            os.close(self._descriptor)
            raise _in_use(directory)
        pid = f"{os.getpid()}\n".encode()
        with contextlib.suppress(OSError):  # a full disk must not keep the program from starting
            os.pwrite(self._descriptor, pid, 0)  # over the last pid, which takes no room
            os.ftruncate(self._descriptor, len(pid))

    def release(self) -> None:
        os.close(self._descriptor)


def refuse_second(directory: Path) -> None:
    """Raise StartError if another process holds `directory`: a second one need not load everything to find out."""
    try:
        descriptor = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return  # whoever opens the directory says what is wrong with it
    try:
        if not _taken(descriptor):
            raise _in_use(directory)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    for wait in (0.01, 0.04, 0.0):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(wait)  # it may be held for a moment by one that only looks
        else:
            return True
    return False


def _in_use(directory: Path) -> StartError:
    with contextlib.suppress(OSError):
        holder = (directory / "lock").read_text(encoding="ascii", errors="replace").strip()
        return StartError(f"{directory}: in use by another process: pid {holder}")
    return StartError(f"{directory}: in use by another process")
