"""Ways in which files go bad: what a disk, a power cut or a hand does to one file of a directory."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

BLOCK = 4096
Damage = Callable[[Path, random.Random], None]


def flipped(path: Path, chance: random.Random) -> None:
    """One bit of one byte is another; half of the times near an end, where files have their headers."""
    size = path.stat().st_size
    near = min(size, BLOCK)
    place = chance.choice((chance.randrange(size), chance.randrange(size), chance.randrange(near), -1))
    if place < 0:
        place = size - 1 - chance.randrange(near)
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes((byte ^ 1 << chance.randrange(8),)))


def truncated(path: Path, chance: random.Random) -> None:
    """The end is missing."""
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


def zeroed(path: Path, chance: random.Random) -> None:
    """A block is as if it had never been written."""
    size = path.stat().st_size
    place = chance.randrange(-(-size // BLOCK)) * BLOCK
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes(min(BLOCK, size - place)))


def emptied(path: Path, _: random.Random) -> None:
    """Nothing is left but the name."""
    path.write_bytes(b"")


def garbage(path: Path, chance: random.Random) -> None:
    """The same length of something else."""
    path.write_bytes(chance.randbytes(path.stat().st_size))


def overwritten(path: Path, chance: random.Random) -> None:
    """A stretch of another file lies in the middle."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(chance.randrange(size))
        file.write(chance.randbytes(chance.randrange(1, BLOCK)))


OTHERS: tuple[Damage, ...] = (truncated, zeroed, emptied, garbage, overwritten)
