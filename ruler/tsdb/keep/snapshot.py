"""Snapshots: the database as it is at a moment, in a directory of its own, while writing goes on.

Chunks are linked, not copied, for they never change; what is in pages is sealed into chunks of the snapshot. It is made
beside its place and renamed, so that there is never half of one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ruler.tsdb.files.chunk import Chunk
from ruler.tsdb.files.chunkfile import SUFFIX, FileSink
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.files.page import Page
from ruler.tsdb.keep.erase import Erasures
from ruler.tsdb.keep.seal import seal
from ruler.tsdb.labels.index import Index

FOLDER: Final = "snapshots"
UNFINISHED: Final = ".tmp"
COPIED_AT_ONCE: Final = 1 << 20


def name_at(now: int) -> str:
    """A name for a snapshot of `now` (ms) that nobody can guess, in Prometheus's form."""
    return f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}"


def take(
    directory: Path, name: str, leaves: Iterable[Page | Chunk], index: Index, erasures: Erasures, disk: Disk
) -> None:
    """Put what the leaves hold into `snapshots/name` below the directory; durable when this returns.

    May raise OSError, and then there is nothing. Leaves must not be sealed, merged or dropped meanwhile; pages may be
    written.
    """
    folder = directory / FOLDER
    folder.mkdir(exist_ok=True)
    disk.sync_names(directory)
    for unfinished in folder.glob(f"*{UNFINISHED}"):
        _remove(unfinished, disk)
    beside = folder / f"{name}{UNFINISHED}"
    beside.mkdir()
    try:
        for leaf in leaves:
            _put(leaf, beside / f"{leaf.number:08d}{SUFFIX}", index, erasures, disk)
        erasures.copy_to(beside)
        disk.sync_names(beside)
        disk.rename(beside, folder / name)
        disk.sync_names(folder)
    except BaseException:
        for made in (beside, folder / name):
            _remove(made, disk)
        raise


def _put(leaf: Page | Chunk, path: Path, index: Index, erasures: Erasures, disk: Disk) -> None:
    if isinstance(leaf, Chunk) and isinstance(leaf.source, Path):
        try:
            disk.link(leaf.source, path)
        except OSError:  # a file system that has no links, or no more of them
            _copy(leaf.source, path, disk)
        return
    sink = FileSink(disk, path)
    try:
        if isinstance(leaf, Page):
            if seal(leaf, index, sink, erasures.on(leaf)) is None:
                sink.discard()
        elif isinstance(leaf.source, bytes):
            sink.write(leaf.source, 0)
            sink.publish(len(leaf.source))
    except BaseException:
        sink.discard()
        raise


def _copy(source: Path, path: Path, disk: Disk) -> None:
    descriptor = disk.open(path)
    try:
        at = 0
        with source.open("rb") as file:
            while data := file.read(COPIED_AT_ONCE):
                disk.write(descriptor, data, at, len(data))
                at += len(data)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)


def _remove(folder: Path, disk: Disk) -> None:
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                disk.remove(path)
        folder.rmdir()
