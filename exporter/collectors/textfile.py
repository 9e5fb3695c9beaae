"""textfile: the metrics that jobs leave in files `*.prom`, passed on as they are.

A file counts whole or not at all, and never against another: one that is half-written, too large or at odds with an
earlier one sets node_textfile_scrape_error and costs nothing else. What was parsed is kept until the file changes.
"""

from __future__ import annotations

import glob
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from common.errors import TocsinError
from common.exposition import Family, Row, gauge, gauge_of
from common.labels import METRIC_NAME
from common.logs import facts
from common.textformat import Help, MetricType, Sample, Type, parse_page
from exporter.settings import ExporterSettings, Flag

MAX_FILES = 1000
MAX_BYTES = 4 << 20  # of one file

DIRECTORY = Flag("textfile.directory", "directory of files *.prom; may be a glob, may be given again", repeated=True)

SUFFIXES = {
    MetricType.HISTOGRAM: ("_bucket", "_sum", "_count"),
    MetricType.SUMMARY: ("_sum", "_count"),
}

log = logging.getLogger("textfile")

Identity = tuple[int, int, int, int]  # device, inode, size, time of change
Labelled = dict[str, str]


class TextfileError(TocsinError):
    """A file that is not passed on."""


@dataclass(slots=True)
class Metric:
    """A Metric is one family as files have it: every sample with its own labels."""

    name: str
    type: MetricType
    help: str | None
    rows: list[tuple[str, Labelled, float]]  # suffix, labels, value


@dataclass(frozen=True, slots=True)
class File:
    """A File is what one file said, and how it was then."""

    path: str
    identity: Identity
    changed: float
    metrics: tuple[Metric, ...]


class Textfile:
    """The textfile collector. Keeps the Files that it has read."""

    name: ClassVar[str] = "textfile"
    flags: ClassVar[tuple[Flag, ...]] = (DIRECTORY,)

    def __init__(self, settings: ExporterSettings) -> None:
        self._directories = [line for line in settings.text(DIRECTORY).splitlines() if line]
        self._files: dict[str, File] = {}
        self._complaints: dict[str, str] = {}

    def collect(self) -> Iterator[Family]:
        complaints: dict[str, str] = {}
        known, self._files = self._files, {}
        merged: dict[str, tuple[Metric, list[str]]] = {}
        for path in self._paths(complaints):
            try:
                file = self._files[path] = read_file(path, known.get(path))
                add_to(merged, file)
            except (OSError, TextfileError) as error:
                complaints[path] = (isinstance(error, OSError) and error.strerror) or str(error)
        self._complain(complaints)
        for metric, paths in merged.values():
            yield family_of(metric, paths)
        pairs = [((path,), file.changed) for path, file in self._files.items()]
        yield gauge("node_textfile_mtime_seconds", "When each file that was read was changed.", ("file",), pairs)
        text = "1 if there was an error opening or reading a file, 0 otherwise."
        yield gauge_of("node_textfile_scrape_error", text, int(bool(complaints)))

    def _paths(self, complaints: dict[str, str]) -> list[str]:
        """The files to read, in order."""
        paths: list[str] = []
        for pattern in self._directories:
            for directory in sorted(glob.glob(pattern)) or [pattern]:  # noqa: PTH207  (the pattern is absolute)
                try:
                    names = sorted(name for name in os.listdir(directory) if name.endswith(".prom"))  # noqa: PTH208
                except OSError as error:
                    complaints[directory] = error.strerror or str(error)
                else:
                    paths += [f"{directory}/{name}" for name in names]
        for path in paths[MAX_FILES:]:
            complaints[path] = f"more than {MAX_FILES} files"
        return paths[:MAX_FILES]

    def _complain(self, complaints: dict[str, str]) -> None:
        """Log each complaint once, not at every scrape."""
        for path, why in complaints.items():
            if self._complaints.get(path) != why:
                log.error("textfile is not passed on", extra=facts(file=path, err=why))
        self._complaints = complaints


def read_file(path: str, known: File | None) -> File:
    """The File at `path`, `known` itself when nothing has changed; raises OSError and TextfileError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a fifo must not hold the scrape
    with open(descriptor, "rb") as opened:  # noqa: PTH123  (a descriptor has no path)
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise TextfileError("not a regular file")
        identity = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
        if known is not None and known.identity == identity:
            return known
        page = opened.read(MAX_BYTES + 1)
    if len(page) > MAX_BYTES:
        raise TextfileError(f"larger than {MAX_BYTES} bytes")
    return File(path, identity, about.st_mtime_ns / 1e9, parse_textfile(page))


def parse_textfile(page: bytes) -> tuple[Metric, ...]:
    """The Metrics of a file; raises TextfileError where Go's text parser would (and for timestamps)."""
    if page and not page.endswith(b"\n"):
        raise TextfileError("ends in the middle of a line")
    metrics: dict[str, Metric] = {}
    seen: set[tuple[object, ...]] = set()
    for entry in _entries(page):
        if isinstance(entry, Sample):
            _add_sample(metrics, seen, entry)
        elif isinstance(entry, Help):
            metric = metrics.setdefault(entry.metric, Metric(entry.metric, MetricType.UNTYPED, None, []))
            if metric.help is not None:
                raise TextfileError(f"{entry.metric}: second HELP line")
            metric.help = entry.text
        else:
            metric = metrics.setdefault(entry.metric, Metric(entry.metric, MetricType.UNTYPED, None, []))
            if metric.rows:
                raise TextfileError(f"{entry.metric}: TYPE line after its samples")
            metric.type = entry.type
    return tuple(metric for metric in metrics.values() if metric.rows)


def _entries(page: bytes) -> Iterator[Help | Type | Sample]:
    try:
        yield from parse_page(page)
    except TocsinError as error:
        raise TextfileError(str(error)) from None


def _add_sample(metrics: dict[str, Metric], seen: set[tuple[object, ...]], sample: Sample) -> None:
    labels = dict(sample.labels)
    if len(labels) != len(sample.labels):
        raise TextfileError(f"{labels[METRIC_NAME]}: a label given twice")
    written = labels.pop(METRIC_NAME)
    if sample.timestamp is not None:
        raise TextfileError(f"{written}: has a timestamp")
    metric, suffix = _owner(metrics, written)
    identity = (written, *sorted(pair for pair in labels.items() if pair[1]))
    if identity in seen:
        raise TextfileError(f"{written}: the same series twice")
    seen.add(identity)
    metric.rows.append((suffix, labels, sample.value))


def _owner(metrics: dict[str, Metric], written: str) -> tuple[Metric, str]:
    """The metric that a sample called `written` belongs to, and the rest of the name."""
    for suffix in ("_bucket", "_sum", "_count"):
        metric = metrics.get(written.removesuffix(suffix)) if written.endswith(suffix) else None
        if metric is not None and suffix in SUFFIXES.get(metric.type, ()):
            return metric, suffix
    return metrics.setdefault(written, Metric(written, MetricType.UNTYPED, None, [])), ""


def add_to(merged: dict[str, tuple[Metric, list[str]]], file: File) -> None:
    """Add the metrics of `file` to those of the files before it; raises TextfileError, and then adds none."""
    for metric in file.metrics:
        if metric.name not in merged:
            continue
        known, _ = merged[metric.name]
        if metric.type is not known.type:
            raise TextfileError(f"{metric.name}: is a {metric.type} here and a {known.type} in an earlier file")
        if metric.help and known.help and metric.help != known.help:
            raise TextfileError(f"{metric.name}: has another help text than in an earlier file")
        if _identities(metric) & _identities(known):
            raise TextfileError(f"{metric.name}: has a series that is in an earlier file too")
    for metric in file.metrics:
        known, paths = merged.get(metric.name, (Metric(metric.name, metric.type, None, []), []))
        together = Metric(metric.name, metric.type, known.help or metric.help, known.rows + metric.rows)
        merged[metric.name] = (together, [*paths, file.path])


def _identities(metric: Metric) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {(suffix, frozenset(pair for pair in labels.items() if pair[1])) for suffix, labels, _ in metric.rows}


def family_of(metric: Metric, paths: Iterable[str]) -> Family:
    """`metric` as a Family: with every label that any of its samples has, `le` and `quantile` last."""
    names = {name for _, labels, _ in metric.rows for name in labels}
    ordered = tuple(sorted(names - {"le", "quantile"})) + tuple(sorted(names & {"le", "quantile"}))
    rows = [
        Row(tuple(labels.get(name, "") for name in ordered), value, suffix) for suffix, labels, value in metric.rows
    ]
    return Family(metric.name, metric.type, metric.help or f"Metric read from {', '.join(paths)}", ordered, rows)
