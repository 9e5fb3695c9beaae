from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ruler.rule.street import Street


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.close()
