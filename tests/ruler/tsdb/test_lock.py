"""A directory has one process, which is named to any other; a look does not disturb."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from common.errors import StartError
from ruler.tsdb.files.lock import DirectoryLock, refuse_second


def test_the_holder_is_named(tmp_path: Path) -> None:
    """To one that wants the lock and to one that only looks; when it is let go of, both go on."""
    lock = DirectoryLock(tmp_path)
    for second in (DirectoryLock, refuse_second):
        with pytest.raises(StartError) as caught:
            second(tmp_path)
        assert f"{tmp_path}: in use by another process: pid {os.getpid()}" == str(caught.value)
    lock.release()
    refuse_second(tmp_path)
    DirectoryLock(tmp_path).release()


def test_the_pid_of_an_earlier_process_leaves_no_digit(tmp_path: Path) -> None:
    """What a longer pid left behind is not read as part of ours."""
    (tmp_path / "lock").write_text("99999999999999999\n", encoding="ascii")
    lock = DirectoryLock(tmp_path)
    assert f"{os.getpid()}\n" == (tmp_path / "lock").read_text(encoding="ascii")
    lock.release()


def test_a_look_where_nothing_is_makes_nothing(tmp_path: Path) -> None:
    """A directory that is not there yet is in nobody's use."""
    refuse_second(tmp_path / "none")
    refuse_second(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_looking_keeps_nobody_out(tmp_path: Path) -> None:
    """However many look at once, who wants the free lock gets it."""
    (tmp_path / "lock").touch()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            refuse_second(tmp_path)
            done.wait(0.001)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(200):
            try:
                DirectoryLock(tmp_path).release()
            except StartError as error:
                pytest.fail(str(error))
    finally:
        done.set()
        looking.join()
