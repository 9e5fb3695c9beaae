"""What damage to one file of a directory does to the answers: a flipped bit above all, and ruder things.

A copy of a small database is damaged and opened. Every sample that it gives must be one that was stored; when some are
missing, its health must tell. Then it must take samples of the same series, and have them and the rest when it is
opened once more.
"""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from common.labels import Labels
from ruler.model.arrays import ABSENT_BITS
from ruler.model.matcher import Matcher, MatchOp
from ruler.tsdb.db import DB
from tests.bench.damage import OTHERS, Damage, flipped
from tests.bench.database import maintained, opened
from tests.bench.load import TICK, Load, phase

TARGETS, PER_TARGET, TICKS = 6, 40, 640
SERIES_AT_FIRST = 20  # the other half comes later, so that labels are written more than once
START = 1_700_000_000_000 // 3_600_000 * 3_600_000
PORT = 9100
LATER = 20  # ticks until the damaged directory is opened
FULL, QUICK = 1_000, 100  # flips; and a fifth as many of each other kind of damage
MEMORY = Path("/dev/shm")  # nothing here waits for a disk
EVERYTHING = (Matcher("__name__", MatchOp.REGEX, ".+"),)
TIME_BITS = 36  # of a sample's key: two years, in ms since START


class Samples(NamedTuple):
    """Samples are sorted by their keys, series and time in one, which no two of an answer share."""

    keys: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.keys)

    def also_in(self, others: Samples) -> int:
        """How many of them are among the others, with the same value."""
        if not len(others):
            return 0
        at = np.minimum(np.searchsorted(others.keys, self.keys), len(others) - 1)
        return int(np.count_nonzero((others.keys[at] == self.keys) & (others.values[at] == self.values)))

    @property
    def doubled(self) -> int:
        return int(np.count_nonzero(self.keys[1:] == self.keys[:-1]))


@dataclass(slots=True)
class Figures:
    """Figures are what became of directories that were damaged in one way in one kind of file."""

    tried: int = 0
    kept: int = 0
    stored: int = 0
    unreported: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.tried:5} tried, {self.kept / self.stored:8.3%} of samples kept; changed without a report "
            f"{len(self.unreported)}, wrong samples {len(self.wrong)}, did not start {len(self.refused)}, lost "
            f"afterwards {len(self.forgotten)}"
        )

    @property
    def examples(self) -> Iterator[str]:
        for name in ("unreported", "wrong", "refused", "forgotten"):
            yield from (f"      {name}: {each}" for each in getattr(self, name)[:3])


class Trials:
    """Trials damage copies of one directory, of which all samples are known."""

    def __init__(self, folder: Path) -> None:
        self._original, self._copy = folder / "original", folder / "copy"
        self._names: dict[tuple[tuple[str, str], ...], int] = {}
        stored(self._original)
        self.kinds = kinds_of(self._original)
        self._copied()
        db = opened(self._copy, _moment(TICKS + LATER))
        self._all = self._samples(db)
        self._healthy = asdict(db.health)
        db.close()

    def tell(self) -> str:
        return f"{len(self._all):,} samples in " + ", ".join(
            f"{len(files)} × {kind} ({sum((self._original / name).stat().st_size for name in files):,} B)"
            for kind, files in self.kinds.items()
        )

    def run(self, damage: Damage, kind: str, seed: int, figures: Figures) -> None:
        """Damage one file of a kind."""
        chance = random.Random(f"{damage.__name__} {kind} {seed}")
        self._copied()
        name = chance.choice(self.kinds[kind])
        damage(self._copy / name, chance)
        what = f"{damage.__name__} {name}, seed {seed}"
        figures.tried += 1
        figures.stored += len(self._all)
        try:
            db = opened(self._copy, _moment(TICKS + LATER))
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what is counted)
            figures.refused.append(f"{what}: {error!r}")
            return
        try:
            left = self._judged(db, what, figures)
            self._go_on(db, left, what, figures)
        except Exception as error:  # noqa: BLE001
            figures.refused.append(f"{what}: {error!r}")
            db.close()

    def _judged(self, db: DB, what: str, figures: Figures) -> Samples:
        """What the damaged database gives: only what was stored, and a report when that is not all."""
        left = self._samples(db)
        kept = left.also_in(self._all)
        figures.kept += kept
        if kept != len(left) or left.doubled:
            figures.wrong.append(f"{what}: {len(left) - kept} samples, {left.doubled} twice")
        if len(left) != len(self._all) and asdict(db.health) == self._healthy:
            figures.unreported.append(f"{what}: {len(self._all) - len(left)} samples are missing")
        return left

    def _go_on(self, db: DB, left: Samples, what: str, figures: Figures) -> None:
        """Append to the damaged database, and look whether all is there when it is opened again."""
        append(db, Load(TARGETS, PER_TARGET), TICKS + LATER, 3)
        before = self._samples(db)
        maintained(db, _moment(TICKS + LATER + 3))
        db.close()
        db = opened(self._copy, _moment(TICKS + LATER + 4))
        after = self._samples(db)
        db.close()
        if (
            len(after) <= len(left)
            or len(after) != len(before)
            or left.also_in(after) != len(left)
            or before.also_in(after) != len(before)
        ):
            figures.forgotten.append(f"{what}: {len(left)} samples, {len(before)} with new ones, {len(after)} then")

    def _copied(self) -> None:
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._original, self._copy)

    def _samples(self, db: DB) -> Samples:
        """All samples in a database, sorted."""
        selection = db.select(EVERYTHING, 0, 1 << 60)
        table = selection.table
        keys, values = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.uint64)]
        for block in (block for each in selection.blocks for block in each.blocks()):
            names = [tuple(sorted(table.labels(row).items())) for row in block.rows.tolist()]
            numbers = np.array([self._names.setdefault(name, len(self._names)) for name in names], dtype=np.int64)
            bits = block.values.view(np.uint64)
            row, column = np.nonzero(bits != ABSENT_BITS)
            keys.append((block.times[row, block.stream_of[column]] - START) | numbers[column] << TIME_BITS)
            values.append(bits[row, column])
        key = np.concatenate(keys)
        order = np.argsort(key, kind="stable")
        return Samples(key[order], np.concatenate(values)[order])


def measure(flips: int) -> Iterator[object]:
    """The figures of so many flips over all kinds of files, and of fewer damages of other kinds."""
    logging.getLogger("tsdb").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        trials = Trials(Path(folder))
        yield trials.tell()
        for damage in (flipped, *OTHERS):
            count = flips if damage is flipped else flips // 5
            for kind in trials.kinds:
                figures = Figures()
                for seed in range(-(-count // len(trials.kinds))):
                    trials.run(damage, kind, seed, figures)
                yield f"  {damage.__name__:12} {kind:10} {figures}"
                yield from figures.examples


def stored(directory: Path) -> None:
    """Fill a directory with a small fleet, and leave it as a kill would."""
    db = opened(directory, START)
    load = Load(TARGETS, PER_TARGET)
    append(db, load, 0, TICKS)
    db.sync()
    copy = directory.with_name("taken")
    shutil.copytree(directory, copy)
    db.close()
    shutil.rmtree(directory)
    copy.rename(directory)


def append(db: DB, load: Load, first: int, ticks: int) -> None:
    """Ticks of a fleet, of which only some series are there at first."""
    labels = [list(map(Labels, load.labels(target, PORT))) for target in range(TARGETS)]
    streams = [db.stream(f"t{target}", TICK) for target in range(TARGETS)]
    few = [db.series(each[:SERIES_AT_FIRST]) for each in labels]
    all_ = few
    for tick in range(first, first + ticks):
        load.advance()
        if tick >= TICKS // 3 and all_ is few:
            all_ = [db.series(each) for each in labels]
        for target, stream in enumerate(streams):
            at = _moment(tick) + phase(target, TICK)
            series = all_[target]
            stream.append(at, at, series, load.row(target)[: len(series)])
        if tick % 20 == 0:
            maintained(db, _moment(tick))
    for stream in streams:
        stream.close(None)


def kinds_of(directory: Path) -> dict[str, list[str]]:
    """The files of a directory by kind: what they are called without their numbers."""
    found: dict[str, list[str]] = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.stat().st_size:
            kind = path.suffix.lstrip(".") or path.name.strip("0123456789")
            found.setdefault(kind, []).append(str(path.relative_to(directory)))
    return found


def _moment(tick: int) -> int:
    return START + tick * TICK
