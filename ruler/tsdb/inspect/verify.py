"""Reading everything that a directory has, and saying of each file what is wrong with it. Changes nothing."""

from __future__ import annotations

import contextlib
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any, Final

from common.errors import StartError
from ruler.database.look import log_of, look
from ruler.tsdb.files import chunkfile, page, pagefiles, serieslog
from ruler.tsdb.files.chunk import Chunk
from ruler.tsdb.files.chunkfile import HEADER_SIZE, CorruptChunkError, read_header, read_meta
from ruler.tsdb.files.page import NewerVersionError, Weights
from ruler.tsdb.files.parity import SEGMENT, protection
from ruler.tsdb.files.serieslog import Records
from ruler.tsdb.inspect.reading import Findings, contents_to_read
from ruler.tsdb.keep import erase
from ruler.tsdb.keep.erase import Erasures
from ruler.tsdb.labels.index import Index

STATE: Final = ".sqlite"
ASIDE: Final = ".corrupt"
KINDS: Final = {
    chunkfile.SUFFIX: "chunk",
    pagefiles.SUFFIX: "page",
    serieslog.SUFFIX: "labels",
    STATE: "state",
    ASIDE: "set aside",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A Verdict is what is wrong with a file: nothing, or a sentence for each thing."""

    path: Path
    kind: str
    size: int
    problems: tuple[str, ...]


def verify(directory: Path) -> list[Verdict]:
    """The verdict on every file of a directory that no process has; raises StartError."""
    found = Findings()
    contents = contents_to_read(directory, Index(), Weights(), Erasures(), found)
    for chunk in (leaf for leaf in contents.leaves if isinstance(leaf, Chunk)):
        opened = chunk.opened()
        if opened is not None:
            opened.check()
    problems: dict[Path, list[str]] = {}
    for finding in found.found:
        problems.setdefault(finding.path, []).append(finding.problem)
    verdicts = []
    for path, kind in _files(directory):
        own = [*problems.get(path, ()), *_more(path, kind)]
        verdicts.append(Verdict(path, kind, path.stat().st_size, tuple(own)))
    return verdicts


def _files(directory: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(directory.iterdir()):
        kind = "deletions" if path.name == erase.NAME else KINDS.get(path.suffix)
        if kind is not None and path.is_file():
            yield path, kind


def _more(path: Path, kind: str) -> Iterator[str]:
    """What is wrong that no reader comes across."""
    if kind == "chunk":
        yield from _spares_of_chunk(path)
    if kind == "page":
        yield from _header_of_page(path)
    if kind == "labels":
        yield from _end_of_labels(path)
    if kind == "set aside":
        yield f"bytes that could not be read were set aside here: {path.stat().st_size}"
    if kind == "state":
        yield from _wrong_with_state(path)


def _spares_of_chunk(path: Path) -> Iterator[str]:
    """What is wrong with the parts of a chunk that are read when others are damaged."""
    content = path.read_bytes()
    with contextlib.suppress(CorruptChunkError, NewerVersionError):
        header, _ = read_header(content[:HEADER_SIZE], content[-HEADER_SIZE:])
        arrays, first_damaged = read_meta(header, lambda size, at: content[at : at + size])
        second = content[header.meta_at + header.meta_size :][: header.meta_size]
        if not first_damaged and zlib.crc32(second) != header.meta_crc:
            yield "the second of two copies of the meta is damaged"
        for start, length, at, size in arrays["stretches"].tolist():
            parity, checks = protection(content[start : start + length])
            if parity != content[at : at + size] and checks == _checks(arrays, start):
                yield "the parity is damaged: nothing is lost, but nothing could be restored from it"


def _checks(arrays: Mapping[str, Any], start: int) -> list[int]:
    """What the checks of the segments of the stretch that begins at `start` should be."""
    before = 0
    for each, length, *_ in arrays["stretches"].tolist():
        count = -(-length // SEGMENT)
        if each == start:
            checks: list[int] = arrays["checks"][before : before + count].tolist()
            return checks
        before += count
    return []


def _header_of_page(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        header = file.read(page.HEADER_SIZE)
    half = page.HEADER_SIZE // 2
    if page.shape_in(header) is not None and header[:half] != header[half:]:
        yield "one of two headers is damaged"


def _end_of_labels(path: Path) -> Iterator[str]:
    records = Records(path.read_bytes())
    for _ in records.bodies():
        pass
    if records.torn:
        yield "it ends in the middle of a record, as a loss of power may leave it"


def _wrong_with_state(path: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name  # SQLite writes where it reads
        for source, target in ((path, copy), (log_of(path), log_of(copy))):
            if source.exists():
                copyfile(source, target)
        try:
            state = look(copy)
        except StartError as error:
            yield f"cannot be judged: {error}"
            return
        if state is not None and state.damage:
            yield state.damage
            yield from (f"rows that are lost of {table}: {count}" for table, count in state.lost.items() if count)
