"""The laws of the architecture that a linter of imports cannot see."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = ("common", "exporter", "receiver", "ruler", "tocsin")
SOURCES = sorted(path for folder in PROGRAMS for path in (ROOT / folder).rglob("*.py"))
MAX_LINES = 400

# Each heavy dependency and the one folder through which it enters.
DOORS = {
    "apprise": "ruler/notify",
    "dns": "ruler/scrape/discovery",
    "psutil": "exporter",
    "pyarrow": "ruler/transfer/parquet.py",
    "sqlalchemy": "ruler",
    "uvloop": "ruler/loop.py",
}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(("library", "door"), DOORS.items())
def test_a_heavy_dependency_enters_through_one_door(library: str, door: str) -> None:
    """Whoever wants to replace a library finds all its uses in one place."""
    users = [path.relative_to(ROOT).as_posix() for path in SOURCES if library in imported(path)]
    assert users
    assert [] == [user for user in users if not user.startswith(door)]


def test_files_are_small() -> None:
    """A file that outgrows a reader's patience is two things in one."""
    sizes = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {} == {name: size for name, size in sizes.items() if size > MAX_LINES}


def test_modules_say_what_they_are() -> None:
    """Every module with code begins with a short docstring; a drawing in it (indented) does not count."""
    silent = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        doc = ast.get_docstring(ast.parse(text)) or ""
        prose = [line for line in doc.splitlines() if line and not line.startswith(" ")]
        if text.strip() and not 1 <= len(prose) <= 12:
            silent.append(path.relative_to(ROOT).as_posix())
    assert [] == silent


def test_nothing_is_called_utils() -> None:
    """A file is named after what it defines."""
    refused = {"utils.py", "helpers.py", "misc.py", "common.py"}
    assert [] == [path for path in SOURCES if path.name in refused]


def test_architecture_page_fits_a_reader() -> None:
    """ARCHITECTURE.md stays short enough to be read whole."""
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 200
