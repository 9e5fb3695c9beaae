"""The patrol: damage is known before somebody asks for what it hit, at a bounded rate."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from common.clock import ManualClock
from ruler.tsdb.db import DB
from ruler.tsdb.files.chunk import Chunk, Content
from ruler.tsdb.keep.patrol import Patrol
from tests.ruler.tsdb.reading import read
from tests.ruler.tsdb.test_erase import END, FOREVER, START, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A closed database that has been merged into a few chunks."""
    world = World(tmp_path)
    world.scrape(1500)
    world.restart()
    world.keep(4)
    world.db.close()
    return world


def chunks_of(db: DB) -> list[Chunk]:
    return [chunk for ring in db._rings.values() for chunk in ring.chunks]


def test_damage_is_found_without_a_query(world: World) -> None:
    """A flipped byte is counted once, logged and set aside, although parity restores it; answers are right."""
    path = max(world.path.glob("*.chunk"), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[1024 + 50] ^= 4
    path.write_bytes(content)
    with closing(DB.open(world.path, clock=ManualClock(world.clock.now()), retention=FOREVER)) as db:
        assert 0 == db.health.damaged_blocks
        db.maintain(world.clock.now())
        db.maintain(world.clock.now())
        assert 1 == db.health.damaged_blocks
        aside = path.with_name(f"{path.name}.corrupt")
        assert aside.read_bytes() in bytes(content)
        for chunk in chunks_of(db):
            chunk.forget()
        assert world.expected() == read(db, START, END)
        assert 1 == db.health.damaged_blocks


def test_every_chunk_is_read_once_some_bytes_a_round(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No round reads more than its share and a block; when all is read, nothing more is."""
    db = DB.open_to_read(world.path)
    opened = [chunk.opened() for chunk in chunks_of(db)]
    blocks = [tuple(block) for each in opened if each is not None for block in each._blocks[:, :2].tolist()]
    done: list[tuple[int, int]] = []
    real = Content.read

    def noting(content: Content, size: int, at: int) -> bytes:
        done.append((at, size))
        return real(content, size, at)

    monkeypatch.setattr(Content, "read", noting)
    share = max(size for _, size in blocks) // 2
    patrol = Patrol(chunks_of(db), share)
    rounds = 0
    while len(done) < len(blocks):
        before = len(done)
        patrol.round()
        assert sum(size for _, size in done[before:]) <= share + max(size for _, size in blocks)
        rounds += 1
        assert rounds <= 2 * len(blocks)
    patrol.round()
    patrol.round()
    assert blocks == done


def test_chunks_that_are_gone_are_passed_over(world: World) -> None:
    """Retention and merging go on while the patrol is on its way."""
    db = DB.open_to_read(world.path)
    patrol = Patrol(chunks_of(db))
    for path in world.path.glob("*.chunk"):
        path.unlink()
    patrol.round()
    assert 0 == db.health.damaged_blocks + db.health.corrupt_files
