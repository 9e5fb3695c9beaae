"""A disk of which the process dies: from its Nth call on nothing reaches it, so what is there is what a kill leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ruler.tsdb.files.disk import Data, Disk


class Death(BaseException):
    """The process is no more."""


class DyingDisk(Disk):
    """A DyingDisk dies at its call number `die_at`, counted from when it was armed; 0 never."""

    def __init__(self) -> None:
        self.die_at = self.calls = 0

    def arm(self, die_at: int) -> None:
        self.die_at, self.calls = die_at, 0

    @property
    def dead(self) -> bool:
        return bool(self.die_at) and self.calls >= self.die_at

    def _step(self) -> None:
        self.calls += 1
        if self.dead:
            raise Death

    def open(self, path: Path) -> int:
        self._step()
        return super().open(path)

    def resize(self, descriptor: int, size: int) -> None:
        self._step()
        super().resize(descriptor, size)

    def cut(self, descriptor: int, size: int) -> None:
        self._step()
        super().cut(descriptor, size)

    def write(self, descriptor: int, data: Data, offset: int, size: int) -> None:
        self._step()
        super().write(descriptor, data, offset, size)

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def sync_names(self, directory: Path) -> None:
        self._step()
        super().sync_names(directory)

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        super().rename(old, new)

    def link(self, old: Path, new: Path) -> None:
        self._step()
        super().link(old, new)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)


def every_death(run: Callable[[int], bool], most: int = 200) -> int:
    """Call `run` with 1, 2, … until it says that it came to its end without dying; how often it died."""
    for die_at in range(1, most):
        if run(die_at):
            return die_at - 1
    raise AssertionError(f"it dies still at call {most}")
