"""What several stages' tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ruler.database import Database, open_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database in a file of the test's own."""
    database = open_database(tmp_path / "state.db")
    yield database
    database.close()
