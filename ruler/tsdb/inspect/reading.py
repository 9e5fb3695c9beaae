"""Reading a directory without changing anything there: one that no process has, or a snapshot.

A page that has been cut short is read from a copy of its full length; what is damaged is told of, and left as it is.
"""

from __future__ import annotations

import errno
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import StartError
from ruler.tsdb.directory import Contents
from ruler.tsdb.files.chunkfile import SUFFIX as CHUNKS
from ruler.tsdb.files.disk import Data, Disk
from ruler.tsdb.files.lock import refuse_second
from ruler.tsdb.files.page import NewerVersionError, Weights
from ruler.tsdb.files.pagefiles import SUFFIX as PAGES
from ruler.tsdb.files.salvage import Damage
from ruler.tsdb.files.serieslog import SUFFIX as SERIES
from ruler.tsdb.health import Health
from ruler.tsdb.keep.erase import Erasures
from ruler.tsdb.labels.index import Index

COPIED_AT_ONCE = 1 << 20


class DiskToRead(Disk):
    """A DiskToRead opens files to read, passes over what would tidy up, and refuses what would write."""

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def resize(self, descriptor: int, size: int) -> None:
        """Put a copy of the file, of this size, in its place behind the descriptor."""
        with tempfile.TemporaryFile() as copy:
            at = 0
            while data := os.pread(descriptor, COPIED_AT_ONCE, at):
                copy.write(data)
                at += len(data)
            copy.truncate(size)
            copy.flush()
            os.dup2(copy.fileno(), descriptor, inheritable=False)

    def write(self, descriptor: int, data: Data, offset: int, size: int) -> None:  # noqa: ARG002  (refused)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def remove(self, path: Path) -> None:
        """What crashed processes have left over stays."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A Finding is something wrong with a file."""

    path: Path
    problem: str


@dataclass(slots=True)
class Findings(Health):
    """Findings are a Health that remembers what was wrong, and sets nothing aside."""

    found: list[Finding] = field(default_factory=list)

    def damaged(self, path: Path | None, problem: str, damage: bytes = b"") -> None:  # noqa: ARG002  (stays there)
        self.damaged_blocks += 1
        if path is not None:
            self.found.append(Finding(path, problem))

    def page(self, path: Path, damage: Damage) -> None:
        counts = (
            (damage.cut_short, "it has been cut short"),
            (damage.rows, f"rows that do not match their check, which are left out: {damage.rows}"),
            (damage.columns, f"columns without labels, which are left out: {damage.columns}"),
            (damage.records, f"records of columns of which one copy is damaged: {damage.records}"),
        )
        self.unfinished_rows += damage.unfinished
        self.found += [Finding(path, problem) for count, problem in counts if count]

    def corrupt(self, path: Path, problem: str) -> None:
        self.corrupt_files += 1
        self.found.append(Finding(path, f"cannot be read: {problem}"))


def contents_to_read(path: Path, index: Index, weights: Weights, erasures: Erasures, health: Health) -> Contents:
    """What a directory holds; raises StartError, also when a process has it."""
    if not path.is_dir():
        raise StartError(f"{path}: {'not a directory' if path.exists() else 'there is no such directory'}")
    if not any(each.suffix in (PAGES, CHUNKS, SERIES) for each in path.iterdir()):
        raise StartError(f"{path}: no database (it has no *{PAGES}, *{CHUNKS} or *{SERIES})")
    refuse_second(path)
    try:
        return Contents(path, DiskToRead(), index, weights, erasures, health)
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror}") from None
    except NewerVersionError as error:
        raise StartError(f"{path}: {error}") from None
