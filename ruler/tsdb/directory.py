"""The directory of a database: its lock, labels, pages, chunks and keeper, opened in order and closed in reverse.

lock                 the pid of the process that has it open
00000001.series …    labels of live series (serieslog.py)
00000002.page …      what is being written, and was until lately (page.py)
00000001.chunk …     what is older (chunkfile.py)
erasures             what was deleted and is still in some of them (erase.py)
*.corrupt            what could not be read, set aside
"""

from __future__ import annotations

from pathlib import Path

from common.clock import Clock
from common.errors import StartError
from ruler.tsdb.files.chunk import Chunk
from ruler.tsdb.files.chunkfiles import ChunkFiles
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.files.lock import DirectoryLock
from ruler.tsdb.files.page import NewerVersionError, Page, Weights
from ruler.tsdb.files.pagefiles import PageFiles
from ruler.tsdb.files.serieslog import open_log
from ruler.tsdb.health import Health
from ruler.tsdb.keep.erase import Erasures
from ruler.tsdb.keep.keeper import Keeper
from ruler.tsdb.labels.index import Index


class Contents:
    """Contents are what a directory holds, read into `leaves`; raises OSError or NewerVersionError.

    Damage is reported to `health`.
    """

    def __init__(
        self, path: Path, disk: Disk, index: Index, weights: Weights, erasures: Erasures, health: Health
    ) -> None:
        erasures.load(path, disk, health)
        self.labels = open_log(path, disk, index, health.damaged)
        self.chunks = ChunkFiles(path, disk, health)
        chunks = self.chunks.read_all()
        superseded = {number for chunk in chunks for number in (chunk.number, *chunk.header.superseded)}
        self.pages = PageFiles(path, disk, self.labels, health)
        pages, top = self.pages.read_all(superseded, max(superseded, default=0), index.known, weights)
        index.reserve(max([top, *(chunk.header.top for chunk in chunks)]))
        self.leaves: list[Page | Chunk] = [*chunks, *pages]


class Directory:
    """A Directory is the files of an open database, and the two threads that look after them."""

    def __init__(self, path: Path, disk: Disk, index: Index, weights: Weights, erasures: Erasures) -> None:
        """Open it, and read what earlier processes left into `leaves`; raises StartError."""
        self.path, self.disk, self.health = path, disk, Health()
        lock: DirectoryLock | None = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = DirectoryLock(path)
            contents = Contents(path, disk, index, weights, erasures, self.health)
        except (OSError, NewerVersionError) as error:
            if lock is not None:
                lock.release()
            if isinstance(error, FileExistsError):
                raise StartError(f"{path}: not a directory") from None
            problem = f"cannot be used: {error.strerror}" if isinstance(error, OSError) else str(error)
            raise StartError(f"{path}: {problem}") from None
        self._lock = lock
        self.labels, self.chunks, self.pages = contents.labels, contents.chunks, contents.pages
        self.leaves = contents.leaves

    def start(self, keeper: Keeper, clock: Clock) -> None:
        """Have the files looked after from now on."""
        self._keeper = keeper
        self.pages.start()
        keeper.start(clock)

    def close(self) -> None:
        """Make everything durable and let go of it."""
        self._keeper.close()
        try:
            self.labels.flush()
        except OSError as error:
            self.pages.failed(error)
        self.pages.close()
        self.labels.close()
        self._lock.release()
