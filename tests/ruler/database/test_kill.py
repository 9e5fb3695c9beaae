"""A real process that is killed while it writes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ruler.database.state import reopened

KILLS = int(os.environ.get("KILLS", "5"))
ROOT = Path(__file__).parents[3]


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After `kill -9` all that was acknowledged is there, what was removed is not, and nothing is damaged."""
    path, chance, last = tmp_path / "state", random.Random(KILLS), 0
    for _ in range(KILLS):
        command = [sys.executable, "-m", "tests.ruler.database.writing_child", str(path), str(last + 1)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            acknowledged = [int(child.stdout.readline()) for _ in range(chance.randrange(1, 400))]
            child.kill()
            acknowledged += [int(line) for line in child.stdout if line.endswith("\n")]
        before, last = last, acknowledged[-1]
        found, damaged = reopened(path)
        newest = found.pop("last")
        assert (0, True) == (damaged, last <= newest <= last + 1), [record.facts for record in caplog.records]
        assert set(range(max(1, newest - 49), newest + 1)) == set(found.values())
        assert before < last
