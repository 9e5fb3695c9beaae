"""`tocsin tsdb plan`: the disk that a config takes, part by part, and whether it fits. Exits 1 when it does not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from common.durations import format_duration
from common.errors import TocsinError
from common.flags import DURATION, SIZE
from common.sizes import format_size
from ruler.config import load
from ruler.files import size_of_disk
from ruler.model.matcher import Matcher
from ruler.tsdb.config import FOREVER, Archive, Retention
from ruler.tsdb.inspect.footprint import Class, Footprint, Population, Share, Sizes, footprint
from ruler.tsdb.inspect.survey import survey, used_bytes

REST = "the rest"
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")

_file = click.Path(path_type=Path)


@click.command()
@click.option("--config.file", "config_file", default="prometheus.yml", show_default=True, type=_file)
@click.option("--tocsin.config", "tocsin_config", type=_file, help="The tocsin.yml that declares archives.")
@click.option("--storage.tsdb.path", "storage", type=_file, help="Measure this directory, and the room on its disk.")
@click.option("--storage.tsdb.retention.time", "time", type=DURATION, help="As the ruler gets it.")
@click.option("--storage.tsdb.retention.size", "size", type=SIZE, help="As the ruler gets it.")
@click.option(
    "--series",
    type=click.IntRange(0),
    multiple=True,
    help="How many series: once for each archive and once for the rest; given once, as if all had the costliest.",
)
@click.option("--interval", default="15s", show_default=True, type=DURATION, help="How often they get a sample.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def plan(
    config_file: Path,
    tocsin_config: Path | None,
    storage: Path | None,
    time: int | None,
    size: int | None,
    series: tuple[int, ...],
    interval: int,
    form: str,
) -> None:
    """Say how much disk a config takes, and whether it fits."""
    if not series and storage is None:
        raise click.UsageError("give --series, or --storage.tsdb.path to measure")
    if interval <= 0:
        raise click.BadParameter("must be longer than 0s", param_hint="--interval")
    try:
        config = load(config_file, tocsin_config).storage
        retention = config.retention(time, size, None if storage is None else size_of_disk(storage))
        if series:
            populations = _populations(series, interval, config.archives, retention)
            sizes = Sizes()
        else:
            assert storage is not None  # noqa: S101  (tells the type checker; refused above)
            found = survey(storage, config.archives)
            populations, sizes = found.populations, found.sizes
    except TocsinError as error:
        raise click.ClickException(str(error)) from None
    report = Report(footprint(config.archives, populations, retention, sizes), retention, storage)
    if form == "json":
        click.echo(orjson.dumps(report.document(), option=orjson.OPT_INDENT_2))
    else:
        click.echo("\n".join(report.lines()))
    if not report.fits:
        raise SystemExit(1)


def _populations(
    series: Sequence[int], interval: int, archives: Sequence[Archive], retention: Retention
) -> Sequence[Sequence[Population]]:
    """The populations that --series gives; one number for several classes counts where it costs most."""
    count = len(archives) + 1
    if len(series) not in (1, count):
        raise click.BadParameter(
            f"given {len(series)} times: there are {count - 1} archives and the rest, so once or {count} times",
            param_hint="--series",
        )
    if len(series) == count:
        return [[Population(interval, each)] for each in series]
    choices = [
        [[Population(interval, series[0])] if each == place else [] for each in range(count)] for place in range(count)
    ]
    return max(choices, key=lambda choice: footprint(archives, choice, retention).total)


class Report:
    """A Report is a footprint beside what there is room for."""

    def __init__(self, found: Footprint, retention: Retention, storage: Path | None) -> None:
        self._found, self._retention, self._storage = found, retention, storage
        self._room: int | None = None
        if storage is not None:
            place = storage.absolute()
            while not place.exists():
                place = place.parent
            disk = os.statvfs(place)
            self._room = disk.f_bavail * disk.f_frsize + (used_bytes(storage) if storage.is_dir() else 0)

    @property
    def fits(self) -> bool:
        return self._fits_size and self._fits_room

    @property
    def _fits_size(self) -> bool:
        return self._retention.size is None or self._found.total <= self._retention.size

    @property
    def _fits_room(self) -> bool:
        return self._room is None or self._found.total <= self._room

    def lines(self) -> list[str]:
        """The report for a person to read."""
        rows: list[tuple[str, ...]] = [
            ("series", "resolution", "kept", "count", "samples each", "bytes each", "bytes", "")
        ]
        for each in self._found.classes:
            rows += [self._row(name, share) for name, share in zip(_names(each), each.shares, strict=True)]
        besides = self._besides()
        rows += [(name, "", "", "", "", "", f"{size:,}", _rounded(size)) for name, size in besides.items()]
        total = self._found.total
        rows.append(("total", "", "", "", "", "", f"{total:,}", _rounded(total)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if place < 3 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return [*lines, "", *self._verdicts()]

    def document(self) -> dict[str, Any]:
        """The report as JSON: sizes in bytes, times in seconds."""
        found, retention = self._found, self._retention
        return {
            "classes": [
                {
                    "match": None if each.archive is None else [_written(selector) for selector in each.archive.match],
                    "resolutions": [
                        {
                            "resolution": share.resolution / 1000,
                            "interval": share.interval / 1000,
                            "kept": share.kept / 1000,
                            "series": share.series,
                            "samples": share.samples,
                            "bytesPerSample": share.each,
                            "bytes": share.size,
                        }
                        for share in each.shares
                    ],
                }
                for each in found.classes
            ],
            "unmerged": found.unmerged,
            "pages": found.pages,
            "labels": found.labels,
            "merging": found.merging,
            "total": found.total,
            "retention": {"time": retention.time / 1000, "size": retention.size, "fits": self._fits_size},
            "disk": {"room": self._room, "fits": self._fits_room},
            "fits": self.fits,
        }

    def _row(self, name: str, share: Share) -> tuple[str, ...]:
        resolution = format_duration(share.resolution) if share.resolution else "raw"
        kept = (
            format_duration(share.kept // 3_600_000 * 3_600_000 or share.kept) if share.kept < FOREVER else "for ever"
        )
        counts = (f"{share.series:,}", f"{share.samples:,}", f"{share.each:.2f}", f"{share.size:,}")
        return (name, resolution, kept, *counts, _rounded(share.size))

    def _besides(self) -> dict[str, int]:
        found = self._found
        return {
            "chunks until they are merged": found.unmerged,
            "pages": found.pages,
            "labels": found.labels,
            "room to merge": found.merging,
        }

    def _verdicts(self) -> list[str]:
        total, size = self._found.total, self._retention.size
        verdicts = []
        if size is None:
            verdicts.append("no limit by size (storage.tsdb.retention.size)")
        elif self._fits_size:
            verdicts.append(
                f"storage.tsdb.retention.size is {format_size(size)}: it fits, with {_rounded(size - total)} left"
            )
        elif size < self._found.within(0):
            least = _rounded(self._found.within(0))
            verdicts.append(
                f"storage.tsdb.retention.size is {format_size(size)}: it does not fit: {least} is the least"
            )
        else:
            reach = format_duration(self._found.reach(size) // 3_600_000 * 3_600_000)
            verdicts.append(
                f"storage.tsdb.retention.size is {format_size(size)}: it does not fit: what is older than {reach} goes"
            )
        if self._room is not None:
            word = "it fits" if self._fits_room else "it does not fit"
            verdicts.append(f"room at {self._storage}, with what is there already: {_rounded(self._room)}: {word}")
        return verdicts


def _names(each: Class) -> list[str]:
    """What stands before each row of a class: its selectors, before those of raw samples."""
    name = REST if each.archive is None else " or ".join(_written(selector) for selector in each.archive.match)
    return ["" if share.resolution else name for share in each.shares]


def _written(selector: Sequence[Matcher]) -> str:
    return "{" + ",".join(str(matcher) for matcher in selector) + "}"


def _rounded(size: float) -> str:
    """A size for the eye: three digits and a unit."""
    place = 0
    while size >= 1000 and place < len(UNITS) - 1:
        size, place = size / 1024, place + 1
    return (
        f"{size:.0f} {UNITS[place]}"
        if not place or size >= 100
        else f"{size:.{1 if size >= 10 else 2}f} {UNITS[place]}"
    )
