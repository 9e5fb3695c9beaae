"""Where chunks come from and go to: files of a directory, or memory while the directory takes none.

Only one thread seals, merges and removes (the keeper); any thread reads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from ruler.tsdb.files.chunk import Cache, Chunk
from ruler.tsdb.files.chunkfile import (
    HEADER_SIZE,
    SUFFIX,
    CorruptChunkError,
    FileSink,
    Header,
    MemorySink,
    Sink,
    read_header,
)
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.health import Health
from ruler.tsdb.write.memory import cache_that_fits


class ChunkFiles:
    """ChunkFiles are the chunks of one directory."""

    def __init__(self, directory: Path, disk: Disk, health: Health) -> None:
        self._directory, self._disk, self._health = directory, disk, health
        self._cache = Cache(cache_that_fits())

    def read_all(self) -> list[Chunk]:
        """A handle of every chunk that earlier processes left and no other supersedes, oldest number first."""
        for unfinished in self._directory.glob("*.tmp"):
            with contextlib.suppress(OSError):
                self._disk.remove(unfinished)
        found: dict[int, Chunk] = {}
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            try:
                header, size = self._header(path)
            except (CorruptChunkError, OSError) as error:
                self._health.corrupt(path, str(error))
                continue
            found[header.number] = self._handle(header, path, size)
        for number in [number for number, chunk in found.items() if _unfinished(chunk.header, found)]:
            self._unlink(found.pop(number))
        for number in {source for chunk in found.values() for source in chunk.header.superseded}:
            if number in found:
                self._unlink(found.pop(number))
        return list(found.values())

    def sink(self, number: int) -> Sink:
        """Where to write the chunk with this number. May raise OSError."""
        return MemorySink() if self._health.degraded else self.file_sink(number)

    def file_sink(self, number: int) -> FileSink:
        """The same, whatever there was of the disk to complain about. May raise OSError."""
        return FileSink(self._disk, self._path(number))

    def published(self, header: Header, sink: Sink, size: int) -> Chunk:
        """The chunk that was written to a sink."""
        source = bytes(sink.content) if isinstance(sink, MemorySink) else self._path(header.number)
        return self._handle(header, source, size)

    def move_in(self, chunk: Chunk, content: bytes) -> Chunk:
        """Write a chunk that is in memory to its file. May raise OSError."""
        sink = FileSink(self._disk, self._path(chunk.number))
        try:
            sink.write(content, 0)
            sink.publish(len(content))
        except OSError:
            sink.discard()
            raise
        return self._handle(chunk.header, self._path(chunk.number), chunk.size)

    def remove(self, chunk: Chunk) -> None:
        """Remove the file of a chunk that no ring has any more; readers who hold it have it to the end."""
        chunk.outlive()
        self._unlink(chunk)

    def _unlink(self, chunk: Chunk) -> None:
        if chunk.path is not None:
            with contextlib.suppress(OSError):
                self._disk.remove(chunk.path)

    def _header(self, path: Path) -> tuple[Header, int]:
        with path.open("rb") as file:
            front = file.read(HEADER_SIZE)
            size = file.seek(0, 2)
            file.seek(max(0, size - HEADER_SIZE))
            header, intact = read_header(front, file.read(HEADER_SIZE))
        if not intact:
            self._health.damaged(path, "one of two headers is damaged")
        return header, size

    def _handle(self, header: Header, source: Path | bytes, size: int) -> Chunk:
        return Chunk(header, source, size, self._cache, self._health.damaged)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:08d}{SUFFIX}"


def _unfinished(header: Header, found: Mapping[int, Chunk]) -> bool:
    """Whether a crash came before all chunks were there that replace their sources together."""
    awaited = header.awaited
    return awaited is not None and awaited not in found and any(number in found for number in header.superseded)
