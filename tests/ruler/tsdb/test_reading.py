"""Reading without writing: what offline tools see of a directory, and that they leave every byte of it as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.durations import HOUR
from common.errors import StartError
from ruler.tsdb.db import DB
from ruler.tsdb.inspect.reading import Findings
from ruler.tsdb.inspect.verify import verify
from ruler.tsdb.keep.snapshot import FOLDER
from tests.ruler.tsdb.reading import BASE, Samples, read
from tests.ruler.tsdb.test_erase import END, START, M, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A closed database with merged and sealed chunks, pages, and deletions."""
    world = World(tmp_path / "data")
    world.scrape(700)
    world.restart()
    world.keep(2)
    world.scrape(400)
    world.erase([M], BASE + HOUR, BASE + HOUR + HOUR // 4)
    world.db.close()
    return world


def tree(path: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and when it was changed."""
    files = sorted(each for each in path.rglob("*") if each.is_file())
    return {str(each.relative_to(path)): (each.read_bytes(), each.stat().st_mtime_ns) for each in files}


def shown(path: Path, health: Findings | None = None) -> Samples:
    return read(DB.open_to_read(path, health), START, END)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 0x10
    path.write_bytes(content)


def test_a_stopped_directory_is_read_as_it_is(world: World) -> None:
    """It answers as the database did, and nothing is made, changed or removed, not even what is left over."""
    (world.path / "00000099.tmp").write_bytes(b"left over")
    before = tree(world.path)
    assert world.expected() == shown(world.path)
    assert {"chunk", "page", "labels", "deletions"} == {verdict.kind for verdict in verify(world.path)}
    assert before == tree(world.path)


def test_a_snapshot_is_read_beside_its_ruler(world: World) -> None:
    """The ruler's own directory is refused with its pid while it runs."""
    world.open()
    name = world.db.snapshot(world.clock.now())
    assert world.expected() == shown(world.path / FOLDER / name)
    assert [] == [verdict for verdict in verify(world.path / FOLDER / name) if verdict.problems]
    with pytest.raises(StartError, match=r"data: in use by another process: pid \d+"):
        shown(world.path)
    world.db.close()


@pytest.mark.parametrize(
    ("name", "problem"), [("nothing", "there is no such directory"), ("data/lock", "not a directory")]
)
def test_what_is_no_directory_is_one_line(world: World, name: str, problem: str) -> None:
    """Nothing is made in its place."""
    path = world.path.parent / name
    before = tree(world.path.parent)
    with pytest.raises(StartError, match=f"{name}: {problem}"):
        shown(path)
    assert before == tree(world.path.parent)


def test_nothing_is_wrong_with_what_is_whole(world: World) -> None:
    """No verdict has a problem."""
    assert [] == [verdict for verdict in verify(world.path) if verdict.problems]


def test_every_damage_is_found_and_told_of_by_file(world: World) -> None:
    """Bytes flipped in any file that has content: its verdict and no other says so, and nothing is changed."""
    chance = np.random.default_rng(5)
    missed = []
    for path in sorted(world.path.iterdir()):
        whole = path.read_bytes()
        if path.name == "lock":
            continue
        for _ in range(12):
            used = np.flatnonzero(np.frombuffer(whole, np.uint8))
            place = int(used[chance.integers(len(used))])
            flip(path, place)
            before = tree(world.path)
            wrong = {verdict.path.name for verdict in verify(world.path) if verdict.problems}
            assert wrong <= {path.name}
            if not wrong:
                missed.append((path.name, place))
            assert before == tree(world.path)
            path.write_bytes(whole)
    assert [] == missed


@pytest.mark.parametrize("suffix", [".page", ".chunk", ".series"])
def test_files_that_are_cut_short_empty_or_garbage_are_told_of(world: World, suffix: str) -> None:
    """Each in words, and what is left is read."""
    path = next(world.path.glob(f"*{suffix}"))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:100], b"", bytes(len(whole)), b"garbage" * 999):
        path.write_bytes(content)
        before = tree(world.path)
        found = Findings()
        assert len(shown(world.path, found)) <= 3
        wrong = {verdict.path for verdict in verify(world.path) if verdict.problems}
        assert path in wrong
        assert wrong <= ({path, *world.path.glob("*.page")} if suffix == ".series" else {path})
        assert before == tree(world.path)


def test_what_was_set_aside_is_told_of(world: World) -> None:
    """Until somebody takes it away."""
    (world.path / "00000001.page.corrupt").write_bytes(b"x" * 10)
    [verdict] = [verdict for verdict in verify(world.path) if verdict.problems]
    assert ("set aside", ("bytes that could not be read were set aside here: 10",)) == (verdict.kind, verdict.problems)
