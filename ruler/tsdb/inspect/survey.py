"""What the chunks of a directory tell without opening the database: how many series of each class, and their bytes.

Chunks are never changed, so this works beside a ruler that has the directory open; it takes no lock and writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.durations import HOUR
from common.errors import StartError
from ruler.model.matcher import Matcher
from ruler.model.table import StringPool
from ruler.tsdb.config import Archive
from ruler.tsdb.files import chunkfile, serieslog
from ruler.tsdb.files.chunkfile import HEADER_SIZE, CorruptChunkError, Header, read_header, read_meta
from ruler.tsdb.files.dictionary import Dictionary
from ruler.tsdb.inspect.footprint import Population, Sizes

SAMPLED = 16  # chunks of a kind whose samples are counted
LATELY = 2 * HOUR  # an interval that has had no chunk for so long is not in use any more


@dataclass(frozen=True, slots=True)
class Survey:
    """A Survey is the series of each class (the rest last), and what was measured of their bytes."""

    populations: tuple[tuple[Population, ...], ...]
    sizes: Sizes
    used: int  # bytes of the directory


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    header: Header
    size: int

    def arrays(self) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
        with self.path.open("rb") as file:
            arrays, _ = read_meta(self.header, lambda size, at: os.pread(file.fileno(), size, at))
        return arrays


def survey(directory: Path, archives: Sequence[Archive]) -> Survey:
    """What is in `directory`; raises StartError when nothing there can be measured."""
    if not directory.is_dir():
        raise StartError(f"{directory}: {'not a directory' if directory.exists() else 'there is no such directory'}")
    files = list(_files(directory))
    raw = [file for file in files if not file.header.resolution]
    if not raw:
        problem = "no chunk to measure yet: a ruler writes the first after half an hour (or give --series)"
        raise StartError(f"{directory}: {problem}")
    newest = max(file.header.newest for file in raw)
    populations: list[list[Population]] = [[] for _ in (*archives, None)]
    series = 0
    for interval in sorted({file.header.interval for file in raw}):
        latest = max((file for file in raw if file.header.interval == interval), key=lambda file: file.header.newest)
        if latest.header.newest < newest - LATELY:
            continue
        counts = _counted(latest, archives)
        series += sum(counts)
        between = interval or max(1, (latest.header.newest - latest.header.oldest) // max(1, latest.header.rows))
        for some, count in zip(populations, counts, strict=True):
            if count:
                some.append(Population(between, count))
    default = Sizes()
    merged = [file for file in raw if 2 * file.header.rows > max(each.header.rows for each in raw)]
    labels = sum(path.stat().st_size for path in directory.glob(f"*{serieslog.SUFFIX}"))
    sizes = Sizes(
        merged_sample=_each(merged) or default.merged_sample,
        bucket=_each([file for file in files if file.header.resolution]) or default.bucket,
        series=labels / series if series and labels else default.series,
    )
    return Survey(tuple(map(tuple, populations)), sizes, used_bytes(directory))


def used_bytes(directory: Path) -> int:
    """The bytes that the files of a directory take."""
    total = 0
    for path in directory.glob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue  # merged, or dropped, meanwhile
    return total


def _files(directory: Path) -> Iterator[_File]:
    """The chunks that can be read and that no other supersedes."""
    found: dict[int, _File] = {}
    for path in sorted(directory.glob(f"*{chunkfile.SUFFIX}")):
        try:
            with path.open("rb") as file:
                front = file.read(HEADER_SIZE)
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - HEADER_SIZE))
                header, _ = read_header(front, file.read(HEADER_SIZE))
        except (OSError, CorruptChunkError):
            continue  # gone meanwhile, or for `tsdb verify` to tell
        found[header.number] = _File(path, header, size)
    superseded = {source for file in found.values() for source in file.header.superseded}
    return (file for number, file in found.items() if number not in superseded)


def _counted(file: _File, archives: Sequence[Archive]) -> list[int]:
    """How many columns of a chunk belong to each class: the first rule that matches has it."""
    dictionary = Dictionary.of_arrays(file.arrays())
    left = np.ones(file.header.columns - 1, dtype=np.bool_)
    counts = []
    for archive in archives:
        before = int(left.sum())
        for selector in archive.match:
            left[_columns(dictionary, selector, left)] = False
        counts.append(before - int(left.sum()))
    return [*counts, int(left.sum())]


def _columns(
    dictionary: Dictionary, selector: Sequence[Matcher], among: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    columns, _ = dictionary.select(selector, among, StringPool())
    return columns


def _each(files: Sequence[_File]) -> float:
    """The bytes of a sample (or bucket) in the newest of these chunks; 0 when there are none."""
    size = samples = 0
    for file in sorted(files, key=lambda file: file.header.newest)[-SAMPLED:]:
        try:
            arrays = file.arrays()
        except (OSError, CorruptChunkError):
            continue
        spans = arrays["last_row"].astype(np.int64) - arrays["first_row"].astype(np.int64) + 1
        size, samples = size + file.size, samples + int(np.maximum(spans, 0).sum())
    return size / samples if samples else 0.0
